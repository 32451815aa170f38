{{ config(by='customer_id') }}
-- Invoices that are purchases: a total above zero. In the order of their time, which is sorted once, here.
select
    invoice_id,
    customer_id,
    issued_at,
    issued_on,
    employee_id,
    amount,
    cost,
    covers_until,
    cast(row_number() over in_order as integer) as purchase_number,
    {{ days_between('lag(issued_on) over in_order', 'issued_on') }} as days_since_previous,
    lead(issued_on) over in_order as next_issued_on
from {{ ref('int_invoices') }}
where amount > 0
window in_order as (partition by customer_id order by issued_at, invoice_id)
