-- How much a purchase and a purchasing customer bring in each period.
with sales as (
    select
        sales.period_grain,
        sales.period_number,
        segments.segment_type,
        segments.segment,
        sum(sales.purchases) as purchases,
        sum(sales.purchase_amount) as purchase_amount,
        count(case when sales.purchases > 0 then 1 end) as customers_purchasing,
        sum(sales.revenue) as revenue
    from {{ ref('int_customer_period_sales') }} as sales
    inner join {{ ref('int_customer_segments') }} as segments on segments.customer_id = sales.customer_id
    group by sales.period_grain, sales.period_number, segments.segment_type, segments.segment
),

purchases as (
    {% for grain in grains() %}
    select '{{ grain }}' as period_grain, {{ period_number('issued_on', grain) }} as period_number, customer_id, amount
    from {{ ref('fct_purchases') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

medians as (
    select
        purchases.period_grain,
        purchases.period_number,
        segments.segment_type,
        segments.segment,
        {{ money_median('purchases.amount') }} as median_check
    from purchases
    inner join {{ ref('int_customer_segments') }} as segments on segments.customer_id = purchases.customer_id
    group by purchases.period_grain, purchases.period_number, segments.segment_type, segments.segment
),

filled as (
    select
        grid.*,
        coalesce(sales.purchases, 0) as purchases,
        coalesce(sales.purchase_amount, 0) as purchase_amount,
        coalesce(sales.customers_purchasing, 0) as customers_purchasing,
        coalesce(sales.revenue, 0) as revenue,
        medians.median_check
    from {{ ref('int_period_segments') }} as grid
    left join sales
        on sales.period_grain = grid.period_grain
        and sales.period_number = grid.period_number
        and sales.segment_type = grid.segment_type
        and sales.segment = grid.segment
    left join medians
        on medians.period_grain = grid.period_grain
        and medians.period_number = grid.period_number
        and medians.segment_type = grid.segment_type
        and medians.segment = grid.segment
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
    customers_purchasing,
    {{ money('revenue') }} as revenue,
    {{ money(money_ratio(cents('purchase_amount'), '100 * purchases')) }} as average_check,
    median_check,
    {{ safe_divide('purchases', 'customers_purchasing') }} as purchases_per_customer,
    {{ money(money_ratio(cents('revenue'), '100 * customers_purchasing')) }} as revenue_per_customer
from filled
