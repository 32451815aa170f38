-- Question: Why do Stripe, ChartMogul or Baremetrics show a different churn rate?
-- Rows:     one per month, the last 12 complete months of the whole company.
-- Read:     the same month by every definition in use. Ours is lost_over_start. As the tools' own help pages define
--           theirs:
--           ChartMogul, "B2B formula"   lost ÷ customers at start                      → lost_over_start
--           ChartMogul, "B2C formula"   sum of the daily rates                         → daily
--           Stripe Billing              churned ÷ (start + new), also who came and went → lost_over_start_and_new
--           Baremetrics, "user churn"   cancellations ÷ customers at start             → events_over_start
--           net formula                 (start − end) ÷ start, negative in growth      → net_change
--           average formula             lost ÷ mean of start and end                   → lost_over_average
-- Traps:    Stripe and Baremetrics look at the last 30 days, not at a calendar month. They know subscriptions only: set
--           activity_basis=subscription to compare. They date an end by the cancellation, we by the first day without
--           service, and count every record of a customer where we merge cards. What remains after that is a difference
--           in the data.
select
    period_start,
    max(case when definition = 'lost_over_start' then rate end) as lost_over_start,
    max(case when definition = 'daily' then rate end) as daily,
    max(case when definition = 'lost_over_start_and_new' then rate end) as lost_over_start_and_new,
    max(case when definition = 'events_over_start' then rate end) as events_over_start,
    max(case when definition = 'net_change' then rate end) as net_change,
    max(case when definition = 'lost_over_average' then rate end) as lost_over_average,
    max(case when definition = 'lost_over_start' then numerator end) as customers_lost,
    max(case when definition = 'events_over_start' then numerator end) as ends,
    max(case when definition = 'lost_over_start' then denominator end) as customers_at_start
from {{ ref('churn_rate_by_definition') }}
where period_grain = 'month' and segment_type = 'all' and is_complete
group by period_start
order by period_start desc
limit 12
