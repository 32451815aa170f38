-- Question: What does slow support cost us?
-- Rows:     one per past quarter's opening, and before them all quarters together (quarter_start empty).
-- Read:     slow customers had a case in the 90 days before that was answered later than sla_first_response_hours, or
--           was waiting that long; the others had none. excess_lost is how many more of the slow left within 90 days
--           than at the others' rate. annual_sales_lost is a year of average sales for each of these.
-- Traps:    this does not prove a cause: customers who write to support may be unhappy for another reason. A single
--           quarter has few customers, and excess_lost can be negative; trust the first row. Slowness is measured by
--           today's policy.
with quarters as (
    select
        risk.quarter_start,
        risk.flagged as slow,
        risk.flagged_lost_within_90d as slow_lost,
        risk.customers - risk.flagged as others,
        risk.lost_within_90d - risk.flagged_lost_within_90d as others_lost,
        service.first_response_due,
        service.first_response_within_sla,
        4 * lost.sales_of_customers_at_start / nullif(lost.customers_at_start, 0) as annual_sales_per_customer
    from {{ ref('at_risk_backtest') }} as risk
    inner join {{ ref('lost_revenue') }} as lost
        on lost.period_start = risk.quarter_start and lost.period_grain = 'quarter' and lost.segment_type = 'all'
    inner join {{ ref('service_levels') }} as service
        on service.period_start = risk.quarter_start and service.period_grain = 'quarter' and service.dimension = 'all'
    where risk.signal = 'slow_answer'
),

excess as (
    select *, slow_lost - slow * others_lost / nullif(others, 0) as excess_lost from quarters
)

select
    quarter_start,
    sum(first_response_within_sla) / nullif(sum(first_response_due), 0) as answered_in_time,
    sum(slow) as slow,
    sum(slow_lost) / nullif(sum(slow), 0) as slow_lost_rate,
    sum(others_lost) / nullif(sum(others), 0) as others_lost_rate,
    sum(excess_lost) as excess_lost,
    round(sum(excess_lost * annual_sales_per_customer), 2) as annual_sales_lost
from excess
group by rollup (quarter_start)
order by quarter_start nulls first
