-- Σ over reasons of the customers lost, in all and by control, is what churn_rates says; their sales what lost_revenue
-- says.
with reasons as (
    select
        period_grain,
        period_start,
        segment_type,
        segment,
        sum(customers_lost) as customers_lost,
        sum(case when control = 'voluntary' then customers_lost else 0 end) as customers_lost_voluntary,
        sum(case when control = 'involuntary' then customers_lost else 0 end) as customers_lost_involuntary,
        sum(lost_customers_sales) as lost_customers_sales
    from {{ ref('churn_reasons') }}
    group by period_grain, period_start, segment_type, segment
)

select period_grain, period_start, segment_type, segment
from {{ ref('churn_rates') }} as rates
inner join {{ ref('lost_revenue') }} as revenue using (period_grain, period_start, segment_type, segment)
left join reasons using (period_grain, period_start, segment_type, segment)
where coalesce(reasons.customers_lost, 0) <> rates.customers_lost
    or coalesce(reasons.customers_lost_voluntary, 0) <> rates.customers_lost_voluntary
    or coalesce(reasons.customers_lost_involuntary, 0) <> rates.customers_lost_involuntary
    or coalesce(reasons.lost_customers_sales, 0) <> revenue.lost_customers_sales
