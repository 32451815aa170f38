-- What a person should know before trusting the numbers: one row per doubt, with the customers and the MRR that it is about
-- and what to write. The refresh shows each as a warning.
with unknown_ends as (
    select count(distinct customer_id) as customers, sum(monthly_amount) as mrr
    from {{ ref('int_counting_rows') }}
    where is_inactive_since_unknown and exists_yet
),

-- subscriptions of which no row counts, because nothing says whether a status is of today or of the row's own time
never_active as (
    select count(distinct customer_id) as customers, sum(mrr) as mrr
    from (
        select customer_id, subscription_id, max(monthly_amount) as mrr
        from {{ ref('int_subscription_amounts') }}
        where started_on <= {{ as_of() }}
        group by customer_id, subscription_id
        having bool_and(is_taken_for_inactive_throughout) and max(monthly_amount) > 0
    ) as subscriptions
),

-- ends up to as_of of each customer, and whether a row of theirs starts on the next day
ends as (
    select
        rows.customer_id,
        rows.monthly_amount,
        exists (
            select 1
            from {{ ref('int_counting_rows') }} as following
            where following.customer_id = rows.customer_id and following.row_started_on = {{ add_days('rows.ended_on', 1) }}
        ) as is_followed_next_day
    from {{ ref('int_counting_rows') }} as rows
    where rows.exists_yet and rows.ended_on is not null
),

next_day_starts as (
    select
        count(*) as all_ends,
        count(*) filter (where is_followed_next_day) as followed_ends,
        count(distinct case when is_followed_next_day then customer_id end) as customers,
        sum(case when is_followed_next_day then monthly_amount end) as mrr
    from ends
)

select
    'inactive without a day' as doubt,
    customers,
    mrr,
    'CRITICAL: billing.subscriptions: ' || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR '
        || cast({{ money('mrr') }} as {{ dbt.type_string() }})
        || ' are inactive by their status, and no column says since when: they count as lost on the day for which that was'
        || ' first loaded. Map inactive_on (or ended_on) to the day on which service ended; if the status held for the'
        || ' whole row, write status_means: period.' as message
from unknown_ends
where customers > 0

union all

select
    'inactive throughout' as doubt,
    customers,
    mrr,
    'CRITICAL: billing.subscriptions: ' || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR '
        || cast({{ money('mrr') }} as {{ dbt.type_string() }})
        || ' have subscriptions whose every row has an inactive status, so that none of them counts: subscription ids repeat,'
        || ' which is read as a row per state. If the status is that of today, write status_means: now; if it is that of'
        || ' each row, status_means: period.' as message
from never_active
where customers > 0

union all

select
    'starts on the day after an end' as doubt,
    customers,
    mrr,
    'billing.subscriptions: ' || cast(followed_ends as {{ dbt.type_string() }}) || ' of '
        || cast(all_ends as {{ dbt.type_string() }}) || ' ends are followed by a start of the same customer on the next day ('
        || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR ' || cast({{ money('mrr') }} as {{ dbt.type_string() }})
        || '): ended_on probably holds the last day of service, and each renewal counts as a loss. If so, write'
        || ' ended_on: {from: …, inclusive: true}.' as message
from next_day_starts
where followed_ends * 5 >= all_ends and followed_ends > 0
