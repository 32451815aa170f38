{{ config(by='subscription_id') }}
-- Since when a subscription row is inactive, as far as the deliveries tell: as_of of the refresh that first loaded it
-- so. A row that was active in between is asked from then on.
with versions as (
    select
        subscription_id,
        started_on,
        seen_as_of,
        {{ inactive('status') }} as is_inactive,
        row_number() over (
            partition by subscription_id, started_on order by updated_at desc nulls last, delivery_number desc
        ) as newness
    from {{ ref('base_billing__subscriptions') }}
    where row_outcome = 'loaded' and not is_history
),

last_active as (
    select subscription_id, started_on, min(newness) as newness
    from versions
    where not is_inactive
    group by subscription_id, started_on
)

select versions.subscription_id, versions.started_on, min(versions.seen_as_of) as inactive_since
from versions
left join last_active using (subscription_id, started_on)
where versions.is_inactive and (last_active.newness is null or versions.newness < last_active.newness)
group by versions.subscription_id, versions.started_on
