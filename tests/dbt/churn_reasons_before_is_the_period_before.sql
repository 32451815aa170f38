-- The customers_lost of a reason are the customers_lost_before of the next period, where there is one.
with next_periods as (
    select
        periods.period_grain,
        periods.period_start,
        lead(periods.period_start) over (partition by periods.period_grain order by periods.period_start) as next_start
    from {{ ref('int_periods') }} as periods
)

select reasons.*
from {{ ref('churn_reasons') }} as reasons
inner join next_periods using (period_grain, period_start)
left join {{ ref('churn_reasons') }} as next_reasons
    on next_reasons.period_grain = reasons.period_grain
    and next_reasons.period_start = next_periods.next_start
    and next_reasons.segment_type = reasons.segment_type
    and next_reasons.segment = reasons.segment
    and next_reasons.reason_code = reasons.reason_code
where next_periods.next_start is not null
    and reasons.customers_lost <> coalesce(next_reasons.customers_lost_before, 0)
