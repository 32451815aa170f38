{#- Every delivered row of a contract table, cast and judged once. `row_outcome` is
      loaded       usable, also where an earlier file delivered the row already
      quarantined  unusable: `fault_column` (null where the whole row is at fault) and `fault` say why
      repeated     the same row of the same key stands once more in its file
    `delivery_number` orders all rows of the table by their delivery: file, load, row. -#}
{% macro base_table(name, keep_raw_row=false) -%}
    {%- set source_rows = source('raw', name) -%}
    {%- if execute -%}
    {%- set table = contract_table(name) -%}
    {%- set rules = row_rules(table) -%}
    {%- set key = key_of(table) -%}
with loads as (
    select load_id, row_number() over (order by file_order, load_order, source) as load_number
    from (select distinct load_id, file_order, load_order, source from {{ source_rows }}) as known
),

cast_rows as {{ inlined() }} (
    select
        {%- for column in table.columns %}
        delivered.{{ adapter.quote(column.name) }} as {{ adapter.quote(column.name ~ '_text') }},
        {{ read_as(column) }} as {{ adapter.quote(column.name) }},
        {%- endfor %}
        delivered.file,
        delivered.row_number,
        delivered.load_id,
        -- no file has more rows than this
        loads.load_number * 10000000000 + delivered.row_number as delivery_number,
        delivered.is_current,
        delivered.in_force,
        delivered.source,
        delivered.status_means,
        delivered.seen_as_of,
        delivered.is_history,
        delivered.malformed,
        delivered.raw_row
    from {{ source_rows }} as delivered
    inner join loads on loads.load_id = delivered.load_id
),

judged as {{ inlined() }} (
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

repeated_keys as (
    select load_id, {{ key }}
    from judged
    {%- if table.row_key %}
    where {{ adapter.quote(table.row_key) }} is not null
    {%- endif %}
    group by load_id, {{ key }}
    having count(*) > 1
),

-- usable rows of one file that share a key: the newest is loaded; its copies, and those of the others, are repeated
rivals as (
    select
        delivery_number,
        row_number() over (
            partition by load_id, {{ key }}{% for column in table.columns %}, {{ adapter.quote(column.name ~ '_text') }}{% endfor %}

            order by row_number desc
        ) > 1 as is_repeated,
        row_number() over (
            partition by load_id, {{ key }}
            order by {{ newest_first(table) }}
        ) > 1 as is_superseded
    from judged
    where broken_rule is null
        {%- if table.row_key %}
        and {{ adapter.quote(table.row_key) }} is not null
        {%- endif %}
        and (load_id, {{ key }}) in (select * from repeated_keys)
)

select
    {%- for column in table.names %}
    judged.{{ adapter.quote(column) }},
    {%- endfor %}
    judged.file,
    judged.row_number,
    judged.load_id,
    judged.delivery_number,
    judged.is_current,
    judged.in_force,
    judged.source,
    judged.status_means,
    judged.seen_as_of,
    judged.is_history,
    case
        when judged.broken_rule is not null then 'quarantined'
        when rivals.is_repeated then 'repeated'
        when rivals.is_superseded then 'quarantined'
        else 'loaded'
    end as row_outcome,
    case judged.broken_rule
        {%- for rule in rules %}
        when {{ loop.index }} then '{{ rule.column }}'
        {%- endfor %}
    end as fault_column,
    case
        when judged.broken_rule = 0 then judged.malformed
        {%- for rule in rules %}
        when judged.broken_rule = {{ loop.index }} then '{{ rule.fault }}'
        {%- endfor %}
        when rivals.is_superseded and not rivals.is_repeated then 'superseded_in_file'
    end as fault,
    {% if keep_raw_row -%}
    judged.raw_row
    {%- else -%}
    case when judged.broken_rule is not null or rivals.is_superseded then judged.raw_row end as raw_row
    {%- endif %}
from judged
left join rivals on rivals.delivery_number = judged.delivery_number
    {%- endif -%}
{%- endmacro %}
