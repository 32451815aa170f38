-- Question: How good is the list of customers at risk: does it pay to call them?
-- Rows:     one a signal, over the last four past quarters together; any = the list itself.
-- Read:     precision: of those on the list, how many left within 90 days; recall: of those who left, how many were on it; lift:
--           how much likelier to leave than a customer picked at random. calls_per_leaver is how many calls find one who is leaving.
-- Traps:    signals overlap, so never add the rows up. A high lift with a low recall is a good alarm that rarely rings. Only what was known at
--           each quarter's opening counts: gave_notice needs extracts with updated_at. Whoever was kept by a call counts as a false alarm.
with recent as (
    select *
    from {{ ref('at_risk_backtest') }}
    qualify dense_rank() over (order by quarter_start desc) <= 4
)

select
    signal,
    min(quarter_start) as first_quarter,
    max(quarter_start) as last_quarter,
    sum(flagged) as flagged,
    sum(flagged_lost_within_90d) as flagged_lost_within_90d,
    sum(flagged_lost_within_90d) / nullif(sum(flagged), 0) as precision,
    sum(flagged_lost_within_90d) / nullif(sum(lost_within_90d), 0) as recall,
    sum(lost_within_90d) / nullif(sum(customers), 0) as base_rate,
    (sum(flagged_lost_within_90d) / nullif(sum(flagged), 0)) / nullif(sum(lost_within_90d) / nullif(sum(customers), 0), 0) as lift,
    sum(flagged) / nullif(sum(flagged_lost_within_90d), 0) as calls_per_leaver
from recent
group by signal
order by signal <> 'any', lift desc nulls last, signal
