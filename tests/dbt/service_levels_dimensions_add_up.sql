-- Every case has one value of each dimension, so the cases of its values add up to all cases.
with totals as (
    select
        period_grain,
        period_start,
        dimension,
        sum(cases) as cases,
        sum(cases_answered) as cases_answered,
        sum(first_response_within_sla) as first_response_within_sla,
        sum(csat_responses) as csat_responses,
        sum(complaints) as complaints
    from {{ ref('service_levels') }}
    group by period_grain, period_start, dimension
)

select totals.*
from totals
inner join {{ ref('service_levels') }} as company
    on company.period_grain = totals.period_grain
    and company.period_start = totals.period_start
    and company.dimension = 'all'
where totals.cases <> company.cases
    or totals.cases_answered <> company.cases_answered
    or totals.first_response_within_sla <> company.first_response_within_sla
    or totals.csat_responses <> company.csat_responses
    or totals.complaints <> company.complaints
