-- The segments of each customer, as they are now: one column for the whole company and for each segment type of the
-- policy `segments`, and a number for their combination. What adds up is summed by these numbers first: there are a few
-- hundred of them, where customers × segments are millions. A type that the contract does not name is read from the
-- customer's own row as delivered.
{% set known_columns = contract_segments() + ['first_plan'] %}
{% set columns = ['segment_0'] %}
{% for segment_type in var('segments') %}{% do columns.append('segment_' ~ loop.index) %}{% endfor %}

with customers as (
    select
        customer_id,
        'all' as segment_0
        {%- for segment_type in var('segments') %},
        coalesce(
            {% if segment_type in known_columns -%}
            {{ segment_type }}
            {%- else -%}
            nullif({{ trimmed(json_text('raw_row', segment_type)) }}, '')
            {%- endif %}, '(unknown)'
        ) as segment_{{ loop.index }}
        {%- endfor %}
    from {{ ref('int_customers') }}
),

segment_sets as (
    select {{ columns | join(', ') }}, row_number() over (order by {{ columns | join(', ') }}) as segment_set
    from (select distinct {{ columns | join(', ') }} from customers) as combinations
)

select customers.customer_id, cast(segment_sets.segment_set as integer) as segment_set, {{ columns | join(', ') }}
from customers
inner join segment_sets using ({{ columns | join(', ') }})
