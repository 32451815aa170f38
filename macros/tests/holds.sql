{#- Laws that every row of a model obeys: a row breaks a law that is false or null for it. One row per broken law, with the
    key of one row that breaks it, and no key where the model holds personal data. dbt counts the rows of the model. One scan for
    all laws: Spark reads a model again for each `select` from it. -#}
{% test holds(model, laws) %}
{{ config(fail_calc='coalesce(max(rows_broken), 0)') }}
select law_number, law, {{ sample_key(model) }} as sample_key, max(all_rows_broken) as rows_broken
from (
    select *, count(*) over () as all_rows_broken
    from {{ model }}
    where not (
        {%- for law in laws %}
        coalesce({{ law }}, false){{ ' and' if not loop.last }}
        {%- endfor %}
    )
) as broken_rows
cross join (
    values
    {%- for law in laws %}
    ({{ loop.index }}, {{ dbt.string_literal(dbt.escape_single_quotes(law)) }}){{ ',' if not loop.last }}
    {%- endfor %}
) as laws (law_number, law)
where not case law_number
    {%- for law in laws %}
    when {{ loop.index }} then coalesce({{ law }}, false)
    {%- endfor %}
end
group by law_number, law
{% endtest %}

{#- SQL of the least key among rows of a model, as text; null where the model declares no key or holds personal data. -#}
{% macro sample_key(model) -%}
    {%- set found = namespace(is_personal=false) -%}
    {%- if execute -%}
        {%- set models = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed']) -%}
        {%- for node in models if (node.schema, node.alias) == (model.schema, model.identifier) -%}
            {%- set personal = node.columns.values() | selectattr('config.meta.personal', 'defined') | list -%}
            {%- set found.is_personal = personal or node.config.meta.personal -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set key = primary_key(model) -%}
    {%- if key and not found.is_personal -%}
    min(concat_ws(' ', {{ key | join(', ') }}))
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}
