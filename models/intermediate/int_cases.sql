{{ config(by='customer_id') }}
-- Cases of the help desk by as_of, under the customer that the card belongs to. What was answered or resolved after
-- as_of is neither yet.
select
    cases.case_id,
    coalesce(merged_cards.customer_id, cases.customer_id) as customer_id,
    cases.opened_at,
    cast(cases.opened_at as date) as opened_on,
    case
        when cast(cases.first_response_at as date) <= {{ as_of() }} then cases.first_response_at
    end as first_response_at,
    case when cast(cases.resolved_at as date) <= {{ as_of() }} then cases.resolved_at end as resolved_at,
    cases.kind,
    cases.severity,
    cases.channel,
    cases.employee_id
from {{ ref('stg_crm__cases') }} as cases
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = cases.customer_id
where cast(cases.opened_at as date) <= {{ as_of() }}
