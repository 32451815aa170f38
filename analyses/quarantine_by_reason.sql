-- Question: Why were rows unusable, and where do I correct them?
-- Rows:     one per table, column at fault and reason, the most frequent first. Reads private.duckdb, not
--           churn.duckdb.
-- Read:     the first row to look at is first_row of first_file. column_name is empty where the whole row is at
--           fault. The rows themselves, as delivered, are in restricted.quarantine.raw_row.
-- Traps:    a quarantined row is in no number: a thousand quarantined customers change churn more than one missing
--           invoice file changes revenue. Keep private what you copy out of raw_row.
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
order by rows_quarantined desc, table_name, column_name nulls last, reason
