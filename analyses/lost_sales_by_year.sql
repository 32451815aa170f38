-- Question: What do lost customers cost us per year?
-- Rows:     one per fiscal year; the open one to date.
-- Read:     the lost-sales calculation (customers, churn, average sales, lost sales, all sales, profit), and next to
--           the estimate lost_customers_sales, what the lost customers themselves bought while they still did.
--           estimate_over_truth above 1: those who left bought less than the average. recoverable_…: what hearing
--           their complaints could have kept.
-- Traps:    the base of the estimate is the year before, so the first year has none; customers who came and left
--           within a year are in neither. Twelve months added up give another number: each month has its own base,
--           and each lost customer costs one month there.
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
