-- Every customer has one value of each segment type, so the answers of its segments add up to the company's.
with totals as (
    select
        period_grain,
        period_start,
        segment_type,
        sum(responses) as responses,
        sum(promoters) as promoters,
        sum(detractors) as detractors
    from {{ ref('net_promoter_score') }}
    group by period_grain, period_start, segment_type
)

select totals.*
from totals
inner join {{ ref('net_promoter_score') }} as company
    on company.period_grain = totals.period_grain
    and company.period_start = totals.period_start
    and company.segment_type = 'all'
where totals.responses <> company.responses
    or totals.promoters <> company.promoters
    or totals.detractors <> company.detractors
