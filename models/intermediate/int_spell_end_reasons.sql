{{ config(by='customer_id') }}
-- Why each ended spell ended: the latest note of the farewell interview, else what the billing system says of the row
-- that ended with it, else nobody asked.
with spells as (
    select
        customer_id,
        spell_number,
        started_on,
        ended_on,
        -- a zero-day spell was active on its day
        greatest({{ add_days('ended_on', -1) }}, started_on) as last_active_on,
        lead(started_on) over (partition by customer_id order by spell_number) as returned_on
    from {{ ref('int_customer_spells') }}
),

spell_ends as (
    select * from spells where ended_on is not null
),

notes as (
    select customer_id, spell_number, reason_text
    from (
        select
            spell_ends.customer_id,
            spell_ends.spell_number,
            departures.reason as reason_text,
            row_number() over (
                partition by spell_ends.customer_id, spell_ends.spell_number
                order by departures.noted_at desc, departures.departure_id desc
            ) as recency
        from spell_ends
        inner join {{ ref('int_departures') }} as departures
            on departures.customer_id = spell_ends.customer_id
            and departures.noted_on >= spell_ends.started_on
            and departures.noted_on >= {{ add_days('spell_ends.last_active_on', '-' ~ var('reason_window_days')) }}
            and (spell_ends.returned_on is null or departures.noted_on < spell_ends.returned_on)
    ) as notes_of_spells
    where recency = 1
),

billing_reasons as (
    select customer_id, spell_number, reason_text
    from (
        select
            spell_ends.customer_id,
            spell_ends.spell_number,
            counting.end_reason as reason_text,
            row_number() over (
                partition by spell_ends.customer_id, spell_ends.spell_number
                order by counting.row_started_on desc, counting.subscription_id desc
            ) as recency
        from spell_ends
        inner join {{ ref('int_customers') }} as customers
            on customers.customer_id = spell_ends.customer_id and customers.activity_basis = 'subscription'
        inner join {{ ref('int_counting_rows') }} as counting
            on counting.customer_id = spell_ends.customer_id
            and counting.ended_on = spell_ends.ended_on
            and counting.exists_yet
        where counting.end_reason is not null
    ) as reasons_of_rows
    where recency = 1
)

select
    spell_ends.customer_id,
    spell_ends.spell_number,
    notes.reason_text is not null as is_interviewed,
    coalesce(texts.reason_code, 'not_asked') as reason_code,
    coalesce(reasons.control, 'unknown') as control,
    coalesce(reasons.nature, 'unknown') as nature,
    texts.normalised as normalised_reason,
    texts.reason_text
from spell_ends
left join notes using (customer_id, spell_number)
left join billing_reasons using (customer_id, spell_number)
left join {{ ref('int_reason_texts') }} as texts
    on texts.reason_text = coalesce(notes.reason_text, billing_reasons.reason_text)
left join {{ ref('int_churn_reasons') }} as reasons on reasons.reason_code = coalesce(texts.reason_code, 'not_asked')
