-- Everyone else, to compare with those who complained: of the customers at the opening of each period who made no
-- complaint in it, how many were lost within 90 days of that opening. Only periods whose 90 days are over. A spell that
-- runs at an opening and ends within 90 days of it is found by its end, so nobody else is looked at.
with openings as (
    select period_grain, period_number, period_start, period_end
    from {{ ref('int_periods') }}
    where {{ add_days('period_start', 90) }} <= {{ add_days(as_of(), 1) }}
),

complaining as (
    select distinct
        openings.period_grain,
        openings.period_number,
        openings.period_start,
        spells.customer_id,
        spells.ended_on
    from openings
    inner join {{ ref('int_complaints') }} as complaints
        on complaints.opened_on >= openings.period_start and complaints.opened_on < openings.period_end
    inner join {{ ref('int_customer_spells') }} as spells
        on spells.customer_id = complaints.customer_id and {{ active_at_opening('spells', 'openings.period_start') }}
),

complaining_counts as (
    select
        period_grain,
        period_number,
        count(*) as customers,
        count(case when ended_on < {{ add_days('period_start', 90) }} then 1 end) as lost
    from complaining
    group by period_grain, period_number
),

all_lost as (
    select openings.period_grain, openings.period_number, count(*) as customers
    from openings
    inner join {{ ref('int_customer_spells') }} as spells
        on {{ active_at_opening('spells', 'openings.period_start') }}
        and spells.ended_on < {{ add_days('openings.period_start', 90) }}
    group by openings.period_grain, openings.period_number
)

select
    openings.period_grain,
    openings.period_number,
    rates.customers_at_start - coalesce(complaining_counts.customers, 0) as customers_observed,
    coalesce(all_lost.customers, 0) - coalesce(complaining_counts.lost, 0) as customers_lost
from openings
inner join {{ ref('churn_rates') }} as rates
    on rates.period_grain = openings.period_grain
    and rates.period_start = openings.period_start
    and rates.segment_type = 'all'
left join complaining_counts
    on complaining_counts.period_grain = openings.period_grain
    and complaining_counts.period_number = openings.period_number
left join all_lost on all_lost.period_grain = openings.period_grain and all_lost.period_number = openings.period_number
