-- Every period on the same terms, from tables of subscriptions and from event logs alike, with the plan's terms
-- filled in where the row names none of its own.
with delivered as (
    select
        subscription_id, customer_id, started_on, ended_on, trial_ends_on, status, end_reason,
        plan_id, quantity, unit_price, interval, interval_count, currency, discount_rate, delivery_number,
        cast(updated_at as date) as written_on
    from {{ ref('stg_billing__subscriptions') }}

    union all

    select
        subscription_id, customer_id, started_on, ended_on, cast(null as date), cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}),
        plan_id, quantity, unit_price, cast(null as {{ dbt.type_string() }}), cast(null as integer), cast(null as {{ dbt.type_string() }}), cast(null as decimal(18, 6)), delivery_number,
        cast(null as date)
    from {{ ref('int_subscription_event_rows') }}
)

select
    delivered.subscription_id,
    coalesce(merges.customer_id, delivered.customer_id) as customer_id,
    delivered.plan_id,
    delivered.started_on,
    delivered.ended_on,
    case when delivered.trial_ends_on > delivered.started_on then delivered.trial_ends_on end as trial_ends_on,
    delivered.status,
    delivered.end_reason,
    coalesce(delivered.unit_price, plans.price, 0) as unit_price,
    coalesce(delivered.quantity, 1) as quantity,
    coalesce(delivered.discount_rate, 0) as discount_rate,
    coalesce(delivered.currency, plans.currency, reporting.currency) as currency,
    -- a count without an interval is ignored: interval and count come from the same place
    coalesce(delivered.interval, plans.interval, 'month') as interval,
    case
        when delivered.interval is not null then coalesce(delivered.interval_count, 1)
        when plans.interval is not null then coalesce(plans.interval_count, 1)
        else 1
    end as interval_count,
    delivered.delivery_number,
    delivered.written_on
from delivered
cross join {{ ref('int_reporting_currency') }} as reporting
left join {{ ref('int_customer_merges') }} as merges on merges.card_id = delivered.customer_id
left join {{ ref('stg_billing__plans') }} as plans on plans.plan_id = delivered.plan_id
