{#- Usable rows of a contract table that differ from the version of their key which another file delivered before, where
    no `updated_at` says which is newer: it does where the sources of both rows have it. Replaced snapshots are out of force
    and rows without a key never meet. -#}
{% macro conflicting_versions(name) -%}
    {%- set base = ref('base_' ~ name) -%}
    {%- if execute -%}
    {%- set table = contract_table(name) -%}
    {%- set key = key_of(table) -%}
    select table_name, earlier_file, later_file
    from (
        select
            '{{ name | replace("__", ".") }}' as table_name,
            lag(file) over versions as earlier_file,
            file as later_file,
            {%- for column in table.columns if not (column.key or column.name == 'updated_at') %}
            {%- set column_name = adapter.quote(column.name) %}
            {{ column_name }} is distinct from lag({{ column_name }}) over versions {{- ' or' if not loop.last }}
            {%- endfor %} as differs,
            {% if 'updated_at' in table.names -%}
            coalesce(dated_sources.is_dated and lag(dated_sources.is_dated) over versions, false)
            {%- else -%}
            false
            {%- endif %} as is_decided
        from {{ base }}
        {%- if 'updated_at' in table.names %}
        left join (
            select distinct source, true as is_dated
            from {{ base }}
            where updated_at is not null
        ) as dated_sources using (source)
        {%- endif %}
        where row_outcome = 'loaded' and in_force and not is_history
            -- the key has another version, which is newer than one of these
            and ({{ key }}) in (
                select {{ key }}
                from {{ base }}
                where row_outcome = 'loaded' and in_force and not is_history and not is_newest_version
                    {%- if table.row_key %}
                    and {{ adapter.quote(table.row_key) }} is not null
                    {%- endif %}
            )
        window versions as (partition by {{ key }} order by delivery_number)
    ) as versions_of_keys
    where differs and not is_decided and earlier_file <> later_file
    {%- endif -%}
{%- endmacro %}
