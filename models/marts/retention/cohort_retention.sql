-- What is left of each cohort at each age: customers present, at the close and purchasing, revenue and MRR.
with members as (
    select
        cohorts.customer_id,
        cohorts.cohort_grain,
        cohorts.cohort_number,
        cohorts.mrr_initial,
        customers.segment_set
    from {{ ref('int_customer_cohorts') }} as cohorts
    inner join {{ ref('int_customer_segment_sets') }} as customers using (customer_id)
),

members_by_set as (
    select cohort_grain, cohort_number, segment_set, count(*) as members, sum(mrr_initial) as mrr_initial
    from members
    group by cohort_grain, cohort_number, segment_set
),

cohorts as (
    select
        members_by_set.cohort_grain,
        members_by_set.cohort_number,
        segments.segment_type,
        segments.segment,
        cast(sum(members_by_set.members) as bigint) as cohort_size,
        sum(members_by_set.mrr_initial) as mrr_initial
    from members_by_set
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by members_by_set.cohort_grain, members_by_set.cohort_number, segments.segment_type, segments.segment
),

presence as (
    select customer_id, period_grain, first_number as period_number, 1 as change
    from {{ ref('int_customer_period_presence') }}
    union all
    select customer_id, period_grain, last_number + 1, -1
    from {{ ref('int_customer_period_presence') }}
),

mrr_changes as (
    {% call(grain) by_grain() %}
    select
        customer_id, '{{ grain }}' as period_grain, {{ period_number('occurred_on', grain) }} as period_number,
        mrr_change
    from {{ ref('fct_mrr_movements') }}
    {% endcall %}
),

-- everything that happens to a customer, by period
facts as (
    select
        customer_id, period_grain, period_number,
        change as active_change, 0 as closing_change, 0 as purchasing, 0 as revenue, 0 as mrr_change
    from presence
    union all
    select
        customer_id, period_grain, period_number,
        0, case when is_active and not was_active then 1 when was_active and not is_active then -1 else 0 end, 0, 0, 0
    from {{ ref('int_customer_period_changes') }}
    union all
    select
        customer_id, period_grain, period_number,
        0, 0, case when purchases > 0 then 1 else 0 end, revenue_since_first_spell, 0
    from {{ ref('int_customer_period_sales') }}
    union all
    select customer_id, period_grain, period_number, 0, 0, 0, 0, mrr_change
    from mrr_changes
),

activity_by_set as (
    select
        members.cohort_grain,
        members.cohort_number,
        members.segment_set,
        facts.period_number,
        sum(facts.active_change) as active_change,
        sum(facts.closing_change) as closing_change,
        sum(facts.purchasing) as customers_purchasing,
        sum(facts.revenue) as revenue,
        sum(facts.mrr_change) as mrr_change
    from facts
    inner join members
        on members.customer_id = facts.customer_id
        and members.cohort_grain = facts.period_grain
        and members.cohort_number <= facts.period_number
    group by members.cohort_grain, members.cohort_number, members.segment_set, facts.period_number
),

cohort_activity as (
    select
        activity_by_set.cohort_grain,
        activity_by_set.cohort_number,
        segments.segment_type,
        segments.segment,
        activity_by_set.period_number,
        sum(activity_by_set.active_change) as active_change,
        sum(activity_by_set.closing_change) as closing_change,
        sum(activity_by_set.customers_purchasing) as customers_purchasing,
        sum(activity_by_set.revenue) as revenue,
        sum(activity_by_set.mrr_change) as mrr_change
    from activity_by_set
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by
        activity_by_set.cohort_grain, activity_by_set.cohort_number, segments.segment_type, segments.segment,
        activity_by_set.period_number
),

cells as (
    select
        cohorts.*,
        starts.period_start as cohort_start,
        periods.period_number,
        periods.period_number - cohorts.cohort_number as age,
        periods.period_start,
        periods.period_end,
        periods.is_complete,
        coalesce(cohort_activity.customers_purchasing, 0) as customers_purchasing,
        coalesce(cohort_activity.revenue, 0) as revenue,
        sum(coalesce(cohort_activity.active_change, 0)) over since_start as customers_active,
        sum(coalesce(cohort_activity.closing_change, 0)) over since_start as customers_at_close,
        sum(coalesce(cohort_activity.revenue, 0)) over since_start as cumulative_revenue,
        sum(coalesce(cohort_activity.mrr_change, 0)) over since_start as mrr_at_close
    from cohorts
    inner join {{ ref('int_periods') }} as starts
        on starts.period_grain = cohorts.cohort_grain and starts.period_number = cohorts.cohort_number
    inner join {{ ref('int_periods') }} as periods
        on periods.period_grain = cohorts.cohort_grain and periods.period_number >= cohorts.cohort_number
    left join cohort_activity
        on cohort_activity.cohort_grain = cohorts.cohort_grain
        and cohort_activity.cohort_number = cohorts.cohort_number
        and cohort_activity.segment_type = cohorts.segment_type
        and cohort_activity.segment = cohorts.segment
        and cohort_activity.period_number = periods.period_number
    window since_start as (
        partition by cohorts.cohort_grain, cohorts.cohort_number, cohorts.segment_type, cohorts.segment
        order by periods.period_number rows between unbounded preceding and current row
    )
)

-- a period that is not over yet has counts and money to date, but no rate: a cell to come is not a zero
select
    cohort_grain,
    cohort_start,
    cast(age as integer) as age,
    period_start,
    period_end,
    is_complete,
    segment_type,
    segment,
    cohort_size,
    cast(customers_active as bigint) as customers_active,
    case when is_complete then {{ safe_divide('customers_active', 'cohort_size') }} end as retention_rate,
    cast(customers_at_close as bigint) as customers_at_close,
    case when is_complete then {{ safe_divide('customers_at_close', 'cohort_size') }} end as close_retention_rate,
    cast(customers_purchasing as bigint) as customers_purchasing,
    case when is_complete then {{ safe_divide('customers_purchasing', 'cohort_size') }} end as purchase_rate,
    {{ money('revenue') }} as revenue,
    {{ money('cumulative_revenue') }} as cumulative_revenue,
    {{ money(money_ratio([cents('cumulative_revenue')], ['100', 'cohort_size'])) }} as revenue_per_customer,
    {{ money('mrr_initial') }} as mrr_initial,
    {{ money('mrr_at_close') }} as mrr_at_close,
    case when is_complete then {{ safe_divide('mrr_at_close', 'mrr_initial') }} end as mrr_retention_rate
from cells
