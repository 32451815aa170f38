-- Question: Why were rows not usable, and where do I mend them?
-- Rows:     one a table, column at fault and reason; the most frequent first. Reads private.duckdb, not churn.duckdb.
-- Read:     the first row to look at is first_row of first_file. column_name is empty where the whole row is at fault. The rows
--           themselves, as delivered: restricted.quarantine.raw_row.
-- Traps:    a row that is quarantined is in no number: one missing invoice file moves revenue less than a thousand refused customers
--           move churn. Keep what you copy out of raw_row private.
select
    table_name,
    column_name,
    reason,
    count(*) as rows_quarantined,
    count(distinct file) as files,
    min(file) as first_file,
    min_by(row_number, (file, row_number)) as first_row
from {{ ref('quarantine') }}
group by table_name, column_name, reason
order by rows_quarantined desc, table_name, column_name, reason
