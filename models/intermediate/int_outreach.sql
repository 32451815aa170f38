{{ config(by='customer_id') }}
-- Messages sent by as_of, under the customer that the card belongs to; a reply after as_of is not known yet.
select
    outreach.outreach_id,
    coalesce(merged_cards.customer_id, outreach.customer_id) as customer_id,
    outreach.sent_at,
    cast(outreach.sent_at as date) as sent_on,
    {{ lowered(trimmed('outreach.channel')) }} as channel,
    coalesce(nullif({{ trimmed('outreach.campaign') }}, ''), '(unknown)') as campaign,
    coalesce(cast(outreach.replied_at as date) <= {{ as_of() }}, false) as is_replied
from {{ ref('stg_crm__outreach') }} as outreach
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = outreach.customer_id
where cast(outreach.sent_at as date) <= {{ as_of() }}
