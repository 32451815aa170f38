-- The base of lost sales and of lifetime values: what the customers at the opening of each period bought in the period
-- before, and the margin in it as a fraction of whole numbers, so that what is multiplied by it is rounded once.
with sales as (
    select
        sales.period_grain,
        sales.period_number,
        segments.segment_type,
        segments.segment,
        sum(sales.revenue) as revenue,
        sum(sales.revenue_with_cost) as revenue_with_cost,
        sum(sales.cost) as cost
    from {{ ref('int_opening_customer_sales') }} as sales
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    group by sales.period_grain, sales.period_number, segments.segment_type, segments.segment
)

select
    grid.period_grain,
    grid.period_start,
    grid.segment_type,
    grid.segment,
    coalesce(sales.revenue, 0) as sales_of_customers_at_start,
    {{ margin_parts('sales.revenue_with_cost', 'sales.cost') }}
from {{ ref('int_period_segments') }} as grid
left join sales using (period_grain, period_number, segment_type, segment)
