-- Whether first-time customers come back, and to whom, by the employee who served their first purchase.
with first_purchases as (
    select
        customer_id,
        coalesce(employee_id, '(unknown)') as employee_id,
        issued_on,
        {{ add_days('issued_on', 90) }} <= {{ as_of() }} as is_observed
    from {{ ref('fct_purchases') }}
    where purchase_number = 1
),

returns as (
    select
        first_purchases.customer_id,
        max(case
            when coalesce(purchases.employee_id, '(unknown)') = first_purchases.employee_id then 1
            else 0
        end) as is_to_same_employee
    from first_purchases
    inner join {{ ref('fct_purchases') }} as purchases
        on purchases.customer_id = first_purchases.customer_id
        and purchases.issued_on > first_purchases.issued_on
        and purchases.issued_on <= {{ add_days('first_purchases.issued_on', 90) }}
    where first_purchases.is_observed
    group by first_purchases.customer_id
),

customer_counts as (
    select
        first_purchases.employee_id,
        {{ period_number('first_purchases.issued_on', 'quarter') }} as period_number,
        count(*) as first_time_customers,
        count(case when first_purchases.is_observed then 1 end) as observed_90d,
        count(returns.customer_id) as returned_90d,
        cast(coalesce(sum(returns.is_to_same_employee), 0) as bigint) as returned_to_same_employee_90d
    from first_purchases
    left join returns using (customer_id)
    group by first_purchases.employee_id, {{ period_number('first_purchases.issued_on', 'quarter') }}
),

quarter_counts as (
    select
        *,
        {{ period_start('period_number', 'quarter') }} as period_start,
        {{ period_start('(period_number + 1)', 'quarter') }} as calendar_end
    from customer_counts
)

select
    employee_id,
    period_start,
    least(calendar_end, {{ add_days(as_of(), 1) }}) as period_end,
    calendar_end <= {{ add_days(as_of(), 1) }} as is_complete,
    first_time_customers,
    observed_90d,
    returned_90d,
    returned_to_same_employee_90d,
    {{ safe_divide('returned_90d', 'observed_90d') }} as return_rate_90d,
    {{ wilson_low('returned_90d', 'observed_90d') }} as return_rate_90d_low,
    {{ wilson_high('returned_90d', 'observed_90d') }} as return_rate_90d_high,
    {{ safe_divide('returned_to_same_employee_90d', 'observed_90d') }} as return_rate_same_employee_90d,
    {{ wilson_low('returned_to_same_employee_90d', 'observed_90d') }} as return_rate_same_employee_90d_low,
    {{ wilson_high('returned_to_same_employee_90d', 'observed_90d') }} as return_rate_same_employee_90d_high
from quarter_counts
