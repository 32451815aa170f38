{{ config(by='customer_id') }}
-- Signals that a customer may leave, one row per assessment, customer and signal, from what was known before the
-- opening of the assessment only: a row that came later can't change an earlier list.
with assessments as (
    select * from {{ ref('int_risk_assessments') }}
),

-- today's notices are the scheduled ends
gave_notice as (
    select assessed_on, customer_id
    from assessments
    where is_current and scheduled_end_on is not null

    union

    select assessed_on, customer_id from {{ ref('int_notices') }}
),

latest_payments as (
    select assessed_on, customer_id, status
    from (
        select
            assessments.assessed_on,
            assessments.customer_id,
            payments.status,
            row_number() over (
                partition by assessments.assessed_on, assessments.customer_id
                order by payments.paid_at desc, payments.payment_id desc
            ) as recency
        from assessments
        inner join {{ ref('int_payments') }} as payments
            on payments.customer_id = assessments.customer_id and payments.paid_on < assessments.assessed_on
    ) as earlier_payments
    where recency = 1
),

payment_failing as (
    select assessed_on, customer_id from latest_payments where status = 'failed'
),

-- a rhythm takes two gaps
latest_purchases as (
    select
        assessments.assessed_on,
        assessments.customer_id,
        purchases.purchase_number,
        {{ days_between('purchases.issued_on', add_days('assessments.assessed_on', -1)) }} as days_since
    from assessments
    inner join {{ ref('int_purchases') }} as purchases
        on purchases.customer_id = assessments.customer_id
        and purchases.issued_on < assessments.assessed_on
        and coalesce(purchases.next_issued_on, assessments.assessed_on) >= assessments.assessed_on
    where purchases.purchase_number >= 3
),

-- Whether twice the median of the gaps is less than the days since, without a median, for which DuckDB would hold every
-- gap in memory: it is where most gaps are, or half of them and the two gaps around the middle together.
gaps as (
    select
        latest_purchases.assessed_on,
        latest_purchases.customer_id,
        latest_purchases.days_since,
        count(*) as gaps,
        count(case when 2 * purchases.days_since_previous < latest_purchases.days_since then 1 end) as short_gaps,
        max(case
            when 2 * purchases.days_since_previous < latest_purchases.days_since then purchases.days_since_previous
        end) as longest_short_gap,
        min(case
            when 2 * purchases.days_since_previous >= latest_purchases.days_since then purchases.days_since_previous
        end) as shortest_long_gap
    from latest_purchases
    inner join {{ ref('int_purchases') }} as purchases
        on purchases.customer_id = latest_purchases.customer_id
        and purchases.purchase_number <= latest_purchases.purchase_number
        and purchases.days_since_previous is not null
    group by latest_purchases.assessed_on, latest_purchases.customer_id, latest_purchases.days_since
),

overdue as (
    select assessed_on, customer_id
    from gaps
    where 2 * short_gaps > gaps
        or (2 * short_gaps = gaps and longest_short_gap + shortest_long_gap < days_since)
),

open_complaint as (
    select assessments.assessed_on, assessments.customer_id
    from assessments
    inner join {{ ref('int_cases') }} as cases
        on cases.customer_id = assessments.customer_id and cases.opened_on < assessments.assessed_on
    where cases.kind = 'complaint'
        and (cases.resolved_at is null or cast(cases.resolved_at as date) >= assessments.assessed_on)
),

-- answered late, or waiting for longer, in the last 90 days
slow_answer as (
    select assessments.assessed_on, assessments.customer_id
    from assessments
    inner join {{ ref('int_cases') }} as cases
        on cases.customer_id = assessments.customer_id
        and cases.opened_on < assessments.assessed_on
        and cases.opened_on >= {{ add_days('assessments.assessed_on', -90) }}
    where not {{ is_within_sla(
        'first_response', 'cases.opened_at',
        'least(cases.first_response_at, cast(assessments.assessed_on as timestamp))'
    ) }}
),

latest_scores as (
    select assessed_on, customer_id, score
    from (
        select
            assessments.assessed_on,
            assessments.customer_id,
            responses.score,
            row_number() over (
                partition by assessments.assessed_on, assessments.customer_id
                order by responses.answered_at desc, responses.response_id desc
            ) as recency
        from assessments
        inner join {{ ref('int_surveys') }} as responses
            on responses.customer_id = assessments.customer_id
            and responses.kind = 'nps'
            and responses.answered_on < assessments.assessed_on
    ) as earlier_responses
    where recency = 1
),

detractor as (
    select assessed_on, customer_id from latest_scores where score <= 6
),

spending_totals as (
    select
        assessments.assessed_on,
        assessments.customer_id,
        sum(case
            when invoices.issued_on >= {{ add_days('assessments.assessed_on', -90) }} then invoices.amount
            else 0
        end) as last_90_days,
        sum(case
            when invoices.issued_on < {{ add_days('assessments.assessed_on', -90) }} then invoices.amount
            else 0
        end) as previous_90_days
    from assessments
    inner join {{ ref('int_invoices') }} as invoices
        on invoices.customer_id = assessments.customer_id
        and invoices.issued_on < assessments.assessed_on
        and invoices.issued_on >= {{ add_days('assessments.assessed_on', -180) }}
    group by assessments.assessed_on, assessments.customer_id
),

spending_down as (
    select assessed_on, customer_id
    from spending_totals
    where previous_90_days > 0 and 2 * last_90_days <= previous_90_days
)

{% for signal in risk_signals() %}
select distinct assessed_on, customer_id, '{{ signal }}' as signal from {{ signal }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
