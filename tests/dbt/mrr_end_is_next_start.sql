-- mrr_at_end of a period = mrr_at_start of the next one.
with next_starts as (
    select
        *,
        lead(mrr_at_start) over (partition by period_grain, segment_type, segment order by period_start) as next_start
    from {{ ref('revenue_retention') }}
)

select * from next_starts where next_start <> mrr_at_end
