{{ config(by='card_id', tells=['customer_id']) }}
-- Ids that stand for another customer, and the customer at the end: ids of other systems for the one they name, then
-- merged cards for the one they were merged into.
with cards as (
    select
        cards.customer_id as delivered_id,
        coalesce(card_ids.customer_id, cards.customer_id) as from_id,
        coalesce(target_ids.customer_id, cards.merged_into) as to_id
    from {{ ref('stg_crm__customers') }} as cards
    left join {{ ref('int_customer_ids') }} as card_ids on card_ids.source_id = cards.customer_id
    left join {{ ref('int_customer_ids') }} as target_ids on target_ids.source_id = cards.merged_into
    where cards.merged_into is not null
),

-- a customer's own card says more than that of another system
links as (
    select from_id, to_id
    from (
        select
            from_id,
            to_id,
            row_number() over (partition by from_id order by delivered_id = from_id desc, delivered_id) as precedence
        from cards
        where from_id <> to_id
    ) as merged_cards
    where precedence = 1
),

{{ chain_ends('links') }}

select from_id as card_id, to_id as customer_id
from chain_ends
where not exists (
    select 1 from {{ ref('int_customer_ids') }} as ids where ids.source_id = chain_ends.from_id
)

union all

select ids.source_id, coalesce(chain_ends.to_id, ids.customer_id)
from {{ ref('int_customer_ids') }} as ids
left join chain_ends on chain_ends.from_id = ids.customer_id
