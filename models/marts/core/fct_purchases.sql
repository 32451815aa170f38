{{ config(by='customer_id', materialized='view' if target.type == 'duckdb' else 'table') }}
-- One row per invoice that is a purchase. On DuckDB a view, as in staging: publishing copies the rows anyway.
select invoice_id, customer_id, employee_id, issued_at, issued_on, purchase_number, amount, cost
from {{ ref('int_purchases') }}
