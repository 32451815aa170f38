-- The days in which a customer is active, one row a subscription row or purchase; `ended_on` is null while it runs.
select rows.customer_id, rows.started_on, rows.ended_on
from {{ ref('int_counting_rows') }} as rows
inner join {{ ref('int_customers') }} as customers on customers.customer_id = rows.customer_id
where rows.exists_yet and customers.activity_basis = 'subscription'

union all

select
    purchases.customer_id,
    purchases.issued_on as started_on,
    case when {{ add_days('purchases.issued_on', var('lapse_days')) }} <= {{ as_of() }}
        then {{ add_days('purchases.issued_on', var('lapse_days')) }}
    end as ended_on
from {{ ref('int_purchases') }} as purchases
inner join {{ ref('int_customers') }} as customers on customers.customer_id = purchases.customer_id
where customers.activity_basis = 'purchase'
