-- The measures that a manager follows, side by side: one row per period of the whole company, out of the other marts.
with churn as (
    select * from {{ ref('churn_rates') }} where segment_type = 'all'
),

repeat_customers as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start(period_number('issued_on', grain), grain) }} as period_start,
        count(distinct customer_id) as repeat_customers
    from {{ ref('fct_purchases') }}
    where purchase_number > 1
    group by 1, 2
    {% endcall %}
),

measures as (
    select
        churn.period_grain,
        churn.period_start,
        churn.period_end,
        churn.is_complete,
        churn.churn_rate,
        revenue_retention.gross_revenue_churn_rate as revenue_churn_rate,
        net_promoter_score.nps,
        lifetime_value.lifetime_value,
        checks.customers_purchasing,
        coalesce(repeat_customers.repeat_customers, 0) as repeat_customers,
        {{ safe_divide(
            'coalesce(repeat_customers.repeat_customers, 0)', 'checks.customers_purchasing'
        ) }} as repeat_rate,
        service_levels.csat,
        service_levels.first_response_hours_median as first_response_hours,
        lost_revenue.lost_sales
    from churn
    {% for mart, name in {
        'revenue_retention': 'revenue_retention', 'net_promoter_score': 'net_promoter_score',
        'lifetime_value': 'lifetime_value', 'average_check': 'checks', 'lost_revenue': 'lost_revenue',
    }.items() %}
    left join {{ ref(mart) }} as {{ name }}
        on {{ name }}.period_grain = churn.period_grain
        and {{ name }}.period_start = churn.period_start
        and {{ name }}.segment_type = 'all'
    {% endfor %}
    left join {{ ref('service_levels') }} as service_levels
        on service_levels.period_grain = churn.period_grain
        and service_levels.period_start = churn.period_start
        and service_levels.dimension = 'all'
    left join repeat_customers
        on repeat_customers.period_grain = churn.period_grain and repeat_customers.period_start = churn.period_start
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    {% for measure in [
        'churn_rate', 'revenue_churn_rate', 'nps', 'lifetime_value', 'repeat_rate', 'csat', 'first_response_hours',
        'lost_sales',
    ] %}
    {% set change = measure ~ ' - lag(' ~ measure ~ ') over (partition by period_grain order by period_start)' %}
    {{ measure }},
    {{ money(change) if measure in ['lifetime_value', 'lost_sales'] else change }} as {{ measure }}_change,
    {% endfor %}
    customers_purchasing,
    repeat_customers
from measures
