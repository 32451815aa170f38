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
)

select
    subscription_id,
    customer_id,
    plan_id,
    started_on,
    ended_on,
    trial_ends_on,
    end_reason,
    delivery_number,
    written_on,
    currency,
    exchange_rate,
    case when not {{ too_large }} then
        {{ money(money_ratio(
            [price.n, quantity.n, share_paid.n, rate.n, 'interval_parts'],
            [price.d, quantity.d, share_paid.d, rate.d, 'interval_months']
        )) }}
    end as monthly_amount,
    {{ too_large }} as is_too_large,
    has_paying_status,
    is_inactive_since_unknown,
    is_taken_for_inactive_throughout
from prices
