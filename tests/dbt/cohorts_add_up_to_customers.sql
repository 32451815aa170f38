-- Σ over cohorts of customers_at_close in a period = customers_at_end of that period.
with cohorts as (
    select
        cohort_grain as period_grain,
        period_start,
        segment_type,
        segment,
        sum(customers_at_close) as customers_at_close
    from {{ ref('cohort_retention') }}
    group by cohort_grain, period_start, segment_type, segment
)

select rates.period_grain, rates.period_start, rates.segment_type, rates.segment
from {{ ref('churn_rates') }} as rates
left join cohorts
    on cohorts.period_grain = rates.period_grain
    and cohorts.period_start = rates.period_start
    and cohorts.segment_type = rates.segment_type
    and cohorts.segment = rates.segment
where coalesce(cohorts.customers_at_close, 0) <> rates.customers_at_end
