-- Ids of other systems and the customer whom each stands for, at the end of its chain.
with links as (
    select source_id as from_id, customer_id as to_id
    from {{ ref('stg_crm__customer_ids') }}
    where source_id <> customer_id
),

{{ chain_ends('links') }}

select from_id as source_id, to_id as customer_id
from chain_ends
