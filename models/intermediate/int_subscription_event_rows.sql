{{ config(by='subscription_id', tells=['customer_id'], ids='delivered') }}
-- An event log turned into periods: each start or change opens a row, and the next event of the subscription closes it.
-- An event whose status never pays or is inactive only closes, like a cancel.
with known_rows as (
    select subscription_id from {{ ref('stg_billing__subscriptions') }}
    union all
    select subscription_id from {{ ref('int_subscription_history') }}
),

events as (
    select *
    from {{ ref('stg_billing__subscription_events') }} as delivered
    where not exists (select 1 from known_rows where known_rows.subscription_id = delivered.subscription_id)
),

event_states as (
    select
        subscription_id,
        customer_id,
        event = 'cancel' or {{ never_paid('status') }} or {{ inactive('status') }} as is_closing,
        occurred_on as started_on,
        lead(occurred_on) over (partition by subscription_id order by occurred_on, delivery_number) as ended_on,
        {{ last_known('plan_id', 'subscription_id', 'occurred_on, delivery_number') }} as plan_id,
        {{ last_known('quantity', 'subscription_id', 'occurred_on, delivery_number') }} as quantity,
        unit_price,
        interval,
        interval_count,
        currency,
        discount_rate,
        trial_ends_on,
        delivery_number
    from events
)

select
    subscription_id,
    customer_id,
    started_on,
    ended_on,
    plan_id,
    coalesce(quantity, 1) as quantity,
    unit_price,
    interval,
    interval_count,
    currency,
    discount_rate,
    trial_ends_on,
    delivery_number
from event_states
where is_closing is not true
