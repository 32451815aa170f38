-- What each customer who is there at the opening of a period bought in the period before it: the base of lost sales.
with openings as (
    select
        sales.*,
        periods.period_number as opened_number,
        periods.period_start
    from {{ ref('int_customer_period_sales') }} as sales
    inner join {{ ref('int_periods') }} as periods
        on periods.period_grain = sales.period_grain and periods.period_number = sales.period_number + 1
)

select
    openings.customer_id,
    openings.period_grain,
    openings.opened_number as period_number,
    openings.revenue,
    openings.revenue_with_cost,
    openings.cost
from openings
inner join {{ ref('int_customer_spells') }} as spells
    on spells.customer_id = openings.customer_id
    and {{ active_at_opening('spells', 'openings.period_start') }}
