{{ config(by='customer_id') }}
-- Monthly amounts by the days for which they run. A gap inside a spell, which grace_days bridges, carries the amount of
-- the last opening before it.
with priced_rows as (
    select rows.customer_id, rows.started_on, rows.ended_on, rows.monthly_amount
    from {{ ref('int_counting_rows') }} as rows
    inner join {{ ref('int_customers') }} as customers using (customer_id)
    where rows.exists_yet
        and customers.activity_basis = 'subscription'
        and (rows.ended_on is null or rows.ended_on > rows.started_on)
),

-- what runs up to each end, and since when at the earliest
closings as (
    select
        customer_id,
        coalesce(ended_on, {{ far_future() }}) as ended_on,
        sum(monthly_amount) as monthly_amount,
        min(started_on) as started_on
    from priced_rows
    group by customer_id, coalesce(ended_on, {{ far_future() }})
),

-- what ended is resumed by the earliest start of the rows that end later
reach as (
    select
        customer_id,
        ended_on as gap_starts_on,
        monthly_amount,
        min(started_on) over (
            partition by customer_id order by ended_on desc rows between unbounded preceding and 1 preceding
        ) as resumes_on
    from closings
),

spells as (
    select customer_id, started_on, coalesce(ended_on, {{ far_future() }}) as ended_on
    from {{ ref('int_customer_spells') }}
),

carried_amounts as (
    select
        reach.customer_id,
        reach.gap_starts_on as started_on,
        least(coalesce(reach.resumes_on, spells.ended_on), spells.ended_on) as ended_on,
        reach.monthly_amount
    from reach
    inner join spells
        on spells.customer_id = reach.customer_id
        and spells.started_on < reach.gap_starts_on
        and spells.ended_on > reach.gap_starts_on
    where reach.resumes_on is null or reach.resumes_on > reach.gap_starts_on
)

select customer_id, started_on, ended_on, monthly_amount from priced_rows
union all
select customer_id, started_on, ended_on, monthly_amount from carried_amounts
