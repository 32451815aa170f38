-- What the status of the rows of each table of subscriptions means, as declared or, where it is not, as its ids tell.
select
    source,
    max(status_means) is null as is_undeclared,
    coalesce(
        max(status_means),
        -- ids that repeat: a row per state, each with the status of its time
        case when max(rows_of_id) > 1 then 'period' else 'now' end
    ) as status_means
from (
    select source, status_means, count(*) over (partition by source, subscription_id) as rows_of_id
    from {{ ref('stg_billing__subscriptions') }}
) as counted
group by source
