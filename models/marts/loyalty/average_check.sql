-- How much a purchase and a purchasing customer bring in each period.
with sales_by_set as (
    select
        sales.period_grain,
        sales.period_number,
        customers.segment_set,
        sum(sales.purchases) as purchases,
        sum(sales.purchase_amount) as purchase_amount,
        count(case when sales.purchases > 0 then 1 end) as customers_purchasing,
        sum(sales.revenue) as revenue
    from {{ ref('int_customer_period_sales') }} as sales
    inner join {{ ref('int_customer_segment_sets') }} as customers using (customer_id)
    group by sales.period_grain, sales.period_number, customers.segment_set
),

sales as (
    select
        sales_by_set.period_grain,
        sales_by_set.period_number,
        segments.segment_type,
        segments.segment,
        sum(sales_by_set.purchases) as purchases,
        sum(sales_by_set.purchase_amount) as purchase_amount,
        sum(sales_by_set.customers_purchasing) as customers_purchasing,
        sum(sales_by_set.revenue) as revenue
    from sales_by_set
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by sales_by_set.period_grain, sales_by_set.period_number, segments.segment_type, segments.segment
),

sales_by_period as (
    select
        grid.*,
        coalesce(sales.purchases, 0) as purchases,
        coalesce(sales.purchase_amount, 0) as purchase_amount,
        coalesce(sales.customers_purchasing, 0) as customers_purchasing,
        coalesce(sales.revenue, 0) as revenue,
        medians.median_check
    from {{ ref('int_period_segments') }} as grid
    left join sales using (period_grain, period_number, segment_type, segment)
    left join {{ ref('int_median_checks') }} as medians using (period_grain, period_number, segment_type, segment)
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    segment_type,
    segment,
    cast(purchases as bigint) as purchases,
    {{ money('purchase_amount') }} as purchase_amount,
    cast(customers_purchasing as bigint) as customers_purchasing,
    {{ money('revenue') }} as revenue,
    {{ money(money_ratio([cents('purchase_amount')], ['100', 'purchases'])) }} as average_check,
    median_check,
    {{ safe_divide('purchases', 'customers_purchasing') }} as purchases_per_customer,
    {{ money(money_ratio([cents('revenue')], ['100', 'customers_purchasing'])) }} as revenue_per_customer
from sales_by_period
