-- Question: What came in, and how much of it was unusable?
-- Rows:     one a contract table that files were delivered for, the worst first.
-- Read:     read = loaded + quarantined + filtered + repeated, for every file. worst_file is the one with most quarantined
--           rows: start there. Mend it, deliver it again under the same name, and its rows are released.
-- Traps:    filtered rows are what the mapping's `where` leaves out on purpose; repeated ones are copies within a file. Which cell is at
--           fault and why stands in quarantine_by_reason, which reads private.duckdb.
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
