{{ config(by='customer_id') }}
-- Whether who complained was lost within 90 days: one row per customer and day of complaint, if the customer was active
-- on that day (at the opening of the next one) and the 90 days that follow it are over.
with complaint_days as (
    select distinct customer_id, opened_on, {{ add_days('opened_on', 1) }} as watched_from
    from {{ ref('int_complaints') }}
    where {{ add_days('opened_on', 90) }} <= {{ as_of() }}
)

select
    complaint_days.customer_id,
    complaint_days.opened_on,
    coalesce(spells.ended_on < {{ add_days('complaint_days.watched_from', 90) }}, false) as is_lost
from complaint_days
inner join {{ ref('int_customer_spells') }} as spells
    on spells.customer_id = complaint_days.customer_id
        and {{ active_at_opening('spells', 'complaint_days.watched_from') }}
