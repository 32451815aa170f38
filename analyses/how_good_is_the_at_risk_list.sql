-- Question: How good is the list of customers at risk: is it worth calling them?
-- Rows:     one per signal, over the last four past quarters together; any = the list itself.
-- Read:     precision: the share of the list that left within 90 days. recall: the share of those who left that was
--           on the list. lift: how much likelier to leave than a random customer. calls_per_leaver: how many calls
--           reach one who is leaving.
-- Traps:    signals overlap, so never add rows up. A signal with high lift and low recall is right but rare. Only
--           what was known at each quarter's opening counts: gave_notice needs extracts with updated_at. A customer
--           kept by a call counts as a false alarm.
with recent_quarters as (
    select *
    from (
        select *, dense_rank() over (order by quarter_start desc) as quarters_ago
        from {{ ref('at_risk_backtest') }}
    ) as quarters
    where quarters_ago <= 4
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
    (sum(flagged_lost_within_90d) / nullif(sum(flagged), 0))
        / nullif(sum(lost_within_90d) / nullif(sum(customers), 0), 0) as lift,
    sum(flagged) / nullif(sum(flagged_lost_within_90d), 0) as calls_per_leaver
from recent_quarters
group by signal
order by signal <> 'any', lift desc nulls last, signal
