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
    {%- set known = known_by() -%}
    {%- set is_by_key = type == 'table' and known.by and (known.by, known.tells) == (built.by, built.tells) -%}
    {%- set keys = changed_keys(known.by, origin, built) if is_by_key -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {% if is_by_key %}
        {{ rebuild_by_key(target, known, keys) }}
        {% else %}
        {% if existing %}drop {{ existing.type }} {{ existing }};{% endif %}
        {{ create_table_as(False, target, compiled_code) if type == 'table' else create_view_as(target, compiled_code) }}
        {% endif %}
    {%- endcall %}
    {%- set noted = dict(origin, **known) -%}
    {%- if type == 'view' -%}
        {%- do noted.update(note_of_view(origin, built)) -%}
    {%- else -%}
        {%- do noted.update(note_of_table(target, built, is_by_key, keys)) -%}
    {%- endif -%}
    {%- do notes().update({name_of(target): noted}) -%}
    {%- do run_query('comment on ' ~ type ~ ' ' ~ target ~ " is '" ~ tojson(noted, sort_keys=True) ~ "'") -%}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target]}) }}
{% endmacro %}

{#- What a view notes of itself. In staging it selects rows of one table: what has changed in that has in the view. -#}
{% macro note_of_view(origin, built) %}
    {%- set noted = {'version': local_md5(tojson(origin, sort_keys=True)), 'before': none} -%}
    {%- set table = origin.read | first -%}
    {%- if notes()[table].by -%}
        {%- do noted.update(view_of=table) -%}
        {%- if built.sql == origin.sql and notes()[table].before == built.read[table] -%}
            {%- do noted.update(before=built.version) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(noted) }}
{% endmacro %}

{#- What a table that was just built notes of itself; the keys that have changed go to its log. Where the content is still the
    same, so are the log and what it leads from. -#}
{% macro note_of_table(target, built, is_by_key, keys) %}
    {%- set name = target.schema ~ '__' ~ target.identifier -%}
    {%- if keys -%}  {#- to look at the whole table again would cost more than to build the keys -#}
        {%- set query -%}
            select
                cast(coalesce(sum(more_rows), 0) as {{ dbt.type_string() }}),
                cast(coalesce(sum(more_hash), 0) as {{ dbt.type_string() }})
            from differing_{{ name }}
        {%- endset -%}
        {%- set more_rows, more_hash = run_query(query).rows[0].values() -%}
        {%- set content = {
            'columns': built.content.columns,
            'rows': built.content.rows + more_rows | int,
            'hashes': (built.content.hashes | int + more_hash | int) | string,
        } -%}
    {%- else -%}
        {%- set content = content_of(target) -%}
    {%- endif -%}
    {%- set noted = {'version': version_of(content), 'content': content, 'before': none} -%}
    {%- for relation in relations_read() if notes()[name_of(relation)].loads is defined -%}
        {%- do noted.update(loads_read=notes()[name_of(relation)].loads) -%}
    {%- endfor -%}
    {%- if is_by_key and noted.version == built.version -%}
        {%- do noted.update(before=built.before) -%}
    {%- elif is_by_key -%}
        {%- do run_query('create or replace table ' ~ log_of(target) ~ ' as from log_of_' ~ name) -%}
        {%- do noted.update(before=built.version) -%}
    {%- endif -%}
    {%- if is_by_key -%}  {#- they may hold every key -#}
        {%- do run_query('drop table differing_' ~ name ~ '; drop table log_of_' ~ name) -%}
    {%- endif -%}
    {{ return(noted) }}
{% endmacro %}
