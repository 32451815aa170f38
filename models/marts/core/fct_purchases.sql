-- One row per invoice that is a purchase.
select
    invoice_id,
    customer_id,
    employee_id,
    issued_at,
    issued_on,
    cast(row_number() over (partition by customer_id order by issued_at, invoice_id) as integer) as purchase_number,
    amount,
    cost
from {{ ref('int_purchases') }}
