{{ config(by='customer_id') }}
-- One row per invoice below zero: with the purchases, all of a customer's revenue.
select invoice_id, customer_id, issued_at, issued_on, amount
from {{ ref('int_invoices') }}
where amount < 0
