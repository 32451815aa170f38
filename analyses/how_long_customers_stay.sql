-- Question: How long do customers stay, and where longest?
-- Rows:     one per segment that ever lost somebody; the whole company first.
-- Read:     after_… is the share of customers still there after that many days of their first spell (Kaplan–Meier:
--           customers who are still active count for as long as we know them). median_days is when half have left;
--           empty while more than half stay.
-- Traps:    beyond the age of the oldest customers nothing is known: at_risk_after_365 is the number of customers
--           behind the last figure. Only the first spell of a returning customer counts. Without a subscription
--           nobody leaves before lapse_days.
select
    segment_type,
    segment,
    max(at_risk) as customers,
    sum(lost) as lost,
    coalesce(min(case when tenure_days <= 30 then survival end), 1) as after_30_days,
    coalesce(min(case when tenure_days <= 90 then survival end), 1) as after_90_days,
    coalesce(min(case when tenure_days <= 365 then survival end), 1) as after_365_days,
    min(case when tenure_days <= 365 then survival_low end) as after_365_days_low,
    max(case when tenure_days > 365 then at_risk end) as at_risk_after_365,
    min(case when survival <= 0.5 then tenure_days end) as median_days
from {{ ref('survival_curves') }}
group by segment_type, segment
order by segment_type <> 'all', segment_type, after_365_days desc, segment
