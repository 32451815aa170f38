-- Would customers speak well of the company: promoters less detractors, by each customer's last answer in the period.
with responses as (
    {% call(grain) by_grain() %}
    select
        '{{ grain }}' as period_grain, {{ period_number('answered_on', grain) }} as period_number,
        customer_id, score, answered_at, response_id
    from {{ ref('int_surveys') }}
    where kind = 'nps'
    {% endcall %}
),

last_responses as (
    select period_grain, period_number, customer_id, score
    from (
        select
            *,
            row_number() over (
                partition by period_grain, period_number, customer_id order by answered_at desc, response_id desc
            ) as recency
        from responses
    ) as responses_of_periods
    where recency = 1
),

-- answers of customers that nobody else knows have no segment and drop out here
response_counts as (
    select
        last_responses.period_grain,
        last_responses.period_number,
        segments.segment_type,
        segments.segment,
        count(*) as responses,
        count(case when last_responses.score >= 9 then 1 end) as promoters,
        count(case when last_responses.score <= 6 then 1 end) as detractors
    from last_responses
    inner join {{ ref('int_customer_segments') }} as segments using (customer_id)
    group by last_responses.period_grain, last_responses.period_number, segments.segment_type, segments.segment
),

responses_by_period as (
    select
        grid.*,
        coalesce(response_counts.responses, 0) as responses,
        coalesce(response_counts.promoters, 0) as promoters,
        coalesce(response_counts.detractors, 0) as detractors
    from {{ ref('int_period_segments') }} as grid
    left join response_counts using (period_grain, period_number, segment_type, segment)
),

-- p + d − (p − d)² over the common denominator: in whole numbers it never falls below 0
scores as (
    select
        *,
        {{ safe_divide('100 * (promoters - detractors)', 'responses') }} as nps,
        1.959964 * 100 * sqrt({{ safe_divide(
            'responses * (promoters + detractors) - (promoters - detractors) * (promoters - detractors)',
            'responses * responses * responses'
        ) }}) as half_width
    from responses_by_period
)

select
    period_grain,
    period_start,
    period_end,
    is_complete,
    segment_type,
    segment,
    responses,
    promoters,
    responses - promoters - detractors as passives,
    detractors,
    nps,
    case when responses > 0 then greatest(nps - half_width, -100) end as nps_low,
    case when responses > 0 then least(nps + half_width, 100) end as nps_high
from scores
