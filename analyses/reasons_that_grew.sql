-- Question: Which reason for leaving grew most last quarter?
-- Rows:     one per reason, the last complete quarter against the one before; what grew most at the top.
-- Read:     per_1000 is customers lost for the reason per 1,000 at the quarter's start: it grows only where the
--           reason does, not where the company does. nature says whether an offer of ours could have changed it,
--           interviewed how many customers told us.
-- Traps:    when fewer customers are asked, not_asked grows and every other reason shrinks (and the other way round):
--           look at that row first. unmapped are texts that nobody explained yet (`churn reasons`). A change of a
--           handful of customers is chance.
with quarters as (
    select
        period_start,
        customers_at_start,
        lag(customers_at_start) over (order by period_start) as start_before
    from {{ ref('churn_rates') }}
    where period_grain = 'quarter' and segment_type = 'all' and is_complete
    order by period_start desc
    limit 1
)

select
    reasons.period_start,
    reasons.reason_code,
    reasons.reason,
    reasons.nature,
    reasons.control,
    reasons.customers_lost_before,
    reasons.customers_lost,
    reasons.interviewed,
    reasons.share_of_lost,
    1000 * reasons.customers_lost_before / nullif(quarters.start_before, 0) as per_1000_before,
    1000 * reasons.customers_lost / nullif(quarters.customers_at_start, 0) as per_1000,
    reasons.lost_customers_sales
from {{ ref('churn_reasons') }} as reasons
inner join quarters on quarters.period_start = reasons.period_start
where reasons.period_grain = 'quarter' and reasons.segment_type = 'all'
order by per_1000 - per_1000_before desc, reasons.reason_code
