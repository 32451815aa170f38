-- Question: Which cohorts shrink faster than the others?
-- Rows:     one per monthly cohort of at least 20 customers that is three months old, the fastest shrinking first.
-- Read:     kept_after_3 is the share still active at the close of the third month after the cohort's own;
--           expected_after_3 is that share of all these cohorts together. A z_score within ±2 is chance; below −2,
--           find out what was sold to whom in that month. kept_after_6 and _12 are empty until those months are over.
-- Traps:    customers without a subscription count as active for lapse_days after a purchase, so a one-time buyer
--           leaves in the third or fourth month, never before. Do not average the rates of cohorts: add up customers,
--           then divide.
with cohorts as (
    select
        cohort_start,
        any_value(cohort_size) as cohort_size,
        max(case when age = 1 then close_retention_rate end) as kept_after_1,
        max(case when age = 3 then close_retention_rate end) as kept_after_3,
        max(case when age = 6 then close_retention_rate end) as kept_after_6,
        max(case when age = 12 then close_retention_rate end) as kept_after_12,
        max(case when age = 3 then customers_at_close end) as customers_after_3
    from {{ ref('cohort_retention') }}
    where cohort_grain = 'month' and segment_type = 'all' and is_complete
    group by cohort_start
),

expectations as (
    select *, sum(customers_after_3) over () / sum(cohort_size) over () as expected_after_3
    from cohorts
    where kept_after_3 is not null and cohort_size >= 20
)

select
    cohort_start,
    cohort_size,
    kept_after_1,
    kept_after_3,
    kept_after_6,
    kept_after_12,
    expected_after_3,
    (kept_after_3 - expected_after_3)
        / nullif(sqrt(expected_after_3 * (1 - expected_after_3) / cohort_size), 0) as z_score
from expectations
order by z_score nulls last, cohort_start
