{{ config(by='subscription_id', tells=['customer_id'], ids='delivered') }}
-- Lists of subscriptions as they were on several days, turned into periods on the same terms: a change of terms closes
-- a row on the list's day and opens the next, and so does a list that lacks the subscription. Where the lists are dated
-- (their status_means is now), an inactive status is no period of its own but ends the one before, on the day that the
-- list states.
with all_lists as (
    select
        loads.load_id,
        loads.source,
        snapshots.snapshot_on,
        coalesce(loads.status_means = 'now', false) as states_ends,
        min(case when snapshots.snapshot_on > {{ as_of() }} then snapshots.snapshot_on end) over (
            partition by loads.source
        ) as first_on_after_as_of
    from {{ source('raw', 'snapshots') }} as snapshots
    inner join {{ source('raw', 'loads') }} as loads using (table_name, source, content_hash)
    where snapshots.table_name = 'billing.subscriptions'
),

-- a list of today states which starts and ends came about until yesterday
lists as (
    select load_id, source, snapshot_on, states_ends
    from all_lists
    where snapshot_on <= {{ as_of() }} or (states_ends and snapshot_on = first_on_after_as_of)
),

listed_days as (
    select source, snapshot_on, lead(snapshot_on) over (partition by source order by snapshot_on) as next_on
    from (select distinct source, snapshot_on from lists) as days
),

-- of several rows of a subscription in one list, the last
list_rows as (
    select *
    from (
        select
            delivered.*,
            lists.snapshot_on,
            lists.states_ends,
            lists.states_ends and {{ inactive('delivered.status') }} as is_closed,
            not {{ never_paid('delivered.status') }} as is_paid,
            row_number() over (
                partition by delivered.source, lists.snapshot_on, delivered.subscription_id
                order by delivered.delivery_number desc
            ) as recency
        from {{ ref('base_billing__subscriptions') }} as delivered
        inner join lists on lists.load_id = delivered.load_id
        where delivered.row_outcome = 'loaded' and delivered.is_history
    ) as rows_of_lists
    where recency = 1
),

row_comparisons as (
    select
        list_rows.*,
        listed_days.next_on,
        lag(listed_days.next_on) over versions = list_rows.snapshot_on as was_listed_before,
        lag(listed_days.next_on) over versions is null as is_first,
        lead(
            case
                when list_rows.is_closed and list_rows.ended_on <= list_rows.snapshot_on then list_rows.ended_on
                when list_rows.is_closed then list_rows.inactive_on
            end
        ) over versions as closed_on,
        lead(case when list_rows.is_closed then list_rows.end_reason end) over versions as closing_reason,
        {% for column in [
            'plan_id', 'quantity', 'unit_price', 'discount_rate', 'discount_amount', 'interval', 'interval_count',
            'currency'
        ] %}
        ({{ adapter.quote(column) }} is not distinct from lag({{ adapter.quote(column) }}) over versions)
        {{- ' and' if not loop.last }}
        {% endfor %} as has_same_price,
        case
            -- who pays after a trial has been there since its start
            when list_rows.states_ends
                then (list_rows.is_closed = lag(list_rows.is_closed) over versions)
                    and (list_rows.is_paid or not lag(list_rows.is_paid) over versions)
            else (list_rows.status is not distinct from lag(list_rows.status) over versions)
        end as has_same_status
    from list_rows
    inner join listed_days using (source, snapshot_on)
    window versions as (partition by list_rows.source, list_rows.subscription_id order by list_rows.snapshot_on)
),

version_rows as (
    select
        *,
        sum(case when was_listed_before and has_same_price and has_same_status then 0 else 1 end) over (
            partition by source, subscription_id order by snapshot_on rows between unbounded preceding and current row
        ) as version_number
    from row_comparisons
),

-- a version as its last list has it
versions as (
    select
        *,
        version_number = 1 and is_closed as is_closed_from_the_first,
        min(snapshot_on) over (partition by source, subscription_id, version_number) as version_listed_on,
        -- later versions start on their list's day, and not before the day that the list announces
        first_value(
            case when is_first then coalesce(started_on, snapshot_on)
                else greatest(snapshot_on, coalesce(started_on, snapshot_on)) end
        ) over (
            partition by source, subscription_id, version_number order by snapshot_on
        ) as version_started_on,
        row_number() over (
            partition by source, subscription_id, version_number order by snapshot_on desc
        ) as lists_until_last
    from version_rows
),

-- until when the terms held: until the list that has others or lacks the subscription, or until the day that the list
-- which has it closed states
version_periods as (
    select
        *,
        case
            when closed_on <= {{ as_of() }} and (next_on is null or closed_on <= next_on) then closed_on
            when next_on <= {{ as_of() }} then next_on
        end as held_until
    from versions
    where lists_until_last = 1
        -- other terms that a list after as_of has are not known yet
        and (version_number = 1 or version_listed_on <= {{ as_of() }})
)

select
    source,
    subscription_id,
    version_started_on as started_on,
    customer_id,
    plan_id,
    -- none while the newest list has it and announces no end
    case
        when is_closed_from_the_first or held_until is null or ended_on <= held_until then ended_on
        else held_until
    end as ended_on,
    case when is_closed_from_the_first then inactive_on end as inactive_on,
    case when is_closed_from_the_first then least(version_listed_on, {{ as_of() }}) end as inactive_since,
    quantity,
    unit_price,
    interval,
    interval_count,
    currency,
    discount_rate,
    discount_amount,
    auto_renew,
    trial_ends_on,
    status,
    case when is_closed_from_the_first then 'now' else 'period' end as status_means,
    case when is_closed_from_the_first then end_reason else coalesce(closing_reason, end_reason) end as end_reason,
    updated_at,
    delivery_number
from version_periods
-- what a list announced and the next one lacks never began
where is_closed_from_the_first or held_until is null or held_until >= version_started_on
