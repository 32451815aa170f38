-- What a person should know before trusting the numbers: one row per doubt, with the customers and the MRR that it is
-- about and what to write. The refresh shows each as a warning.
with unknown_ends as (
    select count(distinct customer_id) as customers, sum(monthly_amount) as mrr
    from {{ ref('int_counting_rows') }}
    where is_inactive_since_unknown and exists_yet
),

-- subscriptions of which no row counts, because nothing says whether a status is of today or of the row's own time
never_active_subscriptions as (
    select count(distinct customer_id) as customers, sum(mrr) as mrr
    from (
        select customer_id, subscription_id, max(monthly_amount) as mrr
        from {{ ref('int_subscription_amounts') }}
        where started_on <= {{ as_of() }}
        group by customer_id, subscription_id
        having bool_and(is_taken_for_inactive_throughout) and max(monthly_amount) > 0
    ) as subscriptions
),

-- subscriptions that count as free, or as monthly, because nothing says otherwise
lacking_terms as (
    select
        count(distinct case when lacks_price then customer_id end) as customers_without_price,
        count(distinct case when lacks_interval and unit_price > 0 then customer_id end) as customers_without_interval,
        sum(case when lacks_interval then unit_price * cast(quantity as decimal(38, 6)) end) as price_without_interval
    from {{ ref('int_subscription_rows') }}
    where has_paying_status and started_on <= {{ as_of() }}
),

