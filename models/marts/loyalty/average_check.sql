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

purchases as (
    select
        {{ period_number('purchases.issued_on', 'month') }} as month_number,
        customers.segment_set,
        purchases.amount
    from {{ ref('fct_purchases') }} as purchases
    inner join {{ ref('int_customer_segment_sets') }} as customers using (customer_id)
),

-- medians don't add up: each purchase counts in each of its segments and periods
median_numbers as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain,
        {{ coarser_number('purchases.month_number', 'month', grain) }} as period_number,
        segments.segment_number,
        {{ money_median('purchases.amount') }} as median_check
    from purchases
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by {{ coarser_number('purchases.month_number', 'month', grain) }}, segments.segment_number
    {% endcall %}
),

segments as (
    select distinct segment_number, segment_type, segment from {{ ref('int_segment_sets') }}
),

medians as (
    select
        median_numbers.period_grain,
        median_numbers.period_number,
        segments.segment_type,
        segments.segment,
        median_numbers.median_check
    from median_numbers
    inner join segments using (segment_number)
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
    left join medians using (period_grain, period_number, segment_type, segment)
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
