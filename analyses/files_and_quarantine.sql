-- Question: What was loaded, and how much of it was unusable?
-- Rows:     one per contract table for which files were delivered, the worst first.
-- Read:     read = loaded + quarantined + filtered + repeated, for every file. worst_file has the most quarantined
--           rows: start there. Correct it, deliver it again under the same name, and its rows are released.
-- Traps:    filtered rows are left out on purpose by the mapping's `where`; repeated rows are copies within a file.
--           quarantine_by_reason shows which cell is at fault and why; it reads private.duckdb.
select
    table_name,
    count(*) as files,
    max(loaded_at) as last_loaded_at,
    sum(rows_read) as rows_read,
    sum(rows_loaded) as rows_loaded,
    sum(rows_quarantined) as rows_quarantined,
    sum(rows_quarantined) / nullif(sum(rows_read), 0) as quarantined_share,
    sum(rows_filtered) as rows_filtered,
    sum(rows_repeated) as rows_repeated,
    case when sum(rows_quarantined) > 0 then max_by(file, rows_quarantined) end as worst_file
from {{ ref('load_audit') }}
group by table_name
order by quarantined_share desc, table_name
