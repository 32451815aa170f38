{{ config(by='customer_id') }}
-- Every customer once: those who have a card, be it under an id that stands for them, and those that only billing knows
-- by as_of.
with mentioned_ids as (
    select customer_id from {{ ref('stg_billing__subscriptions') }} where started_on <= {{ as_of() }}
    union
    select customer_id from {{ ref('int_subscription_history') }} where started_on <= {{ as_of() }}
    union
    select customer_id from {{ ref('stg_billing__subscription_events') }} where occurred_on <= {{ as_of() }}
    union
    select customer_id from {{ ref('stg_billing__invoices') }} where cast(issued_at as date) <= {{ as_of() }}
    union
    select customer_id from {{ ref('stg_billing__invoice_lines') }} where cast(issued_at as date) <= {{ as_of() }}
    union
    select customer_id from {{ ref('stg_billing__payments') }} where cast(paid_at as date) <= {{ as_of() }}
    union
    select customer_id from {{ ref('stg_billing__refunds') }} where cast(refunded_at as date) <= {{ as_of() }}
    union
    select customer_id from {{ ref('int_customer_cards') }}
),

known_customers as (
    select distinct coalesce(merged_cards.customer_id, mentioned_ids.customer_id) as customer_id
    from mentioned_ids
    left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = mentioned_ids.customer_id
),

counting_subscribers as (
    select distinct customer_id
    from {{ ref('int_counting_rows') }}
    where exists_yet
),

-- of several rows on the first day: the smallest subscription_id, then the first delivered
first_plans as (
    select customer_id, plan_id
    from (
        select
            customer_id,
            plan_id,
            row_number() over (
                partition by customer_id order by row_started_on, subscription_id, delivery_number
            ) as row_order
        from {{ ref('int_counting_rows') }}
        where exists_yet
    ) as counting
    where row_order = 1
)

select
    known_customers.customer_id,
    cards.customer_id is not null as has_card,
    cards.created_at,
    nullif({{ trimmed('cards.country') }}, '') as country,
    nullif({{ trimmed('cards.acquisition_channel') }}, '') as acquisition_channel,
    nullif({{ trimmed('cards.segment') }}, '') as customer_segment,
    nullif({{ trimmed('first_plans.plan_id') }}, '') as first_plan,
    cards.account_manager_id,
    cards.preferred_channel,
    cards.contact_allowed,
    {% if var('activity_basis') == 'auto' -%}
    case when counting_subscribers.customer_id is not null then 'subscription' else 'purchase' end
    {%- else -%}
    '{{ var("activity_basis") }}'
    {%- endif %} as activity_basis,
    cards.raw_row
from known_customers
left join {{ ref('int_customer_cards') }} as cards using (customer_id)
left join counting_subscribers using (customer_id)
left join first_plans using (customer_id)
