-- The lost-sales calculation: what the customers lost in each period would have bought, the profit in it, and what
-- hearing complaints could have won back. The base is the period before.
with losses as (
    select
        losses.period_grain,
        losses.period_number,
        segments.segment_type,
        segments.segment,
        sum(losses.sales) as lost_customers_sales,
        sum(losses.recoverable_sales_if_heard) as recoverable_sales_if_heard,
        sum(losses.recoverable_sales_if_heard_promptly) as recoverable_sales_if_heard_promptly
    from {{ ref('int_period_losses') }} as losses
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    group by losses.period_grain, losses.period_number, segments.segment_type, segments.segment
),

period_sums as (
    select
        grid.*,
        rates.customers_at_start,
        rates.customers_lost,
        rates.churn_rate,
        mrr.mrr_churned,
        base.sales_of_customers_at_start,
        base.margin_numerator,
        base.margin_denominator,
        coalesce(losses.lost_customers_sales, 0) as lost_customers_sales,
        coalesce(losses.recoverable_sales_if_heard, 0) as recoverable_sales_if_heard,
        coalesce(losses.recoverable_sales_if_heard_promptly, 0) as recoverable_sales_if_heard_promptly
    from {{ ref('int_period_segments') }} as grid
    inner join {{ ref('churn_rates') }} as rates using (period_grain, period_start, segment_type, segment)
    inner join {{ ref('revenue_retention') }} as mrr using (period_grain, period_start, segment_type, segment)
    inner join {{ ref('int_opening_sales') }} as base using (period_grain, period_start, segment_type, segment)
    left join losses using (period_grain, period_number, segment_type, segment)
),

-- quotients take unrounded inputs: lost sales = lost × sales ÷ customers, in hundredths
quotient_parts as (
    select
        *,
        {{ cents('sales_of_customers_at_start') }} as sales_cents,
        customers_lost * {{ cents('sales_of_customers_at_start') }} as lost_sales_numerator,
        100 * customers_at_start as lost_sales_denominator,
        case period_grain when 'month' then 12 when 'quarter' then 4 else 1 end as periods_a_year
    from period_sums
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    segment_type,
    segment,
    customers_at_start,
    customers_lost,
    churn_rate,
    {{ money(money_ratio(['sales_cents'], ['lost_sales_denominator'])) }} as average_sales_per_customer,
    {{ money(money_ratio(['lost_sales_numerator'], ['lost_sales_denominator'])) }} as lost_sales,
    {{ money(
        money_ratio(['lost_sales_numerator', 'periods_a_year'], ['lost_sales_denominator'])
    ) }} as lost_sales_annualised,
    {{ money('sales_of_customers_at_start') }} as sales_of_customers_at_start,
    {{ money('lost_customers_sales') }} as lost_customers_sales,
    {{ safe_divide('margin_numerator', 'margin_denominator') }} as profit_margin,
    {{ money(money_ratio(['sales_cents', 'margin_numerator'], ['100', 'margin_denominator'])) }} as profit,
    {{ money(
        money_ratio(['lost_sales_numerator', 'margin_numerator'], ['lost_sales_denominator', 'margin_denominator'])
    ) }} as lost_profit,
    {{ money(
        money_ratio([cents('lost_customers_sales'), 'margin_numerator'], ['100', 'margin_denominator'])
    ) }} as lost_customers_profit,
    mrr_churned,
    {{ money('round(recoverable_sales_if_heard, 2)') }} as recoverable_sales_if_heard,
    {{ money('round(recoverable_sales_if_heard_promptly, 2)') }} as recoverable_sales_if_heard_promptly
from quotient_parts
