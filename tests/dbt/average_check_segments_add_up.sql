-- Every customer has one value of each segment type, so purchases and money of its segments add up to the company's.
with totals as (
    select
        period_grain,
        period_start,
        segment_type,
        sum(purchases) as purchases,
        sum(customers_purchasing) as customers_purchasing,
        sum(purchase_amount) as purchase_amount,
        sum(revenue) as revenue
    from {{ ref('average_check') }}
    group by period_grain, period_start, segment_type
)

select totals.*
from totals
inner join {{ ref('average_check') }} as company
    on company.period_grain = totals.period_grain
    and company.period_start = totals.period_start
    and company.segment_type = 'all'
where totals.purchases <> company.purchases
    or totals.customers_purchasing <> company.customers_purchasing
    or totals.purchase_amount <> company.purchase_amount
    or totals.revenue <> company.revenue
