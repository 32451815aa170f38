{{ config(by='customer_id') }}
-- Who had given notice at a past assessment, as far as billing had written it down by then: every row that ran had its
-- end in it, and no row was to follow. An end that was written later, or nobody knows when, was not known.
with subscription_rows as (
    select
        rows.customer_id,
        rows.started_on,
        coalesce(rows.ended_on, rows.scheduled_end_on) as ends_on,
        rows.written_on
    from {{ ref('int_counting_rows') }} as rows
    inner join {{ ref('int_customers') }} as customers
        on customers.customer_id = rows.customer_id and customers.activity_basis = 'subscription'
),

known_ends as (
    select assessments.assessed_on, rows.customer_id, max(rows.ends_on) as latest_end_on
    from {{ ref('int_assessments') }} as assessments
    inner join subscription_rows as rows
        on rows.started_on < assessments.assessed_on
        and rows.ends_on >= assessments.assessed_on
        and rows.written_on < assessments.assessed_on
    where not assessments.is_current
    group by assessments.assessed_on, rows.customer_id
)
,

staying_customers as (
    select distinct known_ends.assessed_on, known_ends.customer_id
    from known_ends
    inner join subscription_rows as other using (customer_id)
    where case
        when other.started_on < known_ends.assessed_on then
            -- runs on, as far as was known
            other.ends_on is null
            or (
                other.ends_on >= known_ends.assessed_on
                and coalesce(other.written_on >= known_ends.assessed_on, true)
            )
        -- follows, and lasts longer
        else other.started_on <= known_ends.latest_end_on
            and (other.ends_on is null or other.ends_on > known_ends.latest_end_on)
            and other.written_on < known_ends.assessed_on
    end
)

select known_ends.assessed_on, known_ends.customer_id
from known_ends
left join staying_customers using (assessed_on, customer_id)
where staying_customers.customer_id is null
