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

select period_grain, period_start, segment_type, segment
from {{ ref('churn_rates') }} as rates
left join cohorts using (period_grain, period_start, segment_type, segment)
where coalesce(cohorts.customers_at_close, 0) <> rates.customers_at_end
