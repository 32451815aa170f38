{#- Tables built by key (`by: customer_id` in the configuration of a model): when only rows of some keys have changed in what
    the table reads, only the rows of these keys are built again. That is exact for a model whose rows of a key come from
    rows of the same key in every table that is built by that key too; everything else that it reads may concern any row, so a
    change there builds the whole table. tests/properties/test_one_by_one.py compares all of them with a full refresh.
    Either way the keys whose rows came out otherwise go to <schema>.changed_in_<name>, for the tables that read this one. -#}

{#- The query of the keys of which something has changed in what the node reads, since it was built; none where that is not
    known, or where a table that is not built by the key has changed. -#}
{% macro changed_keys(key, origin, built) -%}
    {%- set changed, logs = [], [] -%}
    {%- for relation in relations_read() if origin.read[name_of(relation)] != built.read[name_of(relation)] -%}
        {%- do changed.append(relation) -%}
        {%- set noted = notes()[name_of(relation)] -%}
        {%- if noted.by == key and noted.before == built.read[name_of(relation)] -%}
            {%- do logs.append('select ' ~ key ~ ' from ' ~ log_of(relation)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(logs | join(' union ') if built.sql == origin.sql and logs | length == changed | length) }}
{%- endmacro %}

{% macro log_of(relation) %}{{ return(relation.schema ~ '.changed_in_' ~ relation.identifier) }}{% endmacro %}

{#- The SQL of the node for some keys: of each table that is built by the key it reads their rows only. -#}
{% macro only_keys(sql, key, keys) -%}
    {%- set found = namespace(sql=sql) -%}
    {%- for relation in relations_read() if notes()[name_of(relation)].by == key -%}
        {%- set rows = '(from ' ~ relation ~ ' where ' ~ key ~ ' in (from ' ~ keys ~ '))' -%}
        {%- set found.sql = found.sql | replace(relation | string, rows) -%}
    {%- endfor -%}
    {{ return('from (' ~ found.sql ~ ') where ' ~ key ~ ' in (from ' ~ keys ~ ')') }}
{%- endmacro %}

{#- The statements that bring an existing table up to date. `keys` is the query of the keys to build, none for all. -#}
{% macro rebuild_by_key(target, key, keys) -%}
    {%- set name = target.schema ~ '__' ~ target.identifier -%}
    {%- if keys %}
    create or replace temp table keys_of_{{ name }} as {{ keys }};
    create or replace temp table new_{{ name }} as from {{ target }} limit 0;
    insert into new_{{ name }} by name {{ only_keys(compiled_code, key, 'keys_of_' ~ name) }};
    create or replace temp table differing_{{ name }} as {{ differing_keys(
        'new_' ~ name, '(from ' ~ target ~ ' where ' ~ key ~ ' in (from keys_of_' ~ name ~ '))', key
    ) }};
    delete from {{ target }} where {{ key }} in (from differing_{{ name }});
    insert into {{ target }} from new_{{ name }} where {{ key }} in (from differing_{{ name }});
    drop table keys_of_{{ name }};
    drop table new_{{ name }};
    {%- else %}
    {%- set new = target.incorporate(path={'identifier': target.identifier ~ '__new'}) %}
    {{ create_table_as(False, new, compiled_code) }};
    create or replace temp table differing_{{ name }} as {{ differing_keys(new, target, key) }};
    drop table {{ target }};
    alter table {{ new }} rename to {{ target.identifier }};
    {%- endif %}
{%- endmacro %}

{#- The keys whose rows are not the same in both. -#}
{% macro differing_keys(one, other, key) -%}
    select {{ key }}
    from (
        select {{ key }}, cast(hash(one) as decimal(38, 0)) as hashed from {{ one }} as one
        union all
        select {{ key }}, -cast(hash(other) as decimal(38, 0)) from {{ other }} as other
    )
    group by {{ key }}
    having sum(hashed) <> 0
{%- endmacro %}
