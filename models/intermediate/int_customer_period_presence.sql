{{ config(by='customer_id') }}
-- The periods in which a customer is active on at least one day, as runs: first and last period number of each spell,
-- without the period that the spell before it already covers. A zero-day spell is present on its day.
with spell_periods as (
    {% call(grain) by_grain() %}
    select
        customer_id,
        spell_number,
        '{{ grain }}' as period_grain,
        {{ period_number('started_on', grain) }} as first_number,
        {{ period_number(
            'greatest(coalesce(' ~ add_days('ended_on', -1) ~ ', ' ~ as_of() ~ '), started_on)', grain
        ) }} as last_number
    from {{ ref('int_customer_spells') }}
    {% endcall %}
),

new_periods as (
    select
        customer_id,
        period_grain,
        greatest(
            first_number,
            coalesce(max(last_number) over (
                partition by customer_id, period_grain order by spell_number
                rows between unbounded preceding and 1 preceding
            ) + 1, first_number)
        ) as first_number,
        last_number
    from spell_periods
)

select customer_id, period_grain, first_number, last_number
from new_periods
where first_number <= last_number
