-- The currency of every amount in the marts: the declared one, else the only one that the extracts name.
with named_currencies as (
    select currency from {{ ref('stg_billing__plans') }}
    union
    select currency from {{ ref('stg_billing__subscriptions') }}
    union
    select currency from {{ ref('int_subscription_history') }}
    union
    select currency from {{ ref('stg_billing__subscription_events') }}
    union
    select currency from {{ ref('stg_billing__invoices') }}
    union
    select currency from {{ ref('stg_billing__invoice_lines') }}
    union
    select currency from {{ ref('stg_billing__payments') }}
    union
    select currency from {{ ref('stg_billing__refunds') }}
)

select
    {% if var('reporting_currency') -%}
    upper('{{ var("reporting_currency") }}')
    {%- else -%}
    case when count(currency) = 1 then max(currency) end
    {%- endif %} as currency,
    count(currency) as currencies_named,
    {{ dbt.listagg('currency', "', '", 'order by currency') }} as currencies
from named_currencies
