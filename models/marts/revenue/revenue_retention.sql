-- What became of the monthly recurring revenue of each period's opening, by comparing each customer's MRR at its two
-- ends.
with period_movements as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain,
        {{ period_number('occurred_on', grain) }} as period_number,
        {{ period_number('min(occurred_on) over (partition by customer_id)', grain) }} as first_mrr_period_number,
        movements.*
    from {{ ref('fct_mrr_movements') }} as movements
    {% endcall %}
),

customer_changes as (
    select
        customer_id,
        period_grain,
        period_number,
        first_mrr_period_number,
        min_by(mrr_before, occurred_on) as mrr_at_start,
        max_by(mrr_after, occurred_on) as mrr_at_end
    from period_movements
    group by customer_id, period_grain, period_number, first_mrr_period_number
),

changes as (
    select
        customer_changes.period_grain,
        customer_changes.period_number,
        segments.segment_type,
        segments.segment,
        sum(case
            when mrr_at_start = 0 and first_mrr_period_number = period_number then mrr_at_end
            else 0
        end) as mrr_new,
        sum(case
            when mrr_at_start = 0 and first_mrr_period_number < period_number then mrr_at_end
            else 0
        end) as mrr_reactivated,
        sum(case
            when mrr_at_start > 0 and mrr_at_end > mrr_at_start then mrr_at_end - mrr_at_start
            else 0
        end) as mrr_expanded,
        sum(case
            when mrr_at_end > 0 and mrr_at_end < mrr_at_start then mrr_at_start - mrr_at_end
            else 0
        end) as mrr_contracted,
        sum(case when mrr_at_end = 0 then mrr_at_start else 0 end) as mrr_churned
    from customer_changes
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    group by customer_changes.period_grain, customer_changes.period_number, segments.segment_type, segments.segment
),

changes_by_period as (
    select
        grid.*,
        coalesce(changes.mrr_new, 0) as mrr_new,
        coalesce(changes.mrr_reactivated, 0) as mrr_reactivated,
        coalesce(changes.mrr_expanded, 0) as mrr_expanded,
        coalesce(changes.mrr_contracted, 0) as mrr_contracted,
        coalesce(changes.mrr_churned, 0) as mrr_churned
    from {{ ref('int_period_segments') }} as grid
    left join changes using (period_grain, period_number, segment_type, segment)
),

closing_mrr as (
    select
        *,
        mrr_new + mrr_reactivated + mrr_expanded - mrr_contracted - mrr_churned as mrr_net_change,
        sum(mrr_new + mrr_reactivated + mrr_expanded - mrr_contracted - mrr_churned) over (
            partition by period_grain, segment_type, segment order by period_number
            rows between unbounded preceding and current row
        ) as mrr_at_end
    from changes_by_period
),

opening_mrr as (
    select *, mrr_at_end - mrr_net_change as mrr_at_start
    from closing_mrr
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    segment_type,
    segment,
    {{ money('mrr_at_start') }} as mrr_at_start,
    {{ money('mrr_new') }} as mrr_new,
    {{ money('mrr_reactivated') }} as mrr_reactivated,
    {{ money('mrr_expanded') }} as mrr_expanded,
    {{ money('mrr_contracted') }} as mrr_contracted,
    {{ money('mrr_churned') }} as mrr_churned,
    {{ money('mrr_at_end') }} as mrr_at_end,
    {{ money('mrr_at_end * 12') }} as arr_at_end,
    {{ safe_divide('mrr_churned + mrr_contracted', 'mrr_at_start') }} as gross_revenue_churn_rate,
    {{ safe_divide('mrr_at_start - mrr_churned - mrr_contracted', 'mrr_at_start') }} as gross_revenue_retention,
    {{ safe_divide(
        'mrr_at_start - mrr_churned - mrr_contracted + mrr_expanded', 'mrr_at_start'
    ) }} as net_revenue_retention,
    {{ safe_divide('mrr_new + mrr_reactivated + mrr_expanded', 'mrr_churned + mrr_contracted') }} as quick_ratio
from opening_mrr
