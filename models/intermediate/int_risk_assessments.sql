{{ config(by='customer_id') }}
-- Each customer who is active at the opening of an assessment.
select
    assessments.assessed_on,
    assessments.is_current,
    spells.customer_id,
    spells.spell_number,
    spells.scheduled_end_on,
    -- whether the spell that runs at the opening ends within the 90 days from it
    coalesce(spells.ended_on < {{ add_days('assessments.assessed_on', 90) }}, false) as is_lost_within_90d
from {{ ref('int_assessments') }} as assessments
inner join {{ ref('fct_customer_spells') }} as spells
    on {{ active_at_opening('spells', 'assessments.assessed_on') }}
