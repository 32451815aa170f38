-- Why the customers of each period were lost, with the period before. Reasons that lost nobody in either have no row.
with losses as (
    select
        losses.period_grain,
        losses.period_number,
        segments.segment_type,
        segments.segment,
        ends.reason_code,
        count(*) as customers_lost,
        sum(losses.sales) as lost_customers_sales,
        sum(case when ends.is_interviewed then 1 else 0 end) as interviewed
    from {{ ref('int_period_losses') }} as losses
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    inner join {{ ref('int_spell_end_reasons') }} as ends using (customer_id, spell_number)
    group by losses.period_grain, losses.period_number, segments.segment_type, segments.segment, ends.reason_code
),

-- each loss counts in its own period and, as the one before, in the next
counted_losses as (
    select
        period_grain, period_number, segment_type, segment, reason_code,
        customers_lost, lost_customers_sales, interviewed, 0 as customers_lost_before
    from losses

    union all

    select
        period_grain, period_number + 1, segment_type, segment, reason_code,
        0, 0, 0, customers_lost
    from losses
),

loss_sums as (
    select
        period_grain,
        period_number,
        segment_type,
        segment,
        reason_code,
        cast(sum(customers_lost) as bigint) as customers_lost,
        cast(sum(customers_lost_before) as bigint) as customers_lost_before,
        sum(lost_customers_sales) as lost_customers_sales,
        cast(sum(interviewed) as bigint) as interviewed
    from counted_losses
    group by period_grain, period_number, segment_type, segment, reason_code
)

select
    grid.period_grain,
    grid.period_start,
    grid.period_end,
    grid.is_complete,
    grid.segment_type,
    grid.segment,
    loss_sums.reason_code,
    reasons.reason,
    reasons.reason_group,
    reasons.nature,
    reasons.control,
    loss_sums.customers_lost,
    {{ safe_divide(
        'loss_sums.customers_lost',
        'sum(loss_sums.customers_lost) over ('
        ~ 'partition by grid.period_grain, grid.period_number, grid.segment_type, grid.segment)'
    ) }} as share_of_lost,
    loss_sums.customers_lost_before,
    loss_sums.customers_lost - loss_sums.customers_lost_before as change,
    {{ money('loss_sums.lost_customers_sales') }} as lost_customers_sales,
    loss_sums.interviewed
from loss_sums
inner join {{ ref('int_period_segments') }} as grid using (period_grain, period_number, segment_type, segment)
inner join {{ ref('int_churn_reasons') }} as reasons using (reason_code)
