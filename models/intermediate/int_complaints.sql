-- Complaints by as_of, under the customer that the card belongs to. A severity that nobody stated is minor.
select
    cases.case_id,
    coalesce(merges.customer_id, cases.customer_id) as customer_id,
    cases.opened_at,
    cast(cases.opened_at as date) as opened_on,
    coalesce(cases.severity, 'minor') as severity
from {{ ref('stg_crm__cases') }} as cases
left join {{ ref('int_customer_merges') }} as merges on merges.card_id = cases.customer_id
where cases.kind = 'complaint' and cast(cases.opened_at as date) <= {{ as_of() }}
