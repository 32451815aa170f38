-- Question: Which closed months were restated, by how much and why?
-- Rows:     one per closed month that changed since it was first published, the newest first. No rows: nothing ever
--           changed.
-- Read:     churn_rate_first_published against churn_rate is what a reader of the first report should know. cause
--           says whether new files came in (extracts), a policy was changed, or this product's definitions were;
--           files are those of the latest change.
-- Traps:    a purchase that is delivered late can show that a customer counted as lost months ago had stayed; that is
--           correct. Months are listed once; restatements itself has a row for every publish that changed them.
select
    period_start,
    count(*) as times_changed,
    max(restated_at) as last_changed_at,
    min(churn_rate_first_published) as churn_rate_first_published,
    max_by(churn_rate, restated_at) as churn_rate,
    max_by(churn_rate, restated_at) - min(churn_rate_first_published) as churn_rate_difference,
    sum(customers_at_start_change) as customers_at_start_change,
    sum(customers_lost_change) as customers_lost_change,
    sum(mrr_at_start_change) as mrr_at_start_change,
    sum(mrr_churned_change) as mrr_churned_change,
    max_by(cause, restated_at) as cause,
    max_by(files, restated_at) as files
from {{ ref('restatements') }}
group by period_start
order by period_start desc
