{{ config(by='customer_id') }}
-- Attempts to pay by as_of, under the customer that the card belongs to.
select
    payments.payment_id,
    coalesce(merged_cards.customer_id, payments.customer_id) as customer_id,
    payments.paid_at,
    cast(payments.paid_at as date) as paid_on,
    payments.status
from {{ ref('stg_billing__payments') }} as payments
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = payments.customer_id
where cast(payments.paid_at as date) <= {{ as_of() }}
