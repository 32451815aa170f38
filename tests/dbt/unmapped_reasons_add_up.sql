-- Σ of the counts of unmapped texts = the ends of spells whose reason is unmapped.
with texts as (
    select coalesce(sum(count), 0) as ends from {{ ref('unmapped_reasons') }}
),

spells as (
    select count(*) as ends from {{ ref('fct_customer_spells') }} where reason_code = 'unmapped'
)

select texts.ends, spells.ends as spell_ends
from texts
cross join spells
where texts.ends <> spells.ends
