-- The grid of the marts by period: every period × every segment that any customer has.
with segments as (
    select distinct segment_type, segment from {{ ref('int_segment_sets') }}
)

select
    periods.period_grain,
    periods.period_number,
    periods.period_start,
    periods.period_end,
    periods.is_complete,
    segments.segment_type,
    segments.segment
from {{ ref('int_periods') }} as periods
cross join segments
