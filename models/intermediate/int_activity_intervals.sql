{{ config(by='customer_id') }}
-- The days in which a customer is active, one row per subscription row or purchase; `ended_on` is null while it runs.
with purchases as (
    select
        customer_id,
        issued_on,
        -- a prepaid term lasts as long as it was paid for, any other purchase until the customer has stayed away too
        -- long
        case when covers_until > issued_on then covers_until
            else {{ add_days('issued_on', var('lapse_days')) }} end as lapses_on
    from {{ ref('int_purchases') }}
)

select rows.customer_id, rows.started_on, rows.ended_on
from {{ ref('int_counting_rows') }} as rows
inner join {{ ref('int_customers') }} as customers using (customer_id)
where rows.exists_yet and customers.activity_basis = 'subscription'

union all

select
    purchases.customer_id,
    purchases.issued_on as started_on,
    case when purchases.lapses_on <= {{ as_of() }} then purchases.lapses_on end as ended_on
from purchases
inner join {{ ref('int_customers') }} as customers using (customer_id)
where customers.activity_basis = 'purchase'
