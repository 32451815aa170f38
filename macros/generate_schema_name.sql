{# Schemas are named as declared: they are an interface, and a database file belongs to one warehouse only. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
