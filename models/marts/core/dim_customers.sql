{{ config(by='customer_id') }}
-- One row per customer, merged cards counted once. No names, no addresses.
with spells as (
    select
        customer_id,
        min(started_on) as first_active_on,
        cast(count(*) as integer) as spells,
        count(*) > count(ended_on) as is_active
    from {{ ref('int_customer_spells') }}
    group by customer_id
)

select
    customers.customer_id,
    customers.country,
    customers.acquisition_channel,
    customers.customer_segment,
    customers.first_plan,
    customers.account_manager_id,
    customers.preferred_channel,
    customers.activity_basis,
    cast(customers.created_at as date) as created_on,
    spells.first_active_on,
    coalesce(spells.spells, 0) as spells,
    customers.has_card,
    customers.contact_allowed,
    coalesce(spells.is_active, false) as is_active
from {{ ref('int_customers') }} as customers
left join spells using (customer_id)
