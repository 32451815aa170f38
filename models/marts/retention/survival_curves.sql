-- How long customers stay: Kaplan and Meier's estimate over the first spell of each customer, open ones censored.
-- The interval is Greenwood's on the log-log scale.
with durations as (
    select
        segments.segment_type,
        segments.segment,
        spells.tenure_days,
        spells.is_open
    from {{ ref('fct_customer_spells') }} as spells
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    where spells.spell_number = 1
),

by_tenure as (
    select
        segment_type,
        segment,
        tenure_days,
        count(*) as observed,
        count(case when not is_open then 1 end) as lost
    from durations
    group by segment_type, segment, tenure_days
),

risk_sets as (
    select
        *,
        sum(observed) over (
            partition by segment_type, segment order by tenure_days desc
            rows between unbounded preceding and current row
        ) as at_risk
    from by_tenure
),

-- survival = Π (1 − lost ÷ at risk): as a sum of logarithms, which ends where nobody is left
log_sums as (
    select
        *,
        sum(case
            when lost < at_risk then ln(cast(at_risk - lost as double) / at_risk)
            else 0
        end) over so_far as log_survival,
        sum(case
            when lost < at_risk then cast(lost as double) / (at_risk * (at_risk - lost))
            else 0
        end) over so_far as variance
    from risk_sets
    where lost > 0
    window so_far as (
        partition by segment_type, segment order by tenure_days rows between unbounded preceding and current row
    )
),

log_survivals as (
    select
        *,
        case when lost < at_risk then log_survival end as log_of_survival
    from log_sums
)

select
    segment_type,
    segment,
    tenure_days,
    cast(at_risk as bigint) as at_risk,
    lost,
    coalesce(exp(log_of_survival), 0) as survival,
    exp(-exp(ln(-log_of_survival) - 1.959964 * sqrt(variance) / log_of_survival)) as survival_low,
    exp(-exp(ln(-log_of_survival) + 1.959964 * sqrt(variance) / log_of_survival)) as survival_high
from log_survivals
