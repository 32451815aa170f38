-- The mailing list holds lost customers only, each with consent and on the channel that the mart names.
select contacts.customer_id
from {{ ref('win_back_contacts') }} as contacts
left join {{ ref('lost_customers') }} as lost using (customer_id)
where not coalesce(lost.contact_allowed and lost.best_channel = contacts.channel, false)
