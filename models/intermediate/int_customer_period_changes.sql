{{ config(by='customer_id') }}
-- One row per customer and period in which a spell of the customer's starts or ends. Starts and ends of disjoint spells
-- alternate, so the first event tells whether the customer was active at the opening of the period, the last one
-- whether at its end: no join to a calendar is needed.
with events as (
    select customer_id, spell_number, 2 * spell_number as event_number, started_on as occurred_on, true as is_start
    from {{ ref('int_customer_spells') }}

    union all

    select customer_id, spell_number, 2 * spell_number + 1, ended_on, false
    from {{ ref('int_customer_spells') }}
    where ended_on is not null
),

period_events as (
    {% call(grain) by_grain() %}
    select '{{ grain }}' as period_grain, {{ period_number('occurred_on', grain) }} as period_number, events.*
    from events
    {% endcall %}
)

select
    customer_id,
    period_grain,
    period_number,
    not min_by(is_start, event_number) as was_active,
    max_by(is_start, event_number) as is_active,
    min(case when is_start then spell_number end) = 1 as is_first_spell,
    cast(sum(case when is_start then 0 else 1 end) as integer) as spells_ended,
    max(case when not is_start then spell_number end) as last_ended_spell
from period_events
group by customer_id, period_grain, period_number
