{#- The types of the contract: how each is stored and how text is read as it. -#}

{#- Inputs have fixed scales, so that sums and products of them are exact. -#}
{% macro contract_type(type) -%}
    {%- set exact = 'decimal(18, 6)' -%}
    {{ return({
        'date': 'date', 'timestamp': dbt.type_timestamp(), 'boolean': dbt.type_boolean(), 'integer': dbt.type_int(),
        'amount': exact, 'price': exact, 'quantity': exact, 'fraction': exact, 'number': exact, 'rate': 'decimal(18, 10)',
    }.get(type, dbt.type_string())) }}
{%- endmacro %}

{#- A column's text as its type, null where it cannot be read; an empty cell is its default. -#}
{% macro read_as(column) -%}
    {%- set text = 'delivered.' ~ adapter.quote(column.name) -%}
    {%- if column.default is defined -%}
        {%- set text = 'coalesce(' ~ text ~ ", '" ~ column.default ~ "')" -%}
    {%- elif column.default_from -%}
        {%- set text = 'coalesce(' ~ text ~ ', delivered.' ~ adapter.quote(column.default_from) ~ ')' -%}
    {%- endif -%}

    {%- if column.type == 'date' -%}
        cast(try_cast({{ text }} as {{ dbt.type_timestamp() }}) as date)
    {%- elif column.type == 'integer' -%}
        {#- a cast to integer would round 1.5 -#}
        case when try_cast({{ text }} as decimal(18, 6)) % 1 = 0 then try_cast(try_cast({{ text }} as decimal(18, 6)) as {{ dbt.type_int() }}) end
    {%- elif column.type == 'currency' -%}
        upper({{ trimmed(text) }})
    {%- elif column.type == 'enumeration' or column.lower -%}
        {{ lowered(trimmed(text)) }}
    {%- elif contract_type(column.type) == dbt.type_string() -%}
        {{ text }}
    {%- else -%}
        try_cast({{ text }} as {{ contract_type(column.type) }})
    {%- endif -%}
{%- endmacro %}

{#- "… is not": what a value that cannot be read as its type is not. -#}
{% macro type_in_words(type) -%}
    {{ return({
        'date': 'a date', 'timestamp': 'a date and time', 'boolean': 'yes or no', 'integer': 'a whole number',
    }.get(type, 'a number')) }}
{%- endmacro %}

{#- Says that a CTE be read anew wherever it is used: DuckDB would keep a copy of a big table in memory. -#}
{% macro inlined() %}{{ return(adapter.dispatch('inlined')()) }}{% endmacro %}
{% macro spark__inlined() %}{% endmacro %}
{% macro duckdb__inlined() %}not materialized{% endmacro %}
