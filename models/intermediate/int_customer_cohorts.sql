{{ config(by='customer_id') }}
-- The cohort of each customer at each grain: the period in which the first spell starts; and the MRR it began with.
with first_spells as (
    select customer_id, started_on
    from {{ ref('int_customer_spells') }}
    where spell_number = 1
),

-- the opening of the day after the first spell starts knows every change up to that day
initial as (
    select first_spells.customer_id, sum(movements.mrr_change) as mrr_initial
    from first_spells
    inner join {{ ref('fct_mrr_movements') }} as movements
        on movements.customer_id = first_spells.customer_id
        and movements.occurred_on <= first_spells.started_on
    group by first_spells.customer_id
)

{% call(grain) by_grain() %}
select
    first_spells.customer_id,
    '{{ grain }}' as cohort_grain,
    {{ period_number('first_spells.started_on', grain) }} as cohort_number,
    coalesce(initial.mrr_initial, 0) as mrr_initial
from first_spells
left join initial using (customer_id)
{% endcall %}
