-- What a person must correct before a build can start: one row per problem. The refresh stops where this has rows.
with missing_rates as (
    select currency, started_on as needed_on
    from {{ ref('int_subscription_amounts') }}
    where exchange_rate is null and has_paying_status and started_on <= {{ as_of() }}

    union all

    select currency_without_rate, issued_on
    from {{ ref('int_invoices') }}
    where currency_without_rate is not null
),

too_large as (
    select
        'billing.subscriptions: the price of subscription_id ' || min(subscription_id) as place, count(*) as all_rows
    from {{ ref('int_subscription_amounts') }}
    where is_too_large
    having count(*) > 0

    union all

    select 'billing.invoices or billing.invoice_lines: the amount of invoice_id ' || min(invoice_id), count(*)
    from {{ ref('int_invoices') }}
    where is_too_large
    having count(*) > 0
),

undeclared_reporting_currency as (
    select currencies_named, currencies
    from {{ ref('int_reporting_currency') }}
    where currency is null and currencies_named > 1
)

select
    'missing exchange rate' as problem,
    'No exchange rate for ' || currency || ' on or before ' || cast(min(needed_on) as {{ dbt.type_string() }})
        || ' (' || cast(count(*) as {{ dbt.type_string() }})
        || ' rows need one): add it to billing.fx_rates.' as message
from missing_rates
where not exists (select 1 from undeclared_reporting_currency)
group by currency

union all

select
    'reporting currency' as problem,
    'The extracts name ' || cast(currencies_named as {{ dbt.type_string() }}) || ' currencies ('
        || currencies
        || '): declare reporting_currency in extracts.yml and deliver billing.fx_rates for the others.' as message
from undeclared_reporting_currency

union all

select
    'too large' as problem,
    place || ' is too large a number in the reporting currency, with its quantity and its exchange rate ('
        || cast(all_rows as {{ dbt.type_string() }}) || ' such): correct the price of its row or of its plan, the'
        || ' quantity, or the rate in billing.fx_rates.' as message
from too_large
