{#- Every delivered row of a contract table, cast and judged once. `row_outcome` is
      loaded       usable, also where an earlier file delivered the row already
      quarantined  unusable: `fault_column` (null where the whole row is at fault) and `fault` say why
      repeated     the same row of the same key stands once more in its file
    `is_newest_version` says which of the loaded rows in force the table consists of: the newest of each key, and every row
    without a value in the contract's `row_key`, which is a key of its own as long as its file holds it.
    `delivery_number` orders all rows of the table by their delivery: file, load, row. -#}
{% macro base_table(name, keep_raw_row=false) -%}
    {%- set source_rows = source('raw', name) -%}
    {%- if execute -%}
    {%- set table = contract_table(name) -%}
    {%- set rules = row_rules(table) -%}
    {%- set key = key_of(table) -%}
    {%- set row_key = adapter.quote(table.row_key) if table.row_key -%}
    {%- set in_force = 'in_force and not is_history' ~ (' and (' ~ row_key ~ ' is not null or is_current)' if row_key else '') -%}
with cast_rows as {{ inlined() }} (
    select
        {%- for column in table.columns %}
        delivered.{{ adapter.quote(column.name) }} as {{ adapter.quote(column.name ~ '_text') }},
        {{ read_as(column) }} as {{ adapter.quote(column.name) }},
        {%- endfor %}
        delivered.file,
        delivered.row_number,
        delivered.load_id,
        -- no file has more rows than this
        delivered.load_number * 10000000000 + delivered.row_number as delivery_number,
        delivered.is_current,
        delivered.in_force,
        delivered.source,
        delivered.status_means,
        delivered.seen_as_of,
        delivered.is_history,
        delivered.malformed,
        delivered.raw_row
    from {{ source_rows }} as delivered
),

judged_rows as {{ inlined() }} (
    select
        *,
        case
            when malformed is not null then 0
            {%- for rule in rules %}
            when {{ rule.broken }} then {{ loop.index }}
            {%- endfor %}
        end as broken_rule
    from cast_rows
),

-- few keys stand in several rows: whatever compares the rows of a key looks at those rows only
repeated_keys as (
    select {{ key }}
    from cast_rows
    {%- if row_key %}
    where {{ row_key }} is not null
    {%- endif %}
    group by {{ key }}
    having count(*) > 1
),

-- usable rows of one file that share a key: the newest is loaded; its copies, and those of the others, are repeated
rival_rows as (
    select
        *,
        row_number() over (
            partition by load_id, {{ key }}{% for column in table.columns %}, {{ adapter.quote(column.name ~ '_text') }}{% endfor %}

            order by row_number desc
        ) > 1 as is_repeated,
        row_number() over (
            partition by load_id, {{ key }}
            order by {{ newest_first(table) }}
        ) > 1 as is_superseded
    from judged_rows
    where broken_rule is null
        {%- if row_key %}
        and {{ row_key }} is not null
        {%- endif %}
        and ({{ key }}) in (select * from repeated_keys)
),

-- of those that are loaded, of all files, the newest of each key
versions as (
    select
        delivery_number,
        is_repeated,
        is_superseded,
        row_number() over (
            partition by {{ key }}, is_repeated, is_superseded, {{ in_force }}
            order by {{ newest_first(table) }}
        ) = 1 as is_newest_version
    from rival_rows
)

select
    {%- for column in table.names %}
    judged_rows.{{ adapter.quote(column) }},
    {%- endfor %}
    judged_rows.file,
    judged_rows.row_number,
    judged_rows.load_id,
    judged_rows.delivery_number,
    judged_rows.is_current,
    judged_rows.in_force,
    judged_rows.source,
    judged_rows.status_means,
    judged_rows.seen_as_of,
    judged_rows.is_history,
    case
        when judged_rows.broken_rule is not null then 'quarantined'
        when versions.is_repeated then 'repeated'
        when versions.is_superseded then 'quarantined'
        else 'loaded'
    end as row_outcome,
    judged_rows.broken_rule is null and not coalesce(versions.is_repeated or versions.is_superseded, false)
        and coalesce(versions.is_newest_version, true) and {{ in_force }} as is_newest_version,
    case judged_rows.broken_rule
        {%- for rule in rules %}
        when {{ loop.index }} then '{{ rule.column }}'
        {%- endfor %}
    end as fault_column,
    case
        when judged_rows.broken_rule = 0 then judged_rows.malformed
        {%- for rule in rules %}
        when judged_rows.broken_rule = {{ loop.index }} then '{{ rule.fault }}'
        {%- endfor %}
        when versions.is_superseded and not versions.is_repeated then 'superseded_in_file'
    end as fault,
    {% if keep_raw_row -%}
    judged_rows.raw_row
    {%- else -%}
    case when judged_rows.broken_rule is not null or versions.is_superseded then judged_rows.raw_row end as raw_row
    {%- endif %}
from judged_rows
left join versions on versions.delivery_number = judged_rows.delivery_number
    {%- endif -%}
{%- endmacro %}
