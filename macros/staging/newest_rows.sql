{#- The rows that a contract table consists of. On DuckDB a view: a copy of every row would buy nothing. Spark's tables are
    files that DuckDB reads too, so there it is a table. -#}
{% macro newest_rows(name, keep_raw_row=false) -%}
    {{ config(materialized='view' if target.type == 'duckdb' else 'table') }}
    {%- set base = ref('base_' ~ name) -%}
    {%- if execute -%}
select
    {%- for column in contract_table(name).names %}
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
from {{ base }}
where is_newest_version
    {%- endif -%}
{%- endmacro %}
