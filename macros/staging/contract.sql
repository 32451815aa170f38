{#- Every table of the extract contract; dbt must know them before it has read the sources. -#}
{% macro contract_tables() -%}
    {{ return([
        'crm__customers', 'crm__customer_ids', 'crm__employees', 'crm__cases', 'crm__surveys', 'crm__departures', 'crm__outreach',
        'billing__plans', 'billing__subscriptions', 'billing__subscription_events', 'billing__invoices',
        'billing__invoice_lines', 'billing__payments', 'billing__refunds', 'billing__fx_rates',
    ]) }}
{%- endmacro %}

{#- What the extract contract says of a table: its source node's meta, the columns in contract order with theirs. -#}
{% macro contract_table(name) -%}
    {%- set node = graph.sources['source.' ~ project_name ~ '.raw.' ~ name] -%}
    {%- set columns = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do columns.append(dict(column.config.meta, name=column.name)) -%}
    {%- endfor -%}
    {{ return(dict(node.config.meta, columns=columns, names=columns | map(attribute='name') | list)) }}
{%- endmacro %}

{#- The names under which customers may be split by a column of their card. -#}
{% macro contract_segments() -%}
    {%- set names = [] -%}
    {%- if execute -%}
    {%- for column in contract_table('crm__customers').columns if column.segment -%}
        {%- do names.append(column.segment) -%}
    {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}

{#- The primary key as a list of SQL expressions that are never null in a usable row, so that they compare with `=`. -#}
{% macro key_of(table) -%}
    {%- set expressions = [] -%}
    {%- for column in table.columns if column.key -%}
        {%- set name = adapter.quote(column.name) -%}
        {%- if column.name == 'started_on' -%}
            {#- the versions of a list may have no day of their own -#}
            {%- do expressions.append('coalesce(' ~ name ~ ", date '0001-01-01')") -%}
        {%- else -%}
            {%- do expressions.append(name if column.required or column.default_from else "coalesce(" ~ name ~ ", '')") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(expressions | join(', ')) }}
{%- endmacro %}

{#- The order in which the versions of a key win: by `updated_at` where the table has it (a row without one is older
    than any), then by delivery. -#}
{% macro newest_first(table) -%}
    {{ 'updated_at desc nulls last, ' if 'updated_at' in table.names }}delivery_number desc
{%- endmacro %}
