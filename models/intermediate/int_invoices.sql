-- Every invoice that makes revenue by as_of, in the reporting currency, rounded once: headers as they are, lines
-- summed. `currency_without_rate` names a currency that has no rate yet on the day of issue: int_blockers then stops
-- the build.
with headers as (
    select
        invoice_id, customer_id, issued_at, status, employee_id,
        cast(null as {{ dbt.type_string() }}) as line_id, 0 as line_order,
        amount, cost, currency, covers_until
    from {{ ref('stg_billing__invoices') }}
),

lines as (
    select
        invoice_id,
        first_value(customer_id) over earliest_first as customer_id,
        first_value(issued_at) over earliest_first as issued_at,
        first_value(status) over earliest_first as status,
        first_value(employee_id) over earliest_first as employee_id,
        line_id, delivery_number as line_order,
        coalesce(amount, cast(quantity as decimal(38, 6)) * unit_price) as amount, cost, currency, covers_until
    from {{ ref('stg_billing__invoice_lines') }}
    where invoice_id not in (select invoice_id from {{ ref('stg_billing__invoices') }})
    window earliest_first as (partition by invoice_id order by issued_at, line_id nulls last, delivery_number)
),

parts as (
    select * from headers
    union all
    select * from lines
),

revenue_parts as (
    select
        parts.*,
        cast(parts.issued_at as date) as issued_on,
        coalesce(parts.currency, reporting.currency) as billed_currency
    from parts
    cross join {{ ref('int_reporting_currency') }} as reporting
    where coalesce(parts.status, 'open') not in ('void', 'uncollectible')
        and cast(parts.issued_at as date) <= {{ as_of() }}
),

rated as (
    select
        revenue_parts.*,
        case when revenue_parts.billed_currency is null then 1 else rates.rate end as exchange_rate
    from revenue_parts
    left join {{ ref('int_exchange_rates') }} as rates
        on rates.currency = revenue_parts.billed_currency
        and rates.valid_from <= revenue_parts.issued_on
        and (rates.valid_to is null or rates.valid_to > revenue_parts.issued_on)
)

select
    rated.invoice_id,
    coalesce(merged_cards.customer_id, rated.customer_id) as customer_id,
    rated.issued_at,
    rated.issued_on,
    rated.employee_id,
    {{ money('round(sum(rated.amount * rated.exchange_rate), 2)') }} as amount,
    case when count(rated.cost) = count(rated.amount)
        then {{ money('round(sum(rated.cost * rated.exchange_rate), 2)') }}
    end as cost,
    max(rated.covers_until) as covers_until,
    min(case when rated.exchange_rate is null then rated.billed_currency end) as currency_without_rate
from rated
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = rated.customer_id
group by
    rated.invoice_id, coalesce(merged_cards.customer_id, rated.customer_id), rated.issued_at, rated.issued_on,
    rated.employee_id