-- ends up to as_of of each customer, and whether a row of theirs starts on the next day
ends as (
    select
        rows.customer_id,
        rows.monthly_amount,
        exists(
            select 1
            from {{ ref('int_counting_rows') }} as following
            where following.customer_id = rows.customer_id
                and following.row_started_on = {{ add_days('rows.ended_on', 1) }}
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
),

lists as (
    select
        loads.load_id,
        loads.source,
        snapshots.snapshot_on,
        coalesce(loads.status_means = 'now', false) as states_ends
    from {{ source('raw', 'snapshots') }} as snapshots
    inner join {{ source('raw', 'loads') }} as loads using (table_name, source, content_hash)
    where snapshots.table_name = 'billing.subscriptions'
),

list_days as (
    select source, snapshot_on as newest_on, before_on
    from (
        select
            source,
            snapshot_on,
            lag(snapshot_on) over by_day as before_on,
            lead(snapshot_on) over by_day is null as is_newest
        from (select distinct source, snapshot_on from lists) as days
        window by_day as (partition by source order by snapshot_on)
    ) as neighbours
    where is_newest
),

first_listings as (
    select
        lists.source,
        rows.subscription_id,
        min(lists.snapshot_on) as first_listed_on,
        min(rows.started_on) as started_on,
        bool_or(lists.states_ends) as states_ends
    from {{ ref('base_billing__subscriptions') }} as rows
    inner join lists using (load_id)
    group by lists.source, rows.subscription_id
),

-- new in the newest list, and begun before a list that lacks them
late_listings as (
    select
        list_days.newest_on,
        list_days.before_on,
        count(distinct rows.customer_id) as customers,
        sum(rows.monthly_amount) as mrr
    from first_listings
    inner join list_days
        on list_days.source = first_listings.source
        and list_days.newest_on = first_listings.first_listed_on
        and list_days.before_on >= first_listings.started_on
        -- what is drawn from a system during the day lacks what starts later on it
        and not (first_listings.states_ends and list_days.before_on = first_listings.started_on)
    inner join {{ ref('int_counting_rows') }} as rows on rows.subscription_id = first_listings.subscription_id
    where rows.exists_yet
    group by list_days.newest_on, list_days.before_on
),

-- of each list, rows on other terms than the last one of their subscription, which alone counts there
ignored_rows as (
    select source, snapshot_on, count(distinct customer_id) as customers, sum(unit_price * quantity) as price
    from (
        select
            lists.source,
            lists.snapshot_on,
            listed.customer_id,
            listed.unit_price,
            listed.quantity,
            {% for column in ['started_on', 'plan_id', 'unit_price', 'quantity'] %}
            (listed.{{ column }} is distinct from first_value(listed.{{ column }}) over last_first)
            {{- ' or' if not loop.last }}
            {% endfor %} as is_on_other_terms
        from {{ ref('base_billing__subscriptions') }} as listed
        inner join lists using (load_id)
        where listed.row_outcome = 'loaded' or listed.fault = 'superseded_in_file'
        window last_first as (
            partition by lists.source, lists.snapshot_on, listed.subscription_id
            order by case when listed.row_outcome = 'loaded' then 0 else 1 end, listed.delivery_number desc
        )
    ) as rows_of_lists
    where is_on_other_terms
    group by source, snapshot_on
),

several_in_list as (
    select count(*) as lists, min(snapshot_on) as first_on, max(customers) as customers, max(price) as price
    from ignored_rows
),

-- by table, whose rows of the quarantine are in no number, and what of their money can be read
quarantined_rows as (
    {% for table, amount in {
        'subscriptions': 'unit_price', 'subscription_events': 'unit_price', 'invoices': 'amount',
        'invoice_lines': 'amount',
        'payments': 'amount', 'refunds': 'amount',
    }.items() %}
    select
        'billing.{{ table }}' as table_name,
        '{{ amount }}' as amount_name,
        count(*) as delivered_rows,
        count(distinct customer_id) as customers,
        sum({{ amount }}) as amount
    from {{ ref('base_billing__' ~ table) }}
    where row_outcome = 'quarantined' and is_current
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    'inactive without a day' as doubt,
    customers,
    mrr,
    'CRITICAL: billing.subscriptions: ' || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR '
        || cast({{ money('mrr') }} as {{ dbt.type_string() }})
        || ' are inactive by their status, and no column says since when: they count as lost on the day for which that'
        || ' was first loaded. Map inactive_on (or ended_on) to the day on which service ended; if the status held for'
        || ' the whole row, write status_means: period.' as message
from unknown_ends
where customers > 0

union all

select
    'inactive throughout' as doubt,
    customers,
    mrr,
    'CRITICAL: billing.subscriptions: ' || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR '
        || cast({{ money('mrr') }} as {{ dbt.type_string() }})
        || ' have subscriptions whose every row has an inactive status, so that none of them counts: subscription ids'
        || ' repeat, which is read as a row per state. If the status is that of today, write status_means: now; if it'
        || ' is that of each row, status_means: period.' as message
from never_active_subscriptions
where customers > 0

union all

select
    'without a price' as doubt,
    customers_without_price,
    cast(null as decimal(18, 2)),
    'billing.subscriptions: ' || cast(customers_without_price as {{ dbt.type_string() }}) || ' customers have'
        || ' subscriptions of which neither unit_price nor the price of their plan is known: they count as free, so'
        || ' neither as customers nor in any revenue, unless count_free_plans is true. Map unit_price, or deliver'
        || ' billing.plans with prices; what metered and tiered prices bring is on the invoices.' as message
from lacking_terms
where customers_without_price > 0 and not {{ var('count_free_plans') }}

union all

select
    'without an interval' as doubt,
    customers_without_interval,
    price_without_interval,
    'billing.subscriptions: ' || cast(customers_without_interval as {{ dbt.type_string() }}) || ' customers have'
        || ' subscriptions on plans that billing.plans lacks, and no interval of their own: their prices ('
        || cast(cast(price_without_interval as decimal(38, 2)) as {{ dbt.type_string() }})
        || ' in all) count as monthly. Deliver all plans, also those that are not sold any more, or map interval.'
            as message
from lacking_terms
where customers_without_interval > 0

union all

select
    'starts on the day after an end' as doubt,
    customers,
    mrr,
    'billing.subscriptions: ' || cast(followed_ends as {{ dbt.type_string() }}) || ' of '
        || cast(all_ends as {{ dbt.type_string() }})
        || ' ends are followed by a start of the same customer on the next day ('
        || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR '
        || cast({{ money('mrr') }} as {{ dbt.type_string() }})
        || '): ended_on probably holds the last day of service, and each renewal counts as a loss. If so, write'
        || ' ended_on: {from: …, inclusive: true}.' as message
from next_day_starts
where followed_ends * 5 >= all_ends and followed_ends > 0

union all

select
    'listed late' as doubt,
    customers,
    mrr,
    'billing.subscriptions: ' || cast(customers as {{ dbt.type_string() }}) || ' customers with MRR '
        || cast({{ money('mrr') }} as {{ dbt.type_string() }}) || ' in the list of '
        || cast(newest_on as {{ dbt.type_string() }})
        || ' have subscriptions that started on or before ' || cast(before_on as {{ dbt.type_string() }})
        || ' by their own account, and the list of that day lacks them: months that were closed are restated. If the'
        || ' day is that of another event, map another column to started_on.' as message
from late_listings

union all

select
    'several rows in one list' as doubt,
    customers,
    price,
    'billing.subscriptions: in ' || cast(lists as {{ dbt.type_string() }}) || ' lists (the first is of '
        || cast(first_on as {{ dbt.type_string() }}) || ') up to ' || cast(customers as {{ dbt.type_string() }})
        || ' customers have several rows with one subscription_id, of which only the last counts'
        || coalesce(
            '; prices of up to ' || cast({{ money('price') }} as {{ dbt.type_string() }}) || ' are left out', ''
        )
        || '. If they are several subscriptions, write subscription_id: [ …, … ] with the column that tells them'
        || ' apart.' as message
from several_in_list
where lists > 0

union all

select
    'quarantined ' || table_name as doubt,
    customers,
    amount,
    table_name || ': ' || cast(delivered_rows as {{ dbt.type_string() }}) || ' rows that cannot be used, of '
        || cast(customers as {{ dbt.type_string() }}) || ' known customers'
        || coalesce(
            ' and with ' || amount_name || ' ' || cast({{ money('amount') }} as {{ dbt.type_string() }})
            || ' as far as it can be read', ''
        )
        || ', are in no number: restricted.quarantine in private.duckdb has file, row and reason. Correct them and'
        || ' deliver the file again.' as message
from quarantined_rows
where delivered_rows > 0
