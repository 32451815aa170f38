-- The segments of each customer, as they are now: the whole company, and one row for each segment type of the policy
-- `segments`. A type that the contract does not name is read from the customer's own row as delivered.
{% set columns = contract_segments() + ['first_plan'] %}

select customer_id, 'all' as segment_type, 'all' as segment
from {{ ref('int_customers') }}

{% for segment_type in var('segments') %}
union all

select
    customer_id,
    {{ dbt.string_literal(dbt.escape_single_quotes(segment_type)) }} as segment_type,
    coalesce(
        {% if segment_type in columns -%}
        {{ segment_type }}
        {%- else -%}
        nullif(trim({{ json_text('raw_row', segment_type) }}), '')
        {%- endif %}, '(unknown)'
    ) as segment
from {{ ref('int_customers') }}
{% endfor %}
