{#- Tables built by key: when only rows of some keys have changed in what the table reads, only the rows of these keys are
    built again. That is exact for a model whose rows of a key come from rows of the same key in every table that is known
    by that key too; everything else that it reads may concern any row, so a change there builds the whole table.
    tests/properties/test_one_by_one.py compares all of them with a full refresh.

    `by` in the configuration of a model is the key. `tells` names other columns by which its rows can be asked for:
    int_invoices is built by invoice_id and tells customer_id, so that models by customer_id can read it. In staging the
    key is the first column of the contract's, and customer_id is told. However a table was built, the keys whose rows came
    out otherwise go to <schema>.changed_in_<name>, with the values, old and new, of what it tells.

    In staging, and where the configuration says so (`ids: delivered`), customer_id is an id as delivered. Whom it stands
    for is in int_customer_merges: models that read both are built for that customer, and for the one before.

    In raw a row never changes: loads come, go, and get another place or meaning. So what has changed in a contract table
    are the keys of such loads.

    A row without a key (in staging, one that is quarantined for that) is built each time. -#}

{#- What the rows of the node at hand are known by: `by` (none: it is built as a whole), `tells`, `ids`. -#}
{% macro known_by() -%}
    {%- if model.schema != 'staging' -%}
        {{ return({'by': config.get('by'), 'tells': config.get('tells', []), 'ids': config.get('ids')}) }}
    {%- endif -%}
    {%- set table = contract_table(staged_table()) -%}
    {%- set key = (table.columns | selectattr('key') | first).name -%}
    {%- set tells = ['customer_id'] if 'customer_id' in table.names and key != 'customer_id' else [] -%}
    {{ return({'by': key, 'tells': tells, 'ids': 'delivered'}) }}
{%- endmacro %}

{#- The contract table of a node in staging: billing__invoices of base_billing__invoices. -#}
{% macro staged_table() %}{{ return(model.name.split('_', 1)[1]) }}{% endmacro %}

{% macro is_known_by(key, noted) %}{{ return(key and (noted.by == key or key in (noted.tells or []))) }}{% endmacro %}

{#- Of int_customer_merges, if the node reads it, the relation. -#}
{% macro merges_read() -%}
    {%- for relation in relations_read() if relation.identifier == 'int_customer_merges' -%}
        {{ return(relation) }}
    {%- endfor -%}
{%- endmacro %}

{#- The query of the keys of which something has changed in what the node reads, since it was built; none where that is not
    known. -#}
{% macro changed_keys(key, origin, built) -%}
    {%- set queries = [] -%}
    {%- for relation in relations_read() if origin.read[name_of(relation)] != built.read[name_of(relation)] -%}
        {%- do queries.append(keys_changed_in(relation, key, built)) -%}
    {%- endfor -%}
    {{ return(queries | join(' union ') if built.sql == origin.sql and none not in queries) }}
{%- endmacro %}

{% macro keys_changed_in(relation, key, built) -%}
    {%- set noted = notes()[name_of(relation)] -%}
    {%- if noted.loads and built.loads_read -%}
        {%- set changed = changed_loads(built.loads_read, noted.loads) -%}
        {%- set are_most = are_most_rows(changed.values(), noted.loads.values()) -%}
        {{ return(none if are_most else keys_of_loads(relation, key, changed)) }}
    {%- endif -%}
    {%- set log = log_of(relation) -%}
    {%- if log is none or noted.before != built.read[name_of(relation)] -%}{{ return(none) }}{%- endif -%}
    {%- set merges = merges_read() -%}
    {%- if merges and name_of(relation) == name_of(merges) -%}
        {{ return(keys_of_ids(key, log)) }}
    {%- elif not is_known_by(key, noted) -%}
        {{ return(none) }}
    {%- elif key == 'customer_id' and noted.ids == 'delivered' and merges -%}
        {{ return(
            'select coalesce(merges.customer_id, log.customer_id) as customer_id from ' ~ log ~ ' as log left join '
            ~ merges ~ ' as merges on merges.card_id = log.customer_id'
        ) }}
    {%- endif -%}
    {{ return('select ' ~ key ~ ' from ' ~ log) }}
{%- endmacro %}

{#- The keys that the ids in a log of int_customer_merges concern: the customers for whom they stand now or stood before, or
    the rows that name them. None where the node reads no such rows by its key. -#}
{% macro keys_of_ids(key, log) -%}
    {%- if key == 'customer_id' -%}{{ return('select unnest([card_id, customer_id]) as customer_id from ' ~ log) }}{%- endif -%}
    {%- set queries = [] -%}
    {%- for relation in relations_read() -%}
        {%- set noted = notes()[name_of(relation)] -%}
        {%- if noted.by == key and noted.ids == 'delivered' and 'customer_id' in noted.tells -%}
            {%- do queries.append(
                'select ' ~ key ~ ' from ' ~ relation ~ ' where customer_id in (select card_id from ' ~ log ~ ')'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(queries | join(' union ') or none) }}
{%- endmacro %}

{#- The table of the keys that have changed in a relation. A view selects rows of one table and has that one's, as long as
    it has seen the table as it is now. -#}
{% macro log_of(relation) -%}
    {%- set noted = notes()[name_of(relation)] -%}
    {%- if not noted.view_of -%}{{ return(relation.schema ~ '.changed_in_' ~ relation.identifier) }}{%- endif -%}
    {%- set seen = noted.read[noted.view_of] == notes()[noted.view_of].version -%}
    {{ return(noted.view_of | replace('.', '.changed_in_') if seen else none) }}
{%- endmacro %}

{#- The loads that are new, gone, or known otherwise, with the number and hash of their rows. -#}
{% macro changed_loads(before, now) -%}
    {%- set changed = {} -%}
    {%- for load, content in before.items() if now[load] != content -%}{%- do changed.update({load: content}) -%}{%- endfor -%}
    {%- for load, content in now.items() if before[load] != content -%}{%- do changed.update({load: content}) -%}{%- endfor -%}
    {{ return(changed) }}
{%- endmacro %}

{#- Whether it takes longer to look for the rows of the keys of these loads, and to copy them, than to build all again. -#}
{% macro are_most_rows(changed, all) -%}
    {%- set rows = namespace(changed=0, all=0) -%}
    {%- for content in changed -%}{%- set rows.changed = rows.changed + content.split(' ')[0] | int -%}{%- endfor -%}
    {%- for content in all -%}{%- set rows.all = rows.all + content.split(' ')[0] | int -%}{%- endfor -%}
    {{ return(rows.all > 10000 and 4 * rows.changed > rows.all) }}
{%- endmacro %}

{#- The query of the keys of the rows of these loads: those that raw has now, and those that the table at hand still has. -#}
{% macro keys_of_loads(relation, key, loads) -%}
    {%- set are_theirs = "load_id in ('" ~ loads | join("', '") ~ "')" -%}
    {{ return(
        'select ' ~ key_in_raw(key) ~ ' as ' ~ key ~ ' from ' ~ relation ~ ' as delivered where ' ~ are_theirs
        ~ ' union select ' ~ key ~ ' from ' ~ this ~ ' where ' ~ are_theirs
    ) }}
{%- endmacro %}

{#- The key of a row of raw, as staging reads it. -#}
{% macro key_in_raw(key) -%}
    {{ return(read_as(contract_table(staged_table()).columns | selectattr('name', 'equalto', key) | first)) }}
{%- endmacro %}

{#- The SQL of the node for some keys: of each table that is known by the key it reads their rows only; of a contract table,
    which staging scans several times, it reads `rows_of_keys`. Where customer_id is an id as delivered, the rows of all
    `ids` that stand for the keys. Whom an id stands for is read of all ids. -#}
{% macro only_keys(sql, key, keys, ids, rows_of_keys) -%}
    {%- set found = namespace(sql=sql) -%}
    {%- for relation in relations_read() if relation.identifier != 'int_customer_merges' -%}
        {%- set noted = notes()[name_of(relation)] -%}
        {%- if noted.loads -%}
            {%- set found.sql = found.sql | replace(relation | string, rows_of_keys) -%}
        {%- elif is_known_by(key, noted) -%}
            {%- set rows = rows_of(relation, is_among(key, ids if noted.ids == 'delivered' else keys)) -%}
            {%- set found.sql = found.sql | replace(relation | string, rows) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(rows_of('(' ~ found.sql ~ ')', is_among(key, keys))) }}
{%- endmacro %}

{% macro rows_of(relation, condition) %}{{ return('(from ' ~ relation ~ ' as delivered where ' ~ condition ~ ')') }}{% endmacro %}

{% macro is_among(column, keys) %}{{ return('(' ~ column ~ ' in (from ' ~ keys ~ ') or ' ~ column ~ ' is null)') }}{% endmacro %}

{#- The statements that bring an existing table up to date. `keys` is the query of the keys to build, none for all. -#}
{% macro rebuild_by_key(target, known, keys) -%}
    {%- set key, name = known.by, target.schema ~ '__' ~ target.identifier -%}
    {%- set differing = 'differing_' ~ name -%}
    {%- if keys %}
    {%- set new, keys_of, rows_of_keys = 'new_' ~ name, 'keys_of_' ~ name, 'rows_of_' ~ name -%}
    {%- set ids_of = keys_of -%}
    create or replace temp table {{ keys_of }} as {{ keys }};
    {%- for relation in relations_read() if notes()[name_of(relation)].loads %}
    create or replace temp table {{ rows_of_keys }} as {{ rows_of(relation, is_among(key_in_raw(key), keys_of)) }};
    {%- endfor %}
    {%- if key == 'customer_id' and merges_read() %}
    {%- set ids_of = 'ids_of_' ~ name %}
    create or replace temp table {{ ids_of }} as
        from {{ keys_of }} union select card_id from {{ merges_read() }} where customer_id in (from {{ keys_of }});
    {%- endif %}
    create or replace temp table {{ new }} as from {{ target }} limit 0;
    insert into {{ new }} by name from {{ only_keys(compiled_code, key, keys_of, ids_of, rows_of_keys) }};
    {%- set old = rows_of(target, is_among(key, keys_of)) %}
    create or replace temp table {{ differing }} as {{ differing_keys(new, old, key) }};
    create or replace temp table log_of_{{ name }} as {{ keys_to_log(differing, known, new, target) }};
    {%- set is_other = key ~ ' in (select ' ~ key ~ ' from ' ~ differing ~ ') or ' ~ key ~ ' is null' %}
    delete from {{ target }} where {{ is_other }};
    insert into {{ target }} from {{ new }} where {{ is_other }};
    drop table {{ keys_of }};
    drop table if exists {{ ids_of }};
    drop table if exists {{ rows_of_keys }};
    drop table {{ new }};
    {%- else %}
    {%- set new = target.incorporate(path={'identifier': target.identifier ~ '__new'}) %}
    {{ create_table_as(False, new, compiled_code) }};
    create or replace temp table {{ differing }} as {{ differing_keys(new, target, key) }};
    create or replace temp table log_of_{{ name }} as {{ keys_to_log(differing, known, new, target) }};
    drop table {{ target }};
    alter table {{ new }} rename to {{ target.identifier }};
    {%- endif %}
{%- endmacro %}

{#- The keys whose rows are not the same in both; how many rows the first one has more, and by how much their hashes add up
    to more. -#}
{% macro differing_keys(one, other, key) -%}
    select {{ key }}, sum(row_count) as more_rows, sum(row_hash) as more_hash
    from (
        select {{ key }}, 1 as row_count, cast(hash(one) as decimal(38, 0)) as row_hash from {{ one }} as one
        union all
        select {{ key }}, -1, -cast(hash(other) as decimal(38, 0)) from {{ other }} as other
    )
    group by {{ key }}
    having more_hash <> 0
{%- endmacro %}

{#- The differing keys with the values that they are told by. -#}
{% macro keys_to_log(differing, known, new, old) -%}
    {%- set columns = ([known.by] + known.tells) | join(', ') -%}
    {%- for rows in [new, old] -%}
    select {{ columns }} from {{ rows }} where {{ known.by }} in (select {{ known.by }} from {{ differing }})
    {{- ' union ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
