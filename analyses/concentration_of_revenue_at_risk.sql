-- Question: How few customers make up most of the revenue at risk: whom do we call first?
-- Rows:     one per tenth of the customers at risk, the largest first.
-- Read:     share_so_far of the first row is what the largest tenth holds. If it is a half, personal calls to these
--           few are worth more than a message to all. The list itself: marts.at_risk_customers order by
--           revenue_at_risk desc.
-- Traps:    revenue_at_risk is a year of what they pay, not what you will lose: most of them stay (see
--           how_good_is_the_at_risk_list). With fewer than 10 customers at risk there are fewer rows.
with tenths as (
    select *, ntile(10) over (order by revenue_at_risk desc, customer_id) as tenth
    from {{ ref('at_risk_customers') }}
)

select
    tenth,
    count(*) as customers,
    min(revenue_at_risk) as smallest,
    max(revenue_at_risk) as largest,
    sum(revenue_at_risk) as revenue_at_risk,
    sum(revenue_at_risk) / nullif(sum(sum(revenue_at_risk)) over (), 0) as share,
    sum(sum(revenue_at_risk)) over (order by tenth) / nullif(sum(sum(revenue_at_risk)) over (), 0) as share_so_far,
    avg(score) as signals_per_customer
from tenths
group by tenth
order by tenth
