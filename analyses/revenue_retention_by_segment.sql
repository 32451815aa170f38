-- Question: Which segments grow without new customers, and which shrink (NRR and GRR)?
-- Rows:     one per segment, for the last complete quarter and the last complete year; the whole company first.
-- Read:     net_revenue_retention above 1: the customers at the start pay more at the end, all losses deducted,
--           without one new customer. gross_revenue_retention leaves expansion out and is never above 1: it shows
--           losses alone.
-- Traps:    a year's retention is not the product of its quarters: customers who joined meanwhile are in the quarters
--           only. MRR comes from subscriptions; customers who just buy have none. Segments are as they are now: a
--           customer who upgraded is in the new segment for all periods.
select
    period_grain,
    period_start,
    segment_type,
    segment,
    mrr_at_start,
    mrr_churned,
    mrr_contracted,
    mrr_expanded,
    mrr_new,
    mrr_reactivated,
    mrr_at_end,
    gross_revenue_retention,
    net_revenue_retention
from (
    select *, max(period_start) over (partition by period_grain) as last_period_start
    from {{ ref('revenue_retention') }}
    where period_grain in ('quarter', 'year') and is_complete
) as complete_periods
where period_start = last_period_start and mrr_at_start > 0
order by period_grain, segment_type <> 'all', segment_type, net_revenue_retention desc, segment
