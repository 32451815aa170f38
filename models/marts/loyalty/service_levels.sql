-- How fast and how well cases are handled, by who handles them and where they come in, and what became of the customers
-- who complained. A case belongs to the period in which it was opened.
{% set dimensions = {
    'all': "'all'", 'employee': 'employee_id', 'team': 'team', 'channel': 'channel', 'severity': 'severity',
} %}

with cases as (
    {% for dimension, value in dimensions.items() %}
    select '{{ dimension }}' as dimension, {{ value }} as dimension_value, cases.*
    from {{ ref('int_case_handling') }} as cases
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- grain by grain, for the durations of each are in memory meanwhile
case_handling as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain,
        {{ period_number('opened_on', grain) }} as period_number,
        dimension,
        dimension_value,
        count(*) as cases,
        count(first_response_time) as cases_answered,
        count(resolution_time) as cases_resolved,
        {{ hours_quantile(0.5, 'first_response_time') }} as first_response_hours_median,
        {{ hours_quantile(0.9, 'first_response_time') }} as first_response_hours_p90,
        {{ hours_quantile(0.5, 'resolution_time') }} as resolution_hours_median,
        {{ hours_quantile(0.9, 'resolution_time') }} as resolution_hours_p90,
        {% for step in ['first_response', 'resolution'] %}
        count(case when age >= {{ sla(step) }} then 1 end) as {{ step }}_due,
        count(case
            when age >= {{ sla(step) }} and {{ step }}_time <= {{ sla(step) }} then 1
        end) as {{ step }}_within_sla,
        {% endfor %}
        count(is_satisfied) as csat_responses,
        count(case when is_satisfied then 1 end) as csat_satisfied,
        count(case when is_complaint then 1 end) as complaints,
        count(distinct case when is_complaint then customer_id end) as complainants
    from cases
    group by {{ period_number('opened_on', grain) }}, dimension, dimension_value
    {% endcall %}
),

-- of several complaints of a customer, the first one is watched
first_complaints as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain,
        {{ period_number('opened_on', grain) }} as period_number,
        dimension,
        dimension_value,
        customer_id,
        min(opened_on) as opened_on
    from cases
    where is_complaint
    group by {{ period_number('opened_on', grain) }}, dimension, dimension_value, customer_id
    {% endcall %}
),

losses as (
    select
        complaints.period_grain,
        complaints.period_number,
        complaints.dimension,
        complaints.dimension_value,
        count(*) as complainants_observed_90d,
        count(case when outcomes.is_lost then 1 end) as complainants_lost_90d
    from first_complaints as complaints
    inner join {{ ref('int_complaint_outcomes') }} as outcomes using (customer_id, opened_on)
    group by complaints.period_grain, complaints.period_number, complaints.dimension, complaints.dimension_value
),

dimension_values as (
    select distinct dimension, dimension_value from cases
    union
    select 'all', 'all'
),

levels as (
    select
        periods.period_grain,
        periods.period_start,
        periods.period_end,
        periods.is_complete,
        dimension_values.dimension,
        dimension_values.dimension_value,
        {% for counted in [
            'cases', 'cases_answered', 'cases_resolved', 'first_response_due', 'first_response_within_sla',
            'resolution_due', 'resolution_within_sla', 'csat_responses', 'csat_satisfied', 'complaints', 'complainants',
        ] %}
        coalesce(case_handling.{{ counted }}, 0) as {{ counted }},
        {% endfor %}
        case_handling.first_response_hours_median,
        case_handling.first_response_hours_p90,
        case_handling.resolution_hours_median,
        case_handling.resolution_hours_p90,
        coalesce(losses.complainants_observed_90d, 0) as complainants_observed_90d,
        coalesce(losses.complainants_lost_90d, 0) as complainants_lost_90d,
        coalesce(others.customers_observed, 0) as others_observed_90d,
        coalesce(others.customers_lost, 0) as others_lost_90d
    from {{ ref('int_periods') }} as periods
    cross join dimension_values
    left join case_handling
        on case_handling.period_grain = periods.period_grain
        and case_handling.period_number = periods.period_number
        and case_handling.dimension = dimension_values.dimension
        and case_handling.dimension_value = dimension_values.dimension_value
    left join losses
        on losses.period_grain = periods.period_grain
        and losses.period_number = periods.period_number
        and losses.dimension = dimension_values.dimension
        and losses.dimension_value = dimension_values.dimension_value
    left join {{ ref('int_uncomplaining_losses') }} as others
        on others.period_grain = periods.period_grain and others.period_number = periods.period_number
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    dimension,
    dimension_value,
    cases,
    cases_answered,
    cases_resolved,
    first_response_hours_median,
    first_response_hours_p90,
    resolution_hours_median,
    resolution_hours_p90,
    first_response_due,
    first_response_within_sla,
    {{ safe_divide('first_response_within_sla', 'first_response_due') }} as first_response_sla_rate,
    resolution_due,
    resolution_within_sla,
    {{ safe_divide('resolution_within_sla', 'resolution_due') }} as resolution_sla_rate,
    csat_responses,
    csat_satisfied,
    {{ safe_divide('csat_satisfied', 'csat_responses') }} as csat,
    complaints,
    complainants,
    complainants_observed_90d,
    complainants_lost_90d,
    {{ safe_divide('complainants_lost_90d', 'complainants_observed_90d') }} as complainant_churn_rate_90d,
    others_observed_90d,
    others_lost_90d,
    {{ safe_divide('others_lost_90d', 'others_observed_90d') }} as others_churn_rate_90d
from levels
