{#- Like dbt's own, but without a database: to compile is to show what a refresh runs, which is the incremental SQL of every
    refresh but the first. dbt's asks the database whether the table exists. -#}
{% macro is_incremental() %}
    {%- if flags.WHICH == 'compile' -%}
        {{ return(model.config.materialized == 'incremental') }}
    {%- endif -%}
    {{ return(dbt.is_incremental()) }}
{% endmacro %}
