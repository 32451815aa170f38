-- Invoices that are purchases: a total above zero.
select invoice_id, customer_id, issued_at, issued_on, employee_id, amount, cost, covers_until
from {{ ref('int_invoices') }}
where amount > 0
