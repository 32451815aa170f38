{{ config(by='customer_id') }}
-- Revenue and purchases of each customer by the period of issue: months out of the invoices, quarters out of the months
-- and years out of the quarters.
{% set amounts = ['revenue', 'revenue_since_first_spell', 'revenue_with_cost', 'cost', 'purchase_amount'] %}

with first_spells as (
    select customer_id, started_on from {{ ref('int_customer_spells') }} where spell_number = 1
),

month_sales as (
    select
        invoices.customer_id,
        {{ period_number('invoices.issued_on', 'month') }} as period_number,
        {{ money('sum(invoices.amount)') }} as revenue,
        {{ money(
            'coalesce(sum(case when invoices.issued_on >= first_spells.started_on then invoices.amount end), 0)'
        ) }} as revenue_since_first_spell,
        {{ money(
            'coalesce(sum(case when invoices.cost is not null then invoices.amount end), 0)'
        ) }} as revenue_with_cost,
        {{ money('coalesce(sum(invoices.cost), 0)') }} as cost,
        {{ money('coalesce(sum(case when invoices.amount > 0 then invoices.amount end), 0)') }} as purchase_amount,
        cast(sum(case when invoices.amount > 0 then 1 else 0 end) as integer) as purchases
    from {{ ref('int_invoices') }} as invoices
    left join first_spells using (customer_id)
    group by invoices.customer_id, {{ period_number('invoices.issued_on', 'month') }}
),

{% for grain, finer in {'quarter': 'month', 'year': 'quarter'}.items() %}
{{ grain }}_sales as (
    select
        customer_id,
        {{ coarser_number('period_number', finer, grain) }} as period_number,
        {% for amount in amounts %}
        {{ money('sum(' ~ amount ~ ')') }} as {{ amount }},
        {% endfor %}
        cast(sum(purchases) as integer) as purchases
    from {{ finer }}_sales
    group by customer_id, {{ coarser_number('period_number', finer, grain) }}
){{ ',' if not loop.last }}

{% endfor %}

{% call(grain) by_grain() %}
select customer_id, '{{ grain }}' as period_grain, period_number, {{ amounts | join(', ') }}, purchases
from {{ grain }}_sales
{% endcall %}
