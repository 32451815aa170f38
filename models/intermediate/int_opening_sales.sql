-- The base of lost sales and of lifetime values: what the customers at the opening of each period bought in the period
-- before, and the margin in it as a fraction of whole numbers, so that what is multiplied by it is rounded once.
-- by the opening rule, a spell is there at the opening of each period after that of its start, up to that of its end
with spells as (
    {% call(grain) by_grain() %}
    select
        customer_id,
        '{{ grain }}' as period_grain,
        {{ period_number('started_on', grain) }} as started_in,
        {{ period_number('coalesce(ended_on, ' ~ far_future() ~ ')', grain) }} as ended_in
    from {{ ref('int_customer_spells') }}
    {% endcall %}
),

sales_by_set as (
    select
        sales.period_grain,
        sales.period_number + 1 as period_number,
        customers.segment_set,
        sum(sales.revenue) as revenue,
        sum(sales.revenue_with_cost) as revenue_with_cost,
        sum(sales.cost) as cost
    from {{ ref('int_customer_period_sales') }} as sales
    inner join spells
        on spells.customer_id = sales.customer_id
        and spells.period_grain = sales.period_grain
        and spells.started_in <= sales.period_number
        and spells.ended_in > sales.period_number
    inner join {{ ref('int_customer_segment_sets') }} as customers on customers.customer_id = sales.customer_id
    group by sales.period_grain, sales.period_number, customers.segment_set
),

sales as (
    select
        sales_by_set.period_grain,
        sales_by_set.period_number,
        segments.segment_type,
        segments.segment,
        sum(sales_by_set.revenue) as revenue,
        sum(sales_by_set.revenue_with_cost) as revenue_with_cost,
        sum(sales_by_set.cost) as cost
    from sales_by_set
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by sales_by_set.period_grain, sales_by_set.period_number, segments.segment_type, segments.segment
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
