-- The same periods as other systems would report them: one row per definition of the churn rate.
with spell_ends as (
    select
        changes.period_grain,
        changes.period_number,
        segments.segment_type,
        segments.segment,
        sum(changes.spells_ended) as spells_ended
    from {{ ref('int_customer_period_changes') }} as changes
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    group by changes.period_grain, changes.period_number, segments.segment_type, segments.segment
),

daily_rates as (
    select period_grain, period_number, segment_type, segment, sum_of_daily_rates
    from {{ ref('int_daily_churn') }}
),

counts as (
    select
        grid.*,
        rates.customers_at_start as opening,
        rates.customers_at_end as closing,
        rates.customers_lost as lost,
        rates.customers_new + rates.customers_returned + rates.customers_passed_through as came,
        rates.customers_passed_through as passed_through,
        coalesce(spell_ends.spells_ended, 0) as spells_ended,
        daily_rates.sum_of_daily_rates
    from {{ ref('int_period_segments') }} as grid
    inner join {{ ref('churn_rates') }} as rates using (period_grain, period_start, segment_type, segment)
    left join spell_ends using (period_grain, period_number, segment_type, segment)
    left join daily_rates using (period_grain, period_number, segment_type, segment)
),

definition_values as (
    {% set definitions = {
        'lost_over_start': ('lost', 'opening'),
        'net_change': ('opening - closing', 'opening'),
        'lost_over_average': ('lost', '(opening + closing) / 2.0'),
        'events_over_start': ('spells_ended', 'opening'),
        'lost_over_start_and_new': ('lost + passed_through', 'opening + came'),
    } %}
    {% for definition, parts in definitions.items() %}
    select
        period_grain, period_start, period_end, is_complete, segment_type, segment,
        '{{ definition }}' as definition,
        cast({{ parts[0] }} as double) as numerator,
        cast({{ parts[1] }} as double) as denominator,
        {{ safe_divide(parts[0], parts[1]) }} as rate
    from counts

    union all
    {% endfor %}

    select
        period_grain, period_start, period_end, is_complete, segment_type, segment,
        'daily' as definition,
        cast(null as double) as numerator,
        cast(null as double) as denominator,
        sum_of_daily_rates as rate
    from counts
)

select * from definition_values
