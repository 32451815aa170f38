-- The customers lost in each period, with the end that lost them, what they themselves bought in the period before, and
-- the share of it that Kotler's repurchase rates would win back had their complaint been heard.
with lost as (
    select
        changes.customer_id,
        changes.period_grain,
        changes.period_number,
        spells.spell_number,
        spells.ended_on
    from {{ ref('int_customer_period_changes') }} as changes
    inner join {{ ref('int_customer_spells') }} as spells
        on spells.customer_id = changes.customer_id and spells.spell_number = changes.last_ended_spell
    where changes.was_active and not changes.is_active
)

select
    lost.customer_id,
    lost.period_grain,
    lost.period_number,
    lost.spell_number,
    lost.ended_on,
    coalesce(sales.revenue, 0) as sales,
    coalesce(sales.revenue, 0) * coalesce(rates.rate_if_heard, 0) as recoverable_sales_if_heard,
    coalesce(sales.revenue, 0) * coalesce(rates.rate_if_heard_promptly, 0) as recoverable_sales_if_heard_promptly
from lost
left join {{ ref('int_opening_customer_sales') }} as sales
    on sales.customer_id = lost.customer_id
    and sales.period_grain = lost.period_grain
    and sales.period_number = lost.period_number
left join {{ ref('int_spell_end_complaints') }} as complaints
    on complaints.customer_id = lost.customer_id and complaints.spell_number = lost.spell_number
left join {{ ref('recovery_rates') }} as rates on rates.severity = complaints.severity
