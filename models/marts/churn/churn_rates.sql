-- How many customers were lost in each period, of those there at its opening, and how many came
-- or left in another way.
with changes_by_set as (
    select
        changes.period_grain,
        changes.period_number,
        customers.segment_set,
        count(case when was_active and not is_active then 1 end) as customers_lost,
        count(case
            when was_active and not is_active and ends.control = 'voluntary' then 1
        end) as customers_lost_voluntary,
        count(case
            when was_active and not is_active and ends.control = 'involuntary' then 1
        end) as customers_lost_involuntary,
        count(case when is_active and not was_active and is_first_spell then 1 end) as customers_new,
        count(case when is_active and not was_active and not is_first_spell then 1 end) as customers_returned,
        count(case when not was_active and not is_active then 1 end) as customers_passed_through
    from {{ ref('int_customer_period_changes') }} as changes
    inner join {{ ref('int_customer_segment_sets') }} as customers using (customer_id)
    left join {{ ref('int_spell_end_reasons') }} as ends
        on ends.customer_id = changes.customer_id and ends.spell_number = changes.last_ended_spell
    group by changes.period_grain, changes.period_number, customers.segment_set
),

changes as (
    select
        changes_by_set.period_grain,
        changes_by_set.period_number,
        segments.segment_type,
        segments.segment,
        {% for customers in [
            'customers_lost', 'customers_lost_voluntary', 'customers_lost_involuntary', 'customers_new',
            'customers_returned', 'customers_passed_through',
        ] %}
        cast(sum(changes_by_set.{{ customers }}) as bigint) as {{ customers }}{{ ',' if not loop.last }}
        {% endfor %}
    from changes_by_set
    inner join {{ ref('int_segment_sets') }} as segments using (segment_set)
    group by changes_by_set.period_grain, changes_by_set.period_number, segments.segment_type, segments.segment
),

changes_by_segment as (
    select
        grid.*,
        coalesce(changes.customers_lost, 0) as customers_lost,
        coalesce(changes.customers_lost_voluntary, 0) as customers_lost_voluntary,
        coalesce(changes.customers_lost_involuntary, 0) as customers_lost_involuntary,
        coalesce(changes.customers_new, 0) as customers_new,
        coalesce(changes.customers_returned, 0) as customers_returned,
        coalesce(changes.customers_passed_through, 0) as customers_passed_through
    from {{ ref('int_period_segments') }} as grid
    left join changes using (period_grain, period_number, segment_type, segment)
),

closing_balances as (
    select
        *,
        sum(customers_new + customers_returned - customers_lost) over (
            partition by period_grain, segment_type, segment order by period_number
            rows between unbounded preceding and current row
        ) as customers_at_end
    from changes_by_segment
),

opening_balances as (
    select
        *,
        customers_at_end - customers_new - customers_returned + customers_lost as customers_at_start
    from closing_balances
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    segment_type,
    segment,
    cast(customers_at_start as bigint) as customers_at_start,
    customers_lost,
    customers_lost_voluntary,
    customers_lost_involuntary,
    customers_lost - customers_lost_voluntary - customers_lost_involuntary as customers_lost_unknown,
    cast(customers_at_start - customers_lost as bigint) as customers_kept,
    customers_new,
    customers_returned,
    customers_passed_through,
    cast(customers_at_end as bigint) as customers_at_end,
    {{ safe_divide('customers_lost', 'customers_at_start') }} as churn_rate,
    {{ wilson_low('customers_lost', 'customers_at_start') }} as churn_rate_low,
    {{ wilson_high('customers_lost', 'customers_at_start') }} as churn_rate_high,
    {{ safe_divide('customers_at_start - customers_lost', 'customers_at_start') }} as retention_rate,
    {{ safe_divide('customers_at_start - customers_at_end', 'customers_at_start') }} as net_loss_rate
from opening_balances
