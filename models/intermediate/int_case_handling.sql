-- How each case was handled: by whom, how fast (whole microseconds; at once where only the day of the answer is known)
-- and to whose satisfaction. Satisfied is who gives at
-- least four of five points, on whatever scale; of several answers about a case the last one stands.
with answers as (
    select
        case_id,
        score * 5 >= coalesce(scale_max, 5) * 4 as is_satisfied,
        row_number() over (partition by case_id order by answered_at desc, response_id desc) as recency
    from {{ ref('int_surveys') }}
    where kind = 'csat' and case_id is not null
),

opinions as (
    select case_id, is_satisfied from answers where recency = 1
)

select
    cases.case_id,
    cases.customer_id,
    cases.opened_on,
    coalesce(cases.employee_id, '(unknown)') as employee_id,
    coalesce(nullif({{ trimmed('employees.team') }}, ''), '(unknown)') as team,
    coalesce(nullif({{ trimmed('cases.channel') }}, ''), '(unknown)') as channel,
    coalesce(cases.severity, '(unknown)') as severity,
    coalesce(cases.kind = 'complaint', false) as is_complaint,
    case
        when cases.first_response_at is not null
            then {{ microseconds_between('cases.opened_at', 'greatest(cases.first_response_at, cases.opened_at)') }}
    end as first_response_time,
    case
        when cases.resolved_at is not null
            then {{ microseconds_between('cases.opened_at', 'greatest(cases.resolved_at, cases.opened_at)') }}
    end as resolution_time,
    {{ microseconds_between('cases.opened_at', 'cast(' ~ add_days(as_of(), 1) ~ ' as timestamp)') }} as age,
    opinions.is_satisfied
from {{ ref('int_cases') }} as cases
left join {{ ref('dim_employees') }} as employees using (employee_id)
left join opinions using (case_id)
