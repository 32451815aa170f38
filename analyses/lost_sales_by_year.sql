-- Question: What do lost customers cost us a year?
-- Rows:     one a fiscal year; the running one to date.
-- Read:     the six lines of the lost-sales calculation (customers, churn, average sales, lost sales; all sales, profit), and
--           beside the estimate the truth: lost_customers_sales is what the lost ones themselves bought in the year before. estimate_over_truth
--           above 1: those who left were smaller than the average. recoverable_…: what hearing their complaints could have kept.
-- Traps:    the base is the year before, so the first year has none; and customers who came and left within a year are in neither.
--           The twelve months added up give another number: each month has its own base, and each lost customer costs one month there.
select
    period_start,
    is_complete,
    customers_at_start,
    customers_lost,
    churn_rate,
    average_sales_per_customer,
    lost_sales,
    sales_of_customers_at_start,
    profit,
    lost_profit,
    lost_customers_sales,
    lost_sales / nullif(lost_customers_sales, 0) as estimate_over_truth,
    recoverable_sales_if_heard,
    recoverable_sales_if_heard_promptly
from {{ ref('lost_revenue') }}
where period_grain = 'year' and segment_type = 'all'
order by period_start desc
