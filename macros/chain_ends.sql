{#- The end of each chain of links `from_id` → `to_id` in the CTE `links`, as CTEs that end in `chain_ends` (from_id, to_id).
    Each pass doubles the length that is followed, so six passes reach the end of 64 links; a circle has no end and gives no
    row. -#}
{% macro chain_ends(links) -%}
    hops_0 as (select from_id, to_id from {{ links }}),

    {% for pass in range(6) %}
    hops_{{ pass + 1 }} as (
        select near.from_id, coalesce(far.to_id, near.to_id) as to_id
        from hops_{{ pass }} as near
        left join hops_{{ pass }} as far on far.from_id = near.to_id
    ),
    {% endfor %}

    chain_ends as (
        select hops_6.from_id, hops_6.to_id
        from hops_6
        left join {{ links }} as links on links.from_id = hops_6.to_id
        where links.from_id is null
    )
{%- endmacro %}
