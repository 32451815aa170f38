{{ config(by='customer_id') }}
-- One row per maximal stretch of days in which a customer is active, with the reason for which it ended.
with running_rows as (
    select customer_id, count(*) = count(scheduled_end_on) as all_scheduled, max(scheduled_end_on) as latest_end_on
    from {{ ref('int_counting_rows') }}
    where exists_yet and ended_on is null
    group by customer_id
),

-- a later row that starts by then and lasts longer makes the end a change of terms
scheduled_ends as (
    select running_rows.customer_id, running_rows.latest_end_on as scheduled_end_on
    from running_rows
    where running_rows.all_scheduled
        and not exists (
            select 1
            from {{ ref('int_counting_rows') }} as following
            where following.customer_id = running_rows.customer_id
                and not following.exists_yet
                and following.started_on <= running_rows.latest_end_on
                and (following.scheduled_end_on is null or following.scheduled_end_on > running_rows.latest_end_on)
        )
)

select
    spells.customer_id,
    spells.spell_number,
    spells.started_on,
    spells.ended_on,
    case
        when spells.ended_on is null and customers.activity_basis = 'subscription' then scheduled_ends.scheduled_end_on
    end as scheduled_end_on,
    cast(
        {{ days_between('spells.started_on', 'coalesce(spells.ended_on, ' ~ add_days(as_of(), 1) ~ ')') }} as integer
    ) as tenure_days,
    customers.activity_basis,
    reasons.reason_code,
    reasons.nature,
    reasons.control,
    spells.ended_on is null as is_open,
    reasons.is_interviewed
from {{ ref('int_customer_spells') }} as spells
inner join {{ ref('int_customers') }} as customers using (customer_id)
left join scheduled_ends using (customer_id)
left join {{ ref('int_spell_end_reasons') }} as reasons using (customer_id, spell_number)
