{{ config(by='customer_id') }}
-- The customers lost in each period, with the end that lost them, what they themselves bought while they still bought,
-- and the share of it that Kotler's repurchase rates would win back had their complaint been heard.
with period_losses as (
    select customer_id, period_grain, period_number, last_ended_spell as spell_number
    from {{ ref('int_customer_period_changes') }}
    where was_active and not is_active
),

own_sales as (
    select
        period_losses.customer_id,
        period_losses.period_grain,
        period_losses.period_number,
        period_losses.spell_number,
        spells.ended_on,
        coalesce(
            case
                when buyers.customer_id is null then subscribers.revenue -- in the period before
                {%- for grain in grains() %}
                when period_losses.period_grain = '{{ grain }}' then buyers.{{ grain }}_sales
                {%- endfor %}
            end,
            0
        ) as sales
    from period_losses
    inner join {{ ref('int_customer_spells') }} as spells using (customer_id, spell_number)
    left join {{ ref('int_spell_end_sales') }} as buyers using (customer_id, spell_number)
    left join {{ ref('int_customer_period_sales') }} as subscribers
        on subscribers.customer_id = period_losses.customer_id
        and subscribers.period_grain = period_losses.period_grain
        and subscribers.period_number = period_losses.period_number - 1
)

select
    own_sales.customer_id,
    own_sales.period_grain,
    own_sales.period_number,
    own_sales.spell_number,
    own_sales.ended_on,
    own_sales.sales,
    own_sales.sales * coalesce(rates.rate_if_heard, 0) as recoverable_sales_if_heard,
    own_sales.sales * coalesce(rates.rate_if_heard_promptly, 0) as recoverable_sales_if_heard_promptly
from own_sales
left join {{ ref('int_spell_end_complaints') }} as complaints using (customer_id, spell_number)
left join {{ ref('recovery_rates') }} as rates on rates.severity = complaints.severity
