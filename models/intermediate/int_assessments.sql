-- The openings at which customers are assessed for risk: each quarter's whose next 90 days have passed, and the one
-- after as_of, which is today's list.
select period_start as assessed_on, false as is_current
from {{ ref('int_periods') }}
where period_grain = 'quarter'
    and {{ add_days('period_start', 90) }} <= {{ add_days(as_of(), 1) }}

union all

select {{ add_days(as_of(), 1) }}, true
