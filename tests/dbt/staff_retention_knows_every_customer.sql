-- Every customer who ever purchased is the first-time customer of one employee in one quarter.
with customers_in_marts as (
    select coalesce(sum(first_time_customers), 0) as customers_served from {{ ref('staff_retention') }}
),

purchasing_customers as (
    select count(distinct customer_id) as customers_purchasing from {{ ref('fct_purchases') }}
)

select customers_in_marts.customers_served, purchasing_customers.customers_purchasing
from customers_in_marts
cross join purchasing_customers
where customers_in_marts.customers_served <> purchasing_customers.customers_purchasing
