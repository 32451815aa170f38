-- Merged cards and the customer at the end of their chain. Each pass doubles the length that is followed,
-- so six passes reach the end of 64 merges; cards merged in a circle have no end and stay customers of their own.
with links as (
    select customer_id as card_id, merged_into as customer_id
    from {{ ref('stg_crm__customers') }}
    where merged_into is not null and merged_into <> customer_id
),

hops_0 as (select card_id, customer_id from links),

{% for pass in range(6) %}
hops_{{ pass + 1 }} as (
    select near.card_id, coalesce(far.customer_id, near.customer_id) as customer_id
    from hops_{{ pass }} as near
    left join hops_{{ pass }} as far on far.card_id = near.customer_id
),
{% endfor %}

ends as (
    select hops_6.card_id, hops_6.customer_id
    from hops_6
    left join links on links.card_id = hops_6.customer_id
    where links.card_id is null
)

select card_id, customer_id from ends
