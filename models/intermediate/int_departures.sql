{{ config(by='customer_id') }}
-- Notes on the client card by as_of, under the customer that the card belongs to.
select
    departures.departure_id,
    coalesce(merged_cards.customer_id, departures.customer_id) as customer_id,
    departures.noted_at,
    cast(departures.noted_at as date) as noted_on,
    departures.reason
from {{ ref('stg_crm__departures') }} as departures
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = departures.customer_id
where cast(departures.noted_at as date) <= {{ as_of() }}
