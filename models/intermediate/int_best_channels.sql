-- The one channel on which to write to a customer: the preferred one where it reaches the customer, else the one with
-- most replies so far, else the first in our order. Customers whom nothing reaches have no row.
with replies as (
    select customer_id, channel, count(*) as replies
    from {{ ref('int_outreach') }}
    where is_replied
    group by customer_id, channel
),

ranked_channels as (
    select
        channels.customer_id,
        channels.channel,
        channels.address,
        row_number() over (
            partition by channels.customer_id
            order by
                case when channels.channel = customers.preferred_channel then 0 else 1 end,
                coalesce(replies.replies, 0) desc,
                channels.channel_order
        ) as preference
    from {{ ref('int_contact_channels') }} as channels
    inner join {{ ref('int_customers') }} as customers using (customer_id)
    left join replies using (customer_id, channel)
)

select customer_id, channel, address
from ranked_channels
where preference = 1
