-- Every customer is lost, active or was never active, and never two of these.
select customers.customer_id
from {{ ref('dim_customers') }} as customers
left join {{ ref('lost_customers') }} as lost using (customer_id)
where (lost.customer_id is not null) <> (customers.first_active_on is not null and not customers.is_active)
