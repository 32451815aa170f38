{{ config(schema='restricted') }}
-- Only the current content of each path: fixing a file and delivering it again releases its quarantined rows.
with quarantined_rows as (
    {% for table in contract_tables() %}
    select
        '{{ table | replace("__", ".") }}' as table_name, file, row_number,
        fault_column as column_name, fault as reason,
        raw_row, load_id
    from {{ ref('base_' ~ table) }}
    where row_outcome = 'quarantined' and is_current
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from quarantined_rows
order by table_name, file, row_number
