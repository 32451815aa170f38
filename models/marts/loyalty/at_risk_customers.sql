-- Customers who are active at as_of and show at least one sign of leaving.
with signals as (
    select signals.*
    from {{ ref('int_risk_signals') }} as signals
    inner join {{ ref('int_assessments') }} as assessments using (assessed_on)
    where assessments.is_current
),

signal_flags as (
    select
        customer_id,
        {% for signal in risk_signals() %}
        max(case when signal = '{{ signal }}' then 1 else 0 end) = 1 as {{ signal }},
        {% endfor %}
        cast(count(*) as integer) as score
    from signals
    group by customer_id
),

mrr as (
    select customer_id, max_by(mrr_after, occurred_on) as mrr
    from {{ ref('fct_mrr_movements') }}
    group by customer_id
),

recent_sales as (
    select customer_id, sum(amount) as sales_last_365_days
    from {{ ref('int_invoices') }}
    where issued_on > {{ add_days(as_of(), -365) }}
    group by customer_id
)

select
    signal_flags.customer_id,
    {{ flags_as_text(risk_signals()) }} as signals,
    {% for signal in risk_signals() %}
    signal_flags.{{ signal }},
    {% endfor %}
    signal_flags.score,
    {{ money(
        'case when mrr.mrr > 0 then 12 * mrr.mrr else greatest(coalesce(recent_sales.sales_last_365_days, 0), 0) end'
    ) }} as revenue_at_risk
from signal_flags
left join mrr using (customer_id)
left join recent_sales using (customer_id)
