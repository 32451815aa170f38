-- Reporting units for one unit of a currency, by the days for which the rate is the last one known. The last of all has
-- an end too: joined on `valid_to is null or …`, DuckDB would compare every row with every rate.
with rates as (
    select currency, rate_date, rate from {{ ref('stg_billing__fx_rates') }}
),

reporting_currency as (
    select currency from {{ ref('int_reporting_currency') }} where currency is not null
)

select
    rates.currency,
    rates.rate_date as valid_from,
    coalesce(
        lead(rates.rate_date) over (partition by rates.currency order by rates.rate_date), {{ far_future() }}
    ) as valid_to,
    rates.rate
from rates
where not exists (select 1 from reporting_currency where reporting_currency.currency = rates.currency)

union all

select currency, cast('0001-01-01' as date), {{ far_future() }}, cast(1 as decimal(18, 10))
from reporting_currency
