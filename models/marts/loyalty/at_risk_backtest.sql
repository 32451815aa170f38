-- How good the list of customers at risk would have been at each past quarter's opening: by signal, and for any of
-- them.
with assessed_customers as (
    select assessed_on, customer_id, is_lost_within_90d
    from {{ ref('int_risk_assessments') }}
    where not is_current
),

-- quarters at whose opening nobody was active have rows too
quarters as (
    select
        assessments.assessed_on,
        count(assessed_customers.customer_id) as customers,
        count(case when assessed_customers.is_lost_within_90d then 1 end) as lost_within_90d
    from {{ ref('int_assessments') }} as assessments
    left join assessed_customers using (assessed_on)
    where not assessments.is_current
    group by assessments.assessed_on
),

signals as (
    select assessed_on, customer_id, signal from {{ ref('int_risk_signals') }}
    union
    select assessed_on, customer_id, 'any' from {{ ref('int_risk_signals') }}
),

signal_counts as (
    select
        signals.assessed_on,
        signals.signal,
        count(*) as flagged,
        count(case when assessed_customers.is_lost_within_90d then 1 end) as flagged_lost_within_90d
    from signals
    inner join assessed_customers using (assessed_on, customer_id)
    group by signals.assessed_on, signals.signal
),

names as (
    {% for signal in ['any'] + risk_signals() %}
    select '{{ signal }}' as signal {{ 'union all' if not loop.last }}
    {% endfor %}
),

signals_by_quarter as (
    select
        quarters.*,
        names.signal,
        coalesce(signal_counts.flagged, 0) as flagged,
        coalesce(signal_counts.flagged_lost_within_90d, 0) as flagged_lost_within_90d
    from quarters
    cross join names
    left join signal_counts on signal_counts.assessed_on = quarters.assessed_on and signal_counts.signal = names.signal
)

select
    assessed_on as quarter_start,
    signal,
    customers,
    flagged,
    lost_within_90d,
    flagged_lost_within_90d,
    {{ safe_divide('flagged_lost_within_90d', 'flagged') }} as precision,
    {{ safe_divide('flagged_lost_within_90d', 'lost_within_90d') }} as recall,
    {{ safe_divide('lost_within_90d', 'customers') }} as base_rate,
    {{ safe_divide('flagged_lost_within_90d * customers', 'flagged * lost_within_90d') }} as lift
from signals_by_quarter
