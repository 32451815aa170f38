{#- What the messages to lost customers brought. A customer counts once a campaign and channel, from its first
    message. -#}
{% set horizons = [30, 90, 365] %}

with contacts as (
    select
        customer_id,
        campaign,
        channel,
        min(sent_at) as contacted_at,
        min(sent_on) as contacted_on,
        max(case when is_replied then 1 else 0 end) = 1 as is_replied
    from {{ ref('int_outreach') }}
    group by customer_id, campaign, channel
),

-- who was lost at the opening of the day of contact: an earlier spell, and none that covers the day
lost_contacts as (
    select
        contacts.customer_id,
        contacts.campaign,
        contacts.channel,
        contacts.contacted_on,
        min(case when spells.started_on >= contacts.contacted_on then spells.started_on end) as returned_on
    from contacts
    inner join {{ ref('int_customer_spells') }} as spells using (customer_id)
    group by contacts.customer_id, contacts.campaign, contacts.channel, contacts.contacted_on
    having min(spells.started_on) < contacts.contacted_on
        and max(case when {{ active_at_opening('spells', 'contacts.contacted_on') }} then 1 else 0 end) = 0
),

reasons_from_contacts as (
    select distinct contacts.customer_id, contacts.campaign, contacts.channel
    from contacts
    inner join {{ ref('int_departures') }} as notes
        on notes.customer_id = contacts.customer_id and notes.noted_at >= contacts.contacted_at
),

recovered_revenue as (
    select lost_contacts.campaign, lost_contacts.channel, sum(invoices.amount) as revenue
    from lost_contacts
    inner join {{ ref('int_invoices') }} as invoices
        on invoices.customer_id = lost_contacts.customer_id
        and invoices.issued_on >= lost_contacts.returned_on
        and invoices.issued_on <= {{ add_days('lost_contacts.contacted_on', 365) }}
    group by lost_contacts.campaign, lost_contacts.channel
),

contact_counts as (
    select
        contacts.campaign,
        contacts.channel,
        count(*) as contacted,
        count(case when contacts.is_replied then 1 end) as replied,
        count(reasons_from_contacts.customer_id) as reasons_learnt,
        count(lost_contacts.customer_id) as contacted_lost
        {%- for days in horizons %},
        count(case
            when {{ add_days('lost_contacts.contacted_on', days) }} <= {{ as_of() }} then 1
        end) as observed_{{ days }}d,
        count(case
            when {{ add_days('lost_contacts.contacted_on', days) }} <= {{ as_of() }}
                and lost_contacts.returned_on <= {{ add_days('lost_contacts.contacted_on', days) }} then 1
        end) as returned_{{ days }}d
        {%- endfor %}
    from contacts
    left join lost_contacts using (customer_id, campaign, channel)
    left join reasons_from_contacts using (customer_id, campaign, channel)
    group by contacts.campaign, contacts.channel
)

select
    contact_counts.campaign,
    contact_counts.channel,
    contact_counts.contacted,
    contact_counts.replied,
    contact_counts.reasons_learnt,
    contact_counts.contacted_lost
    {%- for days in horizons %},
    contact_counts.observed_{{ days }}d,
    contact_counts.returned_{{ days }}d,
    {{ safe_divide('contact_counts.returned_' ~ days ~ 'd', 'contact_counts.observed_' ~ days ~ 'd') }}
        as return_rate_{{ days }}d
    {%- endfor %},
    {{ money('coalesce(recovered_revenue.revenue, 0)') }} as revenue_recovered
from contact_counts
left join recovered_revenue using (campaign, channel)
