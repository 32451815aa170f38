{{ config(by='customer_id') }}
-- One row per invoice that is a purchase.
select invoice_id, customer_id, employee_id, issued_at, issued_on, purchase_number, amount, cost
from {{ ref('int_purchases') }}
