{#- No two rows share the key that the model states, and none of its columns is empty. -#}
{% test unique_combination(model) %}
{%- set columns = primary_key(model) or ['null'] -%}
select {{ columns | join(', ') }}, count(*) as rows_of_key
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 {% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}

{#- The columns of a model's key: those that its YAML declares, of a staging table those of the contract. Empty while dbt only
    parses. -#}
{% macro primary_key(model) -%}
    {%- set found = namespace(key=[]) -%}
    {%- if execute -%}
        {%- set models = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed']) -%}
        {%- for node in models if (node.schema, node.alias) == (model.schema, model.identifier) -%}
            {%- if node.config.meta.primary_key -%}
                {%- set found.key = node.config.meta.primary_key -%}
            {%- elif node.name.startswith('stg_') -%}
                {%- set columns = contract_table(node.name[4:]).columns | selectattr('key', 'defined') -%}
                {%- set found.key = columns | selectattr('key') | map(attribute='name') | list -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found.key) }}
{%- endmacro %}
