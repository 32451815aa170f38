-- The segments of each customer, as they are now: the whole company, and one row for each segment type of the policy
-- `segments`.
select customers.customer_id, segment_sets.segment_type, segment_sets.segment
from {{ ref('int_customer_segment_sets') }} as customers
inner join {{ ref('int_segment_sets') }} as segment_sets using (segment_set)
