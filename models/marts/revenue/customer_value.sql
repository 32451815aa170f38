{{ config(by='customer_id') }}
-- What each customer has brought so far, and what they pay now.
with sales as (
    select
        customer_id,
        sum(revenue) as revenue,
        sum(revenue_with_cost) as revenue_with_cost,
        sum(cost) as cost,
        sum(purchases) as purchases,
        sum(purchase_amount) as purchase_amount
    from {{ ref('int_customer_period_sales') }}
    where period_grain = 'year'
    group by customer_id
),

-- what the changes up to as_of add up to is the MRR at the opening of the next day
recurring_revenue as (
    select customer_id, sum(mrr_change) as mrr
    from {{ ref('fct_mrr_movements') }}
    group by customer_id
),

tenures as (
    select customer_id, sum(tenure_days) as tenure_days
    from {{ ref('fct_customer_spells') }}
    group by customer_id
),

customer_sums as (
    select
        customers.customer_id,
        coalesce(sales.revenue, 0) as revenue,
        coalesce(sales.purchases, 0) as purchases,
        coalesce(sales.purchase_amount, 0) as purchase_amount,
        {{ margin_parts('sales.revenue_with_cost', 'sales.cost') }},
        coalesce(recurring_revenue.mrr, 0) as mrr,
        coalesce(tenures.tenure_days, 0) as tenure_days
    from {{ ref('dim_customers') }} as customers
    left join sales using (customer_id)
    left join recurring_revenue using (customer_id)
    left join tenures using (customer_id)
)

select
    customer_id,
    {{ money('revenue') }} as revenue,
    {{ safe_divide('margin_numerator', 'margin_denominator') }} as profit_margin,
    {{ money(money_ratio([cents('revenue'), 'margin_numerator'], ['100', 'margin_denominator'])) }} as gross_profit,
    cast(purchases as bigint) as purchases,
    {{ money('purchase_amount') }} as purchase_amount,
    {{ money(money_ratio([cents('purchase_amount')], ['100', 'purchases'])) }} as average_check,
    {{ money('mrr') }} as mrr,
    cast(tenure_days as bigint) as tenure_days
from customer_sums
