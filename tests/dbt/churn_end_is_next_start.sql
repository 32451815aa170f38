-- customers_at_end of a period = customers_at_start of the next one.
with next_starts as (
    select
        *,
        lead(customers_at_start) over (
            partition by period_grain, segment_type, segment order by period_start
        ) as next_start
    from {{ ref('churn_rates') }}
)

select * from next_starts where next_start <> customers_at_end
