-- What a customer is worth as long as they stay: average sales × margin ÷ churn rate. Average ÷ churn rate is the sales
-- of the customers at start ÷ the customers lost; where nobody is lost a customer is taken to stay 60 months.
with parts as (
    select
        lost_revenue.*,
        {{ cents('lost_revenue.sales_of_customers_at_start') }} as sales_cents,
        margins.margin_numerator,
        margins.margin_denominator,
        case lost_revenue.period_grain
            {%- for grain, months in grains().items() %}
            when '{{ grain }}' then {{ months }}
            {%- endfor %}
        end as period_months
    from {{ ref('lost_revenue') }} as lost_revenue
    inner join {{ ref('int_opening_sales') }} as margins using (period_grain, period_start, segment_type, segment)
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
    sales_of_customers_at_start,
    average_sales_per_customer,
    profit_margin,
    case
        when customers_lost > 0 then {{ safe_divide('customers_at_start * period_months', 'customers_lost') }}
        when customers_at_start > 0 then 60
    end as expected_lifetime_months,
    case
        when customers_lost > 0
            then {{ money(money_ratio(
                ['sales_cents', 'margin_numerator'], ['100', 'margin_denominator', 'customers_lost']
            )) }}
        else {{ money(money_ratio(
            ['sales_cents', 'margin_numerator', '60'],
            ['100', 'margin_denominator', 'customers_at_start', 'period_months']
        )) }}
    end as lifetime_value
from parts
