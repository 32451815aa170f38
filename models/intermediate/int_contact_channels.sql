-- The channels on which a customer can be reached, one row each, with the address. Personal: never leaves the private
-- databases. E-mail addresses hold an @, phone numbers at least five digits. A messenger counts as Viber; so does the
-- phone of a customer who prefers Viber and names no messenger. `channel_order` is the order in which we would try
-- them.
with cards as (
    select
        customer_id,
        preferred_channel,
        case when email like '%_@_%' then {{ trimmed('email') }} end as email,
        case
            when length(phone) - length(translate(phone, '0123456789', '')) >= 5 then {{ trimmed('phone') }}
        end as phone,
        nullif({{ trimmed('messaging') }}, '') as messaging
    from {{ ref('int_customer_cards') }}
),

addresses as (
    select customer_id, 'sms' as channel, 1 as channel_order, phone as address from cards
    union all
    select customer_id, 'email', 2, email from cards
    union all
    select customer_id, 'viber', 3, coalesce(messaging, case when preferred_channel = 'viber' then phone end) from cards
    union all
    select customer_id, 'voice', 4, phone from cards
)

select customer_id, channel, channel_order, address
from addresses
where address is not null
