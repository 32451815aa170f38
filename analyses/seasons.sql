-- Question: In which months of the year do customers leave?
-- Rows:     one per month of the year, over all complete months.
-- Read:     season_index is the churn rate of all Januaries together ÷ that of all months: 1.3 = 30 % above the
--           usual. lowest and highest are single years: it is a season where even the lowest is above the usual rate,
--           or the highest below it.
-- Traps:    with less than three years this shows accidents rather than seasons. A trend hides in it too: if churn
--           falls over the years, the months that have one year more weigh in the past. Yearly plans end in the month
--           in which they began: compare with the months of most sales.
select
    month(period_start) as month_of_year,
    count(*) as years,
    sum(customers_at_start) as customers_at_start,
    sum(customers_lost) as customers_lost,
    sum(customers_lost) / sum(customers_at_start) as churn_rate,
    sum(customers_lost) / sum(customers_at_start)
        / (sum(sum(customers_lost)) over () / sum(sum(customers_at_start)) over ()) as season_index,
    min(churn_rate) as lowest,
    max(churn_rate) as highest
from {{ ref('churn_rates') }}
where period_grain = 'month' and segment_type = 'all' and is_complete and customers_at_start > 0
group by month(period_start)
order by month_of_year
