-- Spells of a customer neither overlap nor touch: between them lie more than grace_days days.
with next_spells as (
    select
        *,
        lead(started_on) over (partition by customer_id order by spell_number) as next_started_on
    from {{ ref('fct_customer_spells') }}
)

select *
from next_spells
where next_started_on is not null
    and (ended_on is null or {{ days_between('ended_on', 'next_started_on') }} <= {{ var('grace_days') }})
