-- Revenue and purchases of each customer by the period of issue.
with numbered as (
    {% call(grain) by_grain() %}
    select '{{ grain }}' as period_grain, {{ period_number('issued_on', grain) }} as period_number, invoices.*
    from {{ ref('int_invoices') }} as invoices
    {% endcall %}
),

first_spells as (
    select customer_id, started_on from {{ ref('int_customer_spells') }} where spell_number = 1
)

select
    numbered.customer_id,
    numbered.period_grain,
    numbered.period_number,
    sum(numbered.amount) as revenue,
    coalesce(
        sum(case when numbered.issued_on >= first_spells.started_on then numbered.amount end), 0
    ) as revenue_since_first_spell,
    coalesce(sum(case when numbered.cost is not null then numbered.amount end), 0) as revenue_with_cost,
    coalesce(sum(numbered.cost), 0) as cost,
    cast(sum(case when numbered.amount > 0 then 1 else 0 end) as integer) as purchases,
    coalesce(sum(case when numbered.amount > 0 then numbered.amount end), 0) as purchase_amount
from numbered
left join first_spells using (customer_id)
group by numbered.customer_id, numbered.period_grain, numbered.period_number
