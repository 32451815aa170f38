-- Months, quarters and years from the first in which anyone is active to the one that holds as_of.
with bounds as (
    select min(started_on) as first_active_on from {{ ref('int_customer_spells') }}
),

period_numbers as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain,
        {{ number_series(period_number('first_active_on', grain), period_number(as_of(), grain)) }} as period_number
    from bounds
    where first_active_on is not null
    {% endcall %}
),

period_dates as (
    {% call(grain) by_grain() %}
    select
        period_grain,
        cast(period_number as integer) as period_number,
        {{ period_start('period_number', grain) }} as period_start,
        {{ period_start('(period_number + 1)', grain) }} as calendar_end
    from period_numbers
    where period_grain = '{{ grain }}'
    {% endcall %}
)

select
    period_grain,
    period_number,
    period_start,
    least(calendar_end, {{ add_days(as_of(), 1) }}) as period_end,
    calendar_end <= {{ add_days(as_of(), 1) }} as is_complete
from period_dates
