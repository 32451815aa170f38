-- Every customer who ever purchased is the first-time customer of one employee in one quarter.
select served.customers, purchased.customers
from (select coalesce(sum(first_time_customers), 0) as customers from {{ ref('staff_retention') }}) as served
cross join (select count(distinct customer_id) as customers from {{ ref('fct_purchases') }}) as purchased
where served.customers <> purchased.customers
