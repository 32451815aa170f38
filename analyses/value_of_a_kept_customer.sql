-- Question: What is a kept customer worth, and what would one point less churn bring?
-- Rows:     one per segment, for the last complete quarter; the whole company first.
-- Read:     lifetime_value is the gross profit that a customer brings while customers of the segment stay on average;
--           so it is also the most that you may spend to keep one. one_point_less_churn is the value of those
--           customers whom one percentage point less churn would keep each quarter.
-- Traps:    it is a mean: few customers bring most of it. Where few were lost, expected_lifetime_months varies widely
--           (60 where nobody was). Empty without a margin: deliver costs, or set the policy profit_margin.
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
    and period_start = (
        select max(period_start) from {{ ref('lifetime_value') }} where period_grain = 'quarter' and is_complete
    )
    and customers_at_start > 0
order by segment_type <> 'all', segment_type, one_point_less_churn desc nulls last, segment
