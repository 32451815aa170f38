{{ config(by='customer_id') }}
-- The monthly amount of each subscription row in the reporting currency, rounded once. `exchange_rate` is null where no
-- rate is known on or before the row's first day, `monthly_amount` where it is too large for money: int_blockers then
-- stops the build.
{% set price, quantity = fraction('price', 12), fraction('units', 6) %}
{% set share_paid, rate = fraction('(1 - discount_rate)', 6), fraction('exchange_rate', 10) %}
-- a year's amount is a number too
{% set too_large = is_too_large(
    ['price', 'units', 'exchange_rate', 'interval_parts', '1e0 / interval_months'], '1e14'
) %}

with prices as (
    select
        rows.*,
        -- an amount that is waived is taken off the price of all units
        cast(
            case when rows.discount_amount is null then greatest(rows.unit_price, 0)
                else greatest(rows.unit_price * cast(rows.quantity as decimal(38, 6)) - rows.discount_amount, 0) end
            as decimal(38, 12)
        ) as price,
        case when rows.discount_amount is null then rows.quantity else 1 end as units,
        case when rows.currency is null then 1 else rates.rate end as exchange_rate,
        -- months of the billing interval: interval_months ÷ interval_parts
        case rows.interval when 'month' then rows.interval_count else 12 * rows.interval_count end as interval_months,
        case rows.interval when 'week' then 52 when 'day' then 365 else 1 end as interval_parts
    from {{ ref('int_subscription_rows') }} as rows
    left join {{ ref('int_exchange_rates') }} as rates
        on rates.currency = rows.currency
        and rates.valid_from <= rows.started_on
        and rates.valid_to > rows.started_on
),

distinct_prices as (
    select distinct price, units, discount_rate, exchange_rate, interval_months, interval_parts from prices
),

-- Many subscriptions have few prices: exact fractions, 0.1 ms each, are calculated once for each of these.
amounts as (
    select
        *,
        {{ too_large }} as is_too_large,
        case when not {{ too_large }} then
            {{ money(money_ratio(
                [price.n, quantity.n, share_paid.n, rate.n, 'interval_parts'],
                [price.d, quantity.d, share_paid.d, rate.d, 'interval_months']
            )) }}
        end as monthly_amount
    from distinct_prices
)

select
    prices.subscription_id,
    prices.customer_id,
    prices.plan_id,
    prices.started_on,
    prices.ended_on,
    prices.trial_ends_on,
    prices.end_reason,
    prices.delivery_number,
    prices.written_on,
    prices.currency,
    prices.exchange_rate,
    amounts.monthly_amount,
    amounts.is_too_large,
    prices.has_paying_status,
    prices.is_inactive_since_unknown,
    prices.is_taken_for_inactive_throughout
from prices
left join amounts
    on amounts.price = prices.price
    and amounts.units = prices.units
    and amounts.discount_rate = prices.discount_rate
    and amounts.exchange_rate is not distinct from prices.exchange_rate
    and amounts.interval_months = prices.interval_months
    and amounts.interval_parts = prices.interval_parts
