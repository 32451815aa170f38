{#- The usable rows in force of a contract table, the newest of each key. A row without a value in the contract's
    `row_key` is a key of its own as long as its file holds it. -#}
{% macro newest_rows(name, keep_raw_row=false) -%}
    {%- set base = ref('base_' ~ name) -%}
    {%- if execute -%}
    {%- set table = contract_table(name) -%}
    {%- set row_key = adapter.quote(table.row_key) if table.row_key -%}
select
    {%- for column in table.names %}
    {{ adapter.quote(column) }},
    {%- endfor %}
    file,
    row_number,
    load_id,
    delivery_number,
    source,
    status_means
    {%- if keep_raw_row %},
    raw_row
    {%- endif %}
from (
    select *, row_number() over (
        partition by {{ key_of(table) }} {%- if row_key %}, case when {{ row_key }} is null then delivery_number end {%- endif %}

        order by {{ newest_first(table) }}
    ) as recency
    from {{ base }}
    where row_outcome = 'loaded' and in_force and not is_history
        {%- if row_key %}
        and ({{ row_key }} is not null or is_current)
        {%- endif %}
) as versions
where recency = 1
    {%- endif -%}
{%- endmacro %}
