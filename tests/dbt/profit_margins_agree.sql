-- The margin by which lifetime values are multiplied is the margin that lost_revenue shows.
select revenue.period_grain, revenue.period_start, revenue.segment_type, revenue.segment
from {{ ref('lost_revenue') }} as revenue
inner join {{ ref('int_profit_margins') }} as margins
    on margins.period_grain = revenue.period_grain
    and margins.period_start = revenue.period_start
    and margins.segment_type = revenue.segment_type
    and margins.segment = revenue.segment
where revenue.profit_margin is distinct from {{ safe_divide('margins.margin_numerator', 'margins.margin_denominator') }}
