-- Whom we may write to, and where: the lost customers with consent and a reachable channel.
select
    lost.customer_id,
    cards.name,
    channels.channel,
    channels.address,
    customers.country,
    lost.reason_code,
    reasons.reason,
    lost.lost_on,
    lost.last_purchase_on,
    lost.sales_last_365_days,
    lost.expected_recoverable_sales,
    lost.win_back_rank
from {{ ref('lost_customers') }} as lost
inner join {{ ref('int_best_channels') }} as channels using (customer_id)
inner join {{ ref('int_customers') }} as customers using (customer_id)
inner join {{ ref('int_customer_cards') }} as cards using (customer_id)
inner join {{ ref('int_churn_reasons') }} as reasons using (reason_code)
where lost.contact_allowed
