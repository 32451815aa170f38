-- Σ over the days of a period of spell ends that day ÷ customers active at that day's opening. Only days on which a
-- spell starts or ends are looked at: on all others nobody is lost and the number of active customers stands.
with events as (
    select customer_id, started_on as occurred_on, 1 as started, 0 as ended
    from {{ ref('int_customer_spells') }}
    union all
    select customer_id, ended_on, 0, 1
    from {{ ref('int_customer_spells') }}
    where ended_on is not null
),

days as (
    select
        segments.segment_type,
        segments.segment,
        events.occurred_on,
        sum(events.started) as started,
        sum(events.ended) as ended
    from events
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    group by segments.segment_type, segments.segment, events.occurred_on
),

running_counts as (
    select
        *,
        sum(started - ended) over (
            partition by segment_type, segment order by occurred_on rows between unbounded preceding and current row
        ) as active_after,
        lead(occurred_on) over (partition by segment_type, segment order by occurred_on) as next_occurred_on
    from days
),

daily_rates as (
    select
        segment_type,
        segment,
        occurred_on,
        active_after,
        {{ safe_divide('ended', 'active_after - started + ended') }} as daily_rate
    from running_counts
),

period_days as (
    {% call(grain) by_grain() %}
    select '{{ grain }}' as period_grain, {{ period_number('occurred_on', grain) }} as period_number, daily_rates.*
    from daily_rates
    {% endcall %}
),

by_period as (
    select
        grid.period_grain,
        grid.period_number,
        grid.segment_type,
        grid.segment,
        {{ ordered_sum('period_days.daily_rate', 'period_days.occurred_on') }} as sum_of_daily_rates,
        -- the day after an event, if it still belongs to the period, opens with what the event left
        max(case
            when {{ add_days('period_days.occurred_on', 1) }} < grid.period_end then period_days.active_after
            else 0
        end) as most_active,
        max_by(period_days.active_after, period_days.occurred_on) as active_at_end
    from {{ ref('int_period_segments') }} as grid
    left join period_days using (period_grain, period_number, segment_type, segment)
    group by grid.period_grain, grid.period_number, grid.segment_type, grid.segment
),

period_closings as (
    select
        *,
        {{ last_known('active_at_end', 'period_grain, segment_type, segment', 'period_number') }} as closing
    from by_period
),

period_openings as (
    select
        *,
        coalesce(
            lag(closing) over (partition by period_grain, segment_type, segment order by period_number), 0
        ) as opening
    from period_closings
)

select
    period_grain,
    period_number,
    segment_type,
    segment,
    case when opening > 0 or most_active > 0 then coalesce(sum_of_daily_rates, 0) end as sum_of_daily_rates
from period_openings
