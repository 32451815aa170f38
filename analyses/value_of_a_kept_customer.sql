-- Question: What is a customer worth whom we keep, and what would one point less churn bring?
-- Rows:     one a segment, for the last complete quarter; first the whole company.
-- Read:     lifetime_value is the gross profit that a customer brings as long as customers of the segment stay on average; so it
--           is also what you may spend, at most, to keep one. one_point_less_churn is the worth of those whom one percentage point
--           less churn would keep each quarter.
-- Traps:    a mean: few customers bring most of it. Where few were lost, expected_lifetime_months jumps about (60 where nobody
--           was). Empty without a margin: deliver costs, or set the policy profit_margin.
select
    period_start,
    segment_type,
    segment,
    customers_at_start,
    customers_lost,
    churn_rate,
    average_sales_per_customer,
    profit_margin,
    expected_lifetime_months,
    lifetime_value,
    round(customers_at_start * 0.01 * lifetime_value, 2) as one_point_less_churn
from {{ ref('lifetime_value') }}
where
    period_grain = 'quarter'
    and period_start = (select max(period_start) from {{ ref('lifetime_value') }} where period_grain = 'quarter' and is_complete)
    and customers_at_start > 0
order by segment_type <> 'all', segment_type, one_point_less_churn desc nulls last, segment
