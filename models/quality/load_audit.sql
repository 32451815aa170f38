-- A content that lies under a second path was loaded under the first: there all its rows are loaded already.
with outcomes as (
    {% for table in contract_tables() %}
    select
        load_id,
        count(*) filter (where row_outcome = 'loaded') as rows_loaded,
        count(*) filter (where row_outcome = 'quarantined') as rows_quarantined,
        count(*) filter (where row_outcome = 'repeated') as rows_repeated
    from {{ ref('base_' ~ table) }}
    group by load_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

current_files as (
    select
        files.table_name,
        files.file,
        files.source,
        files.content_hash,
        files.load_id,
        loads.loaded_at,
        loads.rows_read,
        loads.rows_filtered,
        files.file <> loads.file as is_second_path
    from {{ source('raw', 'files') }} as files
    inner join {{ source('raw', 'loads') }} as loads using (load_id)
    where files.is_current
)

select
    current_files.table_name,
    current_files.file,
    current_files.source,
    current_files.content_hash,
    current_files.load_id,
    current_files.loaded_at,
    current_files.rows_read,
    {% for outcome in ['loaded', 'quarantined', 'filtered', 'repeated'] %}
    case
        when current_files.is_second_path then {{ 'current_files.rows_read' if outcome == 'loaded' else 0 }}
        else coalesce({{ 'current_files' if outcome == 'filtered' else 'outcomes' }}.rows_{{ outcome }}, 0)
    end as rows_{{ outcome }} {{- ',' if not loop.last }}
    {% endfor %}
from current_files
left join outcomes using (load_id)
order by current_files.table_name, current_files.file, current_files.source
