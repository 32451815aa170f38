-- Question: Which employee makes first-time customers come back?
-- Rows:     one per employee who served at least 10 first purchases in the last two years, the most reliable success
--           first.
-- Read:     return_rate is the share that was back within 90 days, with its 95 % interval (Wilson). difference means
--           something only where the interval excludes everyone's rate.
-- Traps:    of 20 employees one stands out by mere chance: check whether it is the same one next quarter. Employees
--           with another kind of customers have another rate: compare within a team. Customers whose 90 days are not
--           over are left out; over the quarters customers are added up, rates never averaged.
with employees as (
    select
        employee_id,
        sum(observed_90d) as observed,
        sum(returned_90d) as returned,
        sum(returned_to_same_employee_90d) as returned_to_same_employee
    from {{ ref('staff_retention') }}
    where period_start >= (select max(period_end) - interval 2 year from {{ ref('staff_retention') }})
    group by employee_id
),

rates as (
    select
        *,
        returned / nullif(observed, 0) as return_rate,
        returned_to_same_employee / nullif(observed, 0) as return_rate_same_employee,
        sum(returned) over () / nullif(sum(observed) over (), 0) as everyones_rate,
        1.959964 * 1.959964 as z2
    from employees
),

intervals as (
    select
        *,
        (return_rate + z2 / (2 * observed)
            - sqrt(z2 * (return_rate * (1 - return_rate) + z2 / (4 * observed)) / observed))
            / (1 + z2 / observed) as low,
        (return_rate + z2 / (2 * observed)
            + sqrt(z2 * (return_rate * (1 - return_rate) + z2 / (4 * observed)) / observed))
            / (1 + z2 / observed) as high
    from rates
    where observed >= 10
)

select
    intervals.employee_id,
    staff.team,
    intervals.observed,
    intervals.returned,
    intervals.return_rate,
    intervals.low as return_rate_low,
    intervals.high as return_rate_high,
    intervals.return_rate_same_employee,
    intervals.everyones_rate,
    case
        when intervals.low > intervals.everyones_rate then 'better'
        when intervals.high < intervals.everyones_rate then 'worse'
        else 'none shown'
    end as difference
from intervals
left join {{ ref('dim_employees') }} as staff on staff.employee_id = intervals.employee_id
order by intervals.low desc, intervals.employee_id
