{{ config(by='customer_id') }}
-- Survey responses by as_of, under the customer that the card belongs to.
select
    surveys.response_id,
    coalesce(merged_cards.customer_id, surveys.customer_id) as customer_id,
    surveys.kind,
    surveys.score,
    surveys.scale_max,
    surveys.answered_at,
    cast(surveys.answered_at as date) as answered_on,
    surveys.case_id,
    surveys.employee_id
from {{ ref('stg_crm__surveys') }} as surveys
left join {{ ref('int_customer_merges') }} as merged_cards on merged_cards.card_id = surveys.customer_id
where cast(surveys.answered_at as date) <= {{ as_of() }}
