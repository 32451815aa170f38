-- Question: Which campaign, on which channel, brought customers back?
-- Rows:     one per campaign and channel that wrote to lost customers, the most reliable success first.
-- Read:     return_rate_90d with its 95 % interval (Wilson): rank by the lower end, so that 1 of 2 does not beat 40
--           of 100. revenue_per_contacted is the revenue since then per customer contacted; compare it with the cost
--           of the message and the offer.
-- Traps:    some customers would have returned anyway; only a group that got no message could show how many. A
--           customer reached by two campaigns counts in both, so never add rows up. The rate is empty until the first
--           customers have been followed for 90 days.
with results as (
    select *, nullif(observed_90d, 0) as n, 1.959964 * 1.959964 as z2
    from {{ ref('win_back_results') }}
    where contacted_lost > 0
)

select
    campaign,
    channel,
    contacted,
    replied,
    reasons_learnt,
    contacted_lost,
    observed_90d,
    returned_90d,
    return_rate_90d,
    (return_rate_90d + z2 / (2 * n) - sqrt(z2 * (return_rate_90d * (1 - return_rate_90d) + z2 / (4 * n)) / n))
        / (1 + z2 / n) as return_rate_90d_low,
    (return_rate_90d + z2 / (2 * n) + sqrt(z2 * (return_rate_90d * (1 - return_rate_90d) + z2 / (4 * n)) / n))
        / (1 + z2 / n) as return_rate_90d_high,
    revenue_recovered,
    round(revenue_recovered / contacted_lost, 2) as revenue_per_contacted
from results
order by return_rate_90d_low desc nulls last, campaign, channel
