{#- A table, replaced within its transaction, unless the same would come out (see unchanged.sql and by_key.sql). dbt's own
    materialization builds beside, renames twice and drops: for readers, of whom build.duckdb has none, and a third of the
    time of a small model. -#}
{% materialization table, adapter='duckdb' %}
    {{ return(replaced('table')) }}
{% endmaterialization %}

{#- A view likewise. -#}
{% materialization view, adapter='duckdb' %}
    {{ return(replaced('view')) }}
{% endmaterialization %}

{% macro replaced(type) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type=type) -%}
    {%- set origin = origin_of(compiled_code) -%}
    {%- set is_known = existing and existing.type == type and not should_full_refresh() -%}
    {%- set built = notes().get(name_of(this), {}) if is_known else {} -%}
    {%- if (built.sql, built.read) == (origin.sql, origin.read) -%}
        {%- do store_raw_result('main', message='UNCHANGED', code='UNCHANGED', rows_affected=0) -%}
        {{ return({'relations': [target]}) }}
    {%- endif -%}
    {%- set key = config.get('by') if built.version and built.by == config.get('by') -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {% if key %}
        {{ rebuild_by_key(target, key, changed_keys(key, origin, built)) }}
        {% else %}
        {% if existing %}drop {{ existing.type }} {{ existing }};{% endif %}
        {{ create_table_as(False, target, compiled_code) if type == 'table' else create_view_as(target, compiled_code) }}
        {% endif %}
    {%- endcall %}
    {{ note(target, key, origin, built) }}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target]}) }}
{% endmacro %}

{#- Note what the relation is made from, and of a table that is built by key, which keys have changed. Where the content is
    still the same, the way to it is too. -#}
{% macro note(target, key, origin, built) %}
    {%- set version = version_of_content(target) if target.type == 'table' else local_md5(tojson(origin, sort_keys=True)) -%}
    {%- set noted = dict(origin, version=version, by=config.get('by'), before=none) -%}
    {%- if key and version == built.version -%}
        {%- do noted.update(before=built.before) -%}
    {%- elif key -%}
        {%- set differing = 'differing_' ~ target.schema ~ '__' ~ target.identifier -%}
        {%- do run_query('create or replace table ' ~ log_of(target) ~ ' as from ' ~ differing ~ '; drop table ' ~ differing) -%}
        {%- do noted.update(before=built.version) -%}
    {%- endif -%}
    {%- do notes().update({name_of(target): noted}) -%}
    {%- do run_query('comment on ' ~ target.type ~ ' ' ~ target ~ " is '" ~ tojson(noted, sort_keys=True) ~ "'") -%}
{% endmacro %}
