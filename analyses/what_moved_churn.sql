-- Question: What moved the churn rate last quarter: who the customers are (mix), or how they behave (rate)? By choice
--           or not?
-- Rows:     one per segment of every segment type, the last complete quarter against the one before; the whole
--           company first.
-- Read:     mix_effect + rate_effect, added up over the segments of one type, is the company's churn_rate_change. A
--           segment with a large rate_effect behaves differently than before; one with a large mix_effect grew or
--           shrank, and churns more or less than the others. voluntary + involuntary + unknown_change is the change
--           of the segment's own rate.
-- Traps:    never add up over segment types: each splits the same customers. Segments are as they are now, so a
--           customer who changed country is in the new one in both quarters. Where rate_before lies between
--           churn_rate_low and high, the move may be chance.
with quarters as (
    select
        *,
        lag(customers_at_start) over by_quarter as start_before,
        lag(customers_lost) over by_quarter as lost_before,
        lag(customers_lost_voluntary) over by_quarter as voluntary_before,
        lag(customers_lost_involuntary) over by_quarter as involuntary_before,
        lag(customers_lost_unknown) over by_quarter as unknown_before
    from {{ ref('churn_rates') }}
    where period_grain = 'quarter' and is_complete
    window by_quarter as (partition by segment_type, segment order by period_start)
),

last_quarter as (
    select
        *,
        -- Where nobody was there at one of the two starts, only the mix can have changed.
        coalesce(churn_rate, lost_before / nullif(start_before, 0)) as rate,
        coalesce(lost_before / nullif(start_before, 0), churn_rate) as rate_before,
        customers_at_start / nullif(sum(customers_at_start) over of_type, 0) as share,
        start_before / nullif(sum(start_before) over of_type, 0) as share_before,
        sum(customers_lost + lost_before) over of_type
            / nullif(sum(customers_at_start + start_before) over of_type, 0) as company_rate
    from quarters
    where period_start = (select max(latest.period_start) from quarters as latest)
    window of_type as (partition by segment_type)
)

select
    period_start,
    segment_type,
    segment,
    start_before,
    customers_at_start,
    rate_before,
    churn_rate,
    churn_rate_low,
    churn_rate_high,
    churn_rate - lost_before / nullif(start_before, 0) as churn_rate_change,
    (share - share_before) * ((rate + rate_before) / 2 - company_rate) as mix_effect,
    (share + share_before) / 2 * (rate - rate_before) as rate_effect,
    customers_lost_voluntary / nullif(customers_at_start, 0)
        - voluntary_before / nullif(start_before, 0) as voluntary_change,
    customers_lost_involuntary / nullif(customers_at_start, 0)
        - involuntary_before / nullif(start_before, 0) as involuntary_change,
    customers_lost_unknown / nullif(customers_at_start, 0) - unknown_before / nullif(start_before, 0) as unknown_change
from last_quarter
where customers_at_start + start_before > 0
order by segment_type <> 'all', segment_type, abs(mix_effect + rate_effect) desc
