{{ config(by='customer_id') }}
-- One row per customer and day on which its MRR changes: the openings of that day and of the next differ.
with events as (
    select customer_id, started_on as occurred_on, monthly_amount as mrr_change from {{ ref('int_mrr_intervals') }}
    union all
    select customer_id, ended_on, -monthly_amount from {{ ref('int_mrr_intervals') }} where ended_on is not null
),

changes as (
    select customer_id, occurred_on, sum(mrr_change) as mrr_change
    from events
    group by customer_id, occurred_on
    having sum(mrr_change) <> 0
),

running_mrr as (
    select
        customer_id,
        occurred_on,
        mrr_change,
        sum(mrr_change) over (
            partition by customer_id order by occurred_on rows between unbounded preceding and current row
        ) as mrr_after,
        row_number() over (partition by customer_id order by occurred_on) as change_number
    from changes
)

select
    customer_id,
    occurred_on,
    case
        when change_number = 1 then 'new'
        when mrr_after = mrr_change then 'reactivation'
        when mrr_after = 0 then 'churn'
        when mrr_change > 0 then 'expansion'
        else 'contraction'
    end as movement,
    {{ money('mrr_after - mrr_change') }} as mrr_before,
    {{ money('mrr_after') }} as mrr_after,
    {{ money('mrr_change') }} as mrr_change
from running_mrr
