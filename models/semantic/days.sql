-- One row per day, from the first period's to as_of: MetricFlow's time spine.
with bounds as (
    select min(period_start) as first_day, max(period_end) as end_day
    from {{ published('churn_rates') }}
),

day_numbers as (
    select first_day, {{ number_series(0, days_between('first_day', 'end_day') ~ ' - 1') }} as days
    from bounds
    where first_day is not null
)

select {{ add_days('first_day', 'days') }} as day
from day_numbers
