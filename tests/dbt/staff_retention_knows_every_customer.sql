-- Every customer who ever purchased is the first-time customer of one employee in one quarter.
with served as (
    select coalesce(sum(first_time_customers), 0) as customers_served from {{ ref('staff_retention') }}
),

purchased as (
    select count(distinct customer_id) as customers_purchasing from {{ ref('fct_purchases') }}
)

select served.customers_served, purchased.customers_purchasing
from served
cross join purchased
where served.customers_served <> purchased.customers_purchasing
