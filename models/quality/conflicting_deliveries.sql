-- Without updated_at, only the order of delivery says which of two files is right: a person should know that they
-- differ.
with conflicts as (
    {% for table in contract_tables() %}
    {{ conflicting_versions(table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select table_name, earlier_file, later_file, count(*) as rows_that_differ
from conflicts
group by table_name, earlier_file, later_file
order by table_name, earlier_file, later_file
