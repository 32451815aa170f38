{{ config(by='customer_id') }}
-- What buyers bought while they still bought: in the 1, 3 and 12 months up to the last purchase of each ended spell.
-- In the calendar's period before, a customer lost after 90 quiet days would have bought nothing.
with spells as (
    select spells.customer_id, spells.spell_number, spells.started_on, spells.ended_on
    from {{ ref('int_customer_spells') }} as spells
    inner join {{ ref('int_customers') }} as customers on customers.customer_id = spells.customer_id
    where spells.ended_on is not null and customers.activity_basis = 'purchase'
),

last_purchases as (
    select spells.customer_id, spells.spell_number, max(purchases.issued_on) as last_purchase_on
    from spells
    inner join {{ ref('int_purchases') }} as purchases
        on purchases.customer_id = spells.customer_id
        and purchases.issued_on >= spells.started_on
        and purchases.issued_on < spells.ended_on
    group by spells.customer_id, spells.spell_number
)

select
    last_purchases.customer_id,
    last_purchases.spell_number
    {%- for grain, months in grains().items() %},
    sum(case
        when invoices.issued_on > {{ months_before('last_purchases.last_purchase_on', months) }} then invoices.amount
        else 0
    end) as {{ grain }}_sales
    {%- endfor %}
from last_purchases
inner join {{ ref('int_invoices') }} as invoices
    on invoices.customer_id = last_purchases.customer_id
    and invoices.issued_on <= last_purchases.last_purchase_on
    and invoices.issued_on > {{ months_before('last_purchases.last_purchase_on', grains().year) }}
group by last_purchases.customer_id, last_purchases.spell_number
