{{ config(by='customer_id') }}
-- The complaint that stands before the end of a spell: the latest one opened in the 180 days before it.
with complaints_before as (
    select
        spells.customer_id,
        spells.spell_number,
        complaints.severity,
        complaints.opened_at,
        complaints.first_response_at,
        row_number() over (
            partition by spells.customer_id, spells.spell_number
            order by complaints.opened_at desc, complaints.case_id desc
        ) as recency
    from {{ ref('int_customer_spells') }} as spells
    inner join {{ ref('int_complaints') }} as complaints
        on complaints.customer_id = spells.customer_id
        and complaints.opened_on >= {{ add_days('spells.ended_on', -180) }}
        and complaints.opened_on < spells.ended_on
)

select customer_id, spell_number, severity, opened_at, first_response_at
from complaints_before
where recency = 1
