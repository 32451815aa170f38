-- Every invoice that makes revenue by as_of, in the reporting currency, rounded once: headers as they are, lines
-- summed. `currency_without_rate` names a currency that has no rate yet on the day of issue, `is_too_large` tells of an
-- amount that money can't hold: int_blockers then stops the build.
{% set too_large %}
    ({{ is_too_large(['amount', 'exchange_rate']) }} or {{ is_too_large(['cost', 'exchange_rate']) }})
{% endset %}

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
),

converted as (
    select
        *,
        {{ too_large }} as is_too_large,
        case when not {{ too_large }} then amount * exchange_rate end as converted_amount,
        case when not {{ too_large }} then cost * exchange_rate end as converted_cost
    from rated
)

select
    converted.invoice_id,
    coalesce(merged_cards.customer_id, converted.customer_id) as customer_id,
    converted.issued_at,
    converted.issued_on,
    converted.employee_id,
    {{ money('round(sum(converted.converted_amount), 2)') }} as amount,
    case when count(converted.cost) = count(converted.amount)
        then {{ money('round(sum(converted.converted_cost), 2)') }}
    end as cost,
    max(converted.covers_until) as covers_until,
    min(case when converted.exchange_rate is null then converted.billed_currency end) as currency_without_rate,
    bool_or(converted.is_too_large) as is_too_large
from converted
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = converted.customer_id
group by
    converted.invoice_id, coalesce(merged_cards.customer_id, converted.customer_id), converted.issued_at,
    converted.issued_on, converted.employee_id
