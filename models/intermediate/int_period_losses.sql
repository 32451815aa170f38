{{ config(by='customer_id') }}
-- The customers lost in each period, with the end that lost them, what they themselves bought while they still bought,
-- and the share of it that Kotler's repurchase rates would win back had their complaint been heard. Of a subscriber
-- that is the period before; of a buyer the 1, 3 or 12 months up to the last purchase of the spell that ended, for in
-- the calendar's period before a customer lost after 90 quiet days would have bought nothing.
with period_losses as (
    select
        changes.customer_id,
        changes.period_grain,
        changes.period_number,
        spells.spell_number,
        spells.started_on,
        spells.ended_on,
        customers.activity_basis
    from {{ ref('int_customer_period_changes') }} as changes
    inner join {{ ref('int_customer_spells') }} as spells
        on spells.customer_id = changes.customer_id and spells.spell_number = changes.last_ended_spell
    inner join {{ ref('int_customers') }} as customers on customers.customer_id = changes.customer_id
    where changes.was_active and not changes.is_active
),

-- a spell that a month lost is as a rule also the one that the quarter and the year lost: looked up once
lost_spells as (
    select distinct customer_id, spell_number, started_on, ended_on
    from period_losses
    where activity_basis = 'purchase'
),

last_purchases as (
    select lost_spells.customer_id, lost_spells.spell_number, max(purchases.issued_on) as last_purchase_on
    from lost_spells
    inner join {{ ref('int_purchases') }} as purchases
        on purchases.customer_id = lost_spells.customer_id
        and purchases.issued_on >= lost_spells.started_on
        and purchases.issued_on < lost_spells.ended_on
    group by lost_spells.customer_id, lost_spells.spell_number
),

buyers_sales as (
    select
        last_purchases.customer_id,
        last_purchases.spell_number
        {%- for grain, months in grains().items() %},
        sum(case
            when invoices.issued_on > {{ months_before('last_purchases.last_purchase_on', months) }}
                then invoices.amount
            else 0
        end) as {{ grain }}_revenue
        {%- endfor %}
    from last_purchases
    inner join {{ ref('int_invoices') }} as invoices
        on invoices.customer_id = last_purchases.customer_id
        and invoices.issued_on <= last_purchases.last_purchase_on
        and invoices.issued_on > {{ months_before('last_purchases.last_purchase_on', grains().year) }}
    group by last_purchases.customer_id, last_purchases.spell_number
),

own_sales as (
    {% call(grain) by_grain() %}
    select
        period_losses.customer_id, period_losses.period_grain, period_losses.period_number,
        buyers_sales.{{ grain }}_revenue as revenue
    from period_losses
    inner join buyers_sales using (customer_id, spell_number)
    where period_losses.period_grain = '{{ grain }}'
    {% endcall %}

    union all

    select period_losses.customer_id, period_losses.period_grain, period_losses.period_number, sales.revenue
    from period_losses
    inner join {{ ref('int_customer_period_sales') }} as sales
        on sales.customer_id = period_losses.customer_id
        and sales.period_grain = period_losses.period_grain
        and sales.period_number = period_losses.period_number - 1
    where period_losses.activity_basis = 'subscription'
)

select
    period_losses.customer_id,
    period_losses.period_grain,
    period_losses.period_number,
    period_losses.spell_number,
    period_losses.ended_on,
    coalesce(sales.revenue, 0) as sales,
    coalesce(sales.revenue, 0) * coalesce(rates.rate_if_heard, 0) as recoverable_sales_if_heard,
    coalesce(sales.revenue, 0) * coalesce(rates.rate_if_heard_promptly, 0) as recoverable_sales_if_heard_promptly
from period_losses
left join own_sales as sales using (customer_id, period_grain, period_number)
left join {{ ref('int_spell_end_complaints') }} as complaints using (customer_id, spell_number)
left join {{ ref('recovery_rates') }} as rates on rates.severity = complaints.severity
