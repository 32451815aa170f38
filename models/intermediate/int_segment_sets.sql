-- The segments that make up each combination that customers have, and a number for each segment, which groups faster
-- than its two texts.
with segment_sets as (
    select distinct
        segment_set,
        segment_0
        {%- for segment_type in var('segments') %},
        segment_{{ loop.index }}
        {%- endfor %}
    from {{ ref('int_customer_segment_sets') }}
),

members as (
    select segment_set, 'all' as segment_type, segment_0 as segment from segment_sets

    {% for segment_type in var('segments') %}
    union all

    select
        segment_set,
        {{ dbt.string_literal(dbt.escape_single_quotes(segment_type)) }} as segment_type,
        segment_{{ loop.index }} as segment
    from segment_sets
    {% endfor %}
)

select
    segment_set,
    cast(dense_rank() over (order by segment_type, segment) as integer) as segment_number,
    segment_type,
    segment
from members
