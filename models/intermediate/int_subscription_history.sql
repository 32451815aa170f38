-- Lists of subscriptions as they were on several days, turned into periods on the same terms: a change of terms closes
-- a row on the list's day and opens the next, and so does a list that lacks the subscription.
with lists as (
    select loads.load_id, loads.source, snapshots.snapshot_on
    from {{ source('raw', 'snapshots') }} as snapshots
    inner join {{ source('raw', 'loads') }} as loads using (table_name, source, content_hash)
    where snapshots.table_name = 'billing.subscriptions' and snapshots.snapshot_on <= {{ as_of() }}
),

listed_days as (
    select source, snapshot_on, lead(snapshot_on) over (partition by source order by snapshot_on) as next_on
    from (select distinct source, snapshot_on from lists) as days
),

-- of several rows of a subscription in one list, the last
listed as (
    select *
    from (
        select
            delivered.*,
            lists.snapshot_on,
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

compared as (
    select
        listed.*,
        listed_days.next_on,
        lag(listed_days.next_on) over versions = listed.snapshot_on as was_listed_before,
        lag(listed_days.next_on) over versions is null as is_first,
        {% for column in [
            'plan_id', 'quantity', 'unit_price', 'discount_rate', 'discount_amount', 'interval', 'interval_count',
            'currency', 'status'
        ] %}
        ({{ adapter.quote(column) }} is not distinct from lag({{ adapter.quote(column) }}) over versions)
        {{- ' and' if not loop.last }}
        {% endfor %} as has_same_terms
    from listed
    inner join listed_days using (source, snapshot_on)
    window versions as (partition by listed.source, listed.subscription_id order by listed.snapshot_on)
),

numbered as (
    select
        *,
        sum(case when was_listed_before and has_same_terms then 0 else 1 end) over (
            partition by source, subscription_id order by snapshot_on rows between unbounded preceding and current row
        ) as version_number
    from compared
),

-- a version as its last list has it
versions as (
    select
        *,
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
    from numbered
)

select
    source,
    subscription_id,
    version_started_on as started_on,
    customer_id,
    plan_id,
    -- next_on: the list that has other terms or lacks the subscription; none while the newest list has it
    case when next_on is null or ended_on <= next_on then ended_on else next_on end as ended_on,
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
    end_reason,
    updated_at,
    delivery_number
from versions
where lists_until_last = 1
    -- what a list announced and the next one lacks never began
    and (next_on is null or next_on >= version_started_on)
