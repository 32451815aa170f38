{{ config(by='customer_id') }}
-- The card of each customer who has one: the customer's own, else the newest of those under ids that stand for the
-- customer. It counts whole, so that consent and address are always of one card. Personal.
with cards as (
    select
        cards.*,
        coalesce(merged_cards.customer_id, cards.customer_id) as owner_id,
        merged_cards.customer_id is null as is_own
    from {{ ref('stg_crm__customers') }} as cards
    left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = cards.customer_id
),

ranked_cards as (
    select
        *,
        row_number() over (
            partition by owner_id order by is_own desc, updated_at desc nulls last, customer_id
        ) as precedence
    from cards
)

select
    owner_id as customer_id,
    created_at,
    name,
    email,
    phone,
    messaging,
    preferred_channel,
    contact_allowed,
    country,
    segment,
    acquisition_channel,
    account_manager_id,
    raw_row
from ranked_cards
where precedence = 1
