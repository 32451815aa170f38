{{ config(by='invoice_id', tells=['customer_id']) }}
-- Every invoice that makes revenue by as_of, in the reporting currency, rounded once: headers as they are, lines
-- summed. `currency_without_rate` names a currency that has no rate yet on the day of issue, `is_too_large` tells of an
-- amount that money can't hold: int_blockers then stops the build.
with headers as (
    select
        invoice_id, customer_id, issued_at, status, employee_id, amount, cost, currency, covers_until
    from {{ ref('stg_billing__invoices') }}
),

lines as (
    select
        invoice_id,
        first_value(customer_id) over earliest_first as customer_id,
        first_value(issued_at) over earliest_first as issued_at,
        first_value(status) over earliest_first as status,
        first_value(employee_id) over earliest_first as employee_id,
        coalesce(amount, cast(quantity as decimal(38, 6)) * unit_price) as amount,
        cost, currency, covers_until
    from {{ ref('stg_billing__invoice_lines') }} as delivered
    where not exists (
        select 1 from {{ ref('stg_billing__invoices') }} as invoices where invoices.invoice_id = delivered.invoice_id
    )
    window earliest_first as (partition by invoice_id order by issued_at, line_id nulls last, delivery_number)
),

{% for parts in ['headers', 'lines'] %}
billed_{{ parts }} as (
    select
        {{ parts }}.*,
        cast({{ parts }}.issued_at as date) as issued_on,
        coalesce({{ parts }}.currency, reporting.currency) as billed_currency
    from {{ parts }}
    cross join {{ ref('int_reporting_currency') }} as reporting
    where coalesce({{ parts }}.status, 'open') not in ('void', 'uncollectible')
        and cast({{ parts }}.issued_at as date) <= {{ as_of() }}
),

rated_{{ parts }} as (
    select
        billed.invoice_id,
        coalesce(merged_cards.customer_id, billed.customer_id) as customer_id,
        billed.issued_at,
        billed.issued_on,
        billed.employee_id,
        billed.amount,
        billed.cost,
        billed.covers_until,
        billed.billed_currency,
        case when billed.billed_currency is null then 1 else rates.rate end as exchange_rate,
        {{ is_too_large(['billed.amount', 'coalesce(rates.rate, 1)']) }}
            or {{ is_too_large(['billed.cost', 'coalesce(rates.rate, 1)']) }} as is_too_large
    from billed_{{ parts }} as billed
    left join {{ ref('int_exchange_rates') }} as rates
        on rates.currency = billed.billed_currency
        and rates.valid_from <= billed.issued_on
        and rates.valid_to > billed.issued_on
    left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = billed.customer_id
){{ ',' if not loop.last }}

{% endfor %}

-- at a rate of 1 the amount is rounded as it is: the product has 36 digits, and rounding those takes five times as long
select
    invoice_id,
    customer_id,
    issued_at,
    issued_on,
    employee_id,
    {% for total in ['amount', 'cost'] %}
    case
        when is_too_large then null
        when exchange_rate = 1 then {{ money('round(' ~ total ~ ', 2)') }}
        else {{ money('round(' ~ total ~ ' * exchange_rate, 2)') }}
    end as {{ total }},
    {% endfor %}
    covers_until,
    case when exchange_rate is null then billed_currency end as currency_without_rate,
    is_too_large
from rated_headers

union all

select
    invoice_id,
    customer_id,
    issued_at,
    issued_on,
    employee_id,
    {{ money('round(sum(case when not is_too_large then amount * exchange_rate end), 2)') }},
    case
        when count(cost) = count(amount)
            then {{ money('round(sum(case when not is_too_large then cost * exchange_rate end), 2)') }}
    end,
    max(covers_until),
    min(case when exchange_rate is null then billed_currency end),
    bool_or(is_too_large)
from rated_lines
group by invoice_id, customer_id, issued_at, issued_on, employee_id
