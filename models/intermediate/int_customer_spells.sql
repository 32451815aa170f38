{{ config(by='customer_id') }}
-- Maximal stretches of activity: intervals of a customer are one spell when the gap between them is at most grace_days.
-- Distinct, because two purchases of one day give equal intervals, which each window below may put in another order.
with intervals as (
    select distinct customer_id, started_on, ended_on from {{ ref('int_activity_intervals') }}
),

interval_reach as (
    select
        customer_id,
        started_on,
        ended_on,
        max(coalesce(ended_on, {{ far_future() }})) over (
            partition by customer_id order by started_on, coalesce(ended_on, {{ far_future() }})
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from intervals
),

spell_numbers as (
    select
        customer_id,
        started_on,
        ended_on,
        sum(case
            when covered_until is null then 1
            when {{ days_between('covered_until', 'started_on') }} > {{ var('grace_days') }} then 1
            else 0
        end) over (
            partition by customer_id order by started_on, coalesce(ended_on, {{ far_future() }})
            rows between unbounded preceding and current row
        ) as spell_number
    from interval_reach
)

select
    customer_id,
    cast(spell_number as integer) as spell_number,
    min(started_on) as started_on,
    case when count(*) = count(ended_on) then max(ended_on) end as ended_on
from spell_numbers
group by customer_id, spell_number
