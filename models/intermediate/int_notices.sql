-- Ends of subscription rows with the day on which billing last wrote the row: from then on the end was known.
select
    coalesce(merges.customer_id, subscriptions.customer_id) as customer_id,
    subscriptions.ended_on,
    cast(subscriptions.updated_at as date) as noted_on
from {{ ref('stg_billing__subscriptions') }} as subscriptions
left join {{ ref('int_customer_merges') }} as merges on merges.card_id = subscriptions.customer_id
where subscriptions.ended_on is not null and subscriptions.updated_at is not null
