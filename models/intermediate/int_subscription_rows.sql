{{ config(by='subscription_id', tells=['customer_id']) }}
-- Every period on the same terms, from tables of subscriptions, lists with history and event logs alike, with the
-- plan's terms filled in where the row names none of its own, and the end that its status leaves it.
with delivered_rows as (
    select
        subscription_id, customer_id, started_on, ended_on, inactive_on, cast(null as date) as inactive_since,
        trial_ends_on, status, sources.status_means, sources.is_undeclared, end_reason,
        plan_id, quantity, unit_price, interval, interval_count, currency, discount_rate, discount_amount,
        auto_renew, delivery_number, cast(updated_at as date) as written_on
    from {{ ref('stg_billing__subscriptions') }}
    inner join {{ ref('int_subscription_sources') }} as sources using (source)

    union all

    select
        subscription_id, customer_id, started_on, ended_on, inactive_on, inactive_since,
        trial_ends_on, status, status_means, false, end_reason,
        plan_id, quantity, unit_price, interval, interval_count, currency, discount_rate, discount_amount,
        auto_renew, delivery_number, cast(updated_at as date)
    from {{ ref('int_subscription_history') }}

    union all

    select
        subscription_id, customer_id, started_on, ended_on, cast(null as date), cast(null as date),
        trial_ends_on, cast(null as {{ dbt.type_string() }}), 'period', false, cast(null as {{ dbt.type_string() }}),
        plan_id, quantity, unit_price, interval, interval_count, currency, discount_rate, cast(null as decimal(18, 6)),
        cast(null as boolean), delivery_number, cast(null as date)
    from {{ ref('int_subscription_event_rows') }}
),

judged_rows as (
    select
        *,
        status_means = 'now' and {{ inactive('status') }} as is_inactive_now,
        is_undeclared and status_means = 'period' and {{ inactive('status') }} as is_taken_for_inactive_throughout,
        not {{ never_paid('status') }}
            and not (status_means = 'period' and {{ inactive('status') }}) as has_paying_status,
        -- of a suspended subscription only an end that has come says something
        case
            when {{ suspended('status') }} and status_means = 'now' and ended_on > {{ as_of() }} then null
            else ended_on
        end as known_end_on
    from delivered_rows
),

row_ends as (
    select
        judged_rows.*,
        judged_rows.is_inactive_now and judged_rows.known_end_on is null
            and judged_rows.inactive_on is null as is_inactive_since_unknown,
        case
            when judged_rows.is_inactive_now
                then coalesce(
                    judged_rows.known_end_on, judged_rows.inactive_on, judged_rows.inactive_since, since.inactive_since
                )
            -- the end of a paid term is no notice
            when judged_rows.auto_renew and judged_rows.known_end_on > {{ as_of() }} then null
            else judged_rows.known_end_on
        end as last_end_on
    from judged_rows
    left join {{ ref('int_status_since') }} as since
        on since.subscription_id = judged_rows.subscription_id
        and since.started_on = judged_rows.started_on
        and judged_rows.is_inactive_now
)

select
    row_ends.subscription_id,
    coalesce(merged_cards.customer_id, row_ends.customer_id) as customer_id,
    row_ends.plan_id,
    row_ends.started_on,
    row_ends.last_end_on as ended_on,
    case when row_ends.trial_ends_on > row_ends.started_on then row_ends.trial_ends_on end as trial_ends_on,
    row_ends.has_paying_status,
    row_ends.is_inactive_since_unknown,
    row_ends.is_taken_for_inactive_throughout,
    row_ends.end_reason,
    row_ends.unit_price is null and plans.price is null as lacks_price,
    -- its plan is unknown, though plans were delivered, and says nothing of the interval
    row_ends.interval is null and row_ends.plan_id is not null and plans.plan_id is null
        and (select count(*) from {{ ref('stg_billing__plans') }}) > 0 as lacks_interval,
    coalesce(row_ends.unit_price, plans.price, 0) as unit_price,
    coalesce(row_ends.quantity, 1) as quantity,
    coalesce(row_ends.discount_rate, 0) as discount_rate,
    row_ends.discount_amount,
    coalesce(row_ends.currency, plans.currency, reporting.currency) as currency,
    -- a count without an interval is ignored: interval and count come from the same place
    coalesce(row_ends.interval, plans.interval, 'month') as interval,
    case
        when row_ends.interval is not null then coalesce(row_ends.interval_count, 1)
        when plans.interval is not null then coalesce(plans.interval_count, 1)
        else 1
    end as interval_count,
    row_ends.delivery_number,
    row_ends.written_on
from row_ends
cross join {{ ref('int_reporting_currency') }} as reporting
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = row_ends.customer_id
left join {{ ref('stg_billing__plans') }} as plans using (plan_id)
