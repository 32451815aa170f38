-- One row per customer and period at whose opening the customer is active, with what became of it by the end. A view
-- over published facts: customers × periods are many rows, so they are joined only when somebody asks.
with periods as (
    select
        period_grain,
        period_start,
        period_end,
        is_complete,
        lag(period_start) over (partition by period_grain order by period_start) as previous_start
    from {{ published('churn_rates') }}
    where segment_type = 'all'
),

-- no end is a far one: a plain comparison, by which an engine can join
spells as (
    select
        customer_id,
        started_on,
        coalesce(ended_on, {{ far_future() }}) as ended_on,
        coalesce(
            lead(started_on) over (partition by customer_id order by spell_number), {{ far_future() }}
        ) as returned_on,
        control
    from {{ published('fct_customer_spells') }}
),

mrr as (
    select
        customer_id,
        occurred_on as started_on,
        coalesce(
            lead(occurred_on) over (partition by customer_id order by occurred_on), {{ far_future() }}
        ) as ended_on,
        mrr_after as amount
    from {{ published('fct_mrr_movements') }}
),

invoices as (
    select customer_id, issued_on, amount from {{ published('fct_purchases') }}
    union all
    select customer_id, issued_on, amount from {{ published('fct_credit_notes') }}
),

-- the base of lost sales: revenue of the period before
sales as (
    select invoices.customer_id, periods.period_grain, periods.period_start, sum(invoices.amount) as amount
    from periods
    inner join invoices on invoices.issued_on >= periods.previous_start and invoices.issued_on < periods.period_start
    group by invoices.customer_id, periods.period_grain, periods.period_start
)

select
    spells.customer_id,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    periods.is_complete,
    losses.customer_id is not null as is_lost,
    losses.control,
    coalesce(mrr_at_start.amount, 0) as mrr_at_start,
    coalesce(mrr_at_end.amount, 0) as mrr_at_end,
    coalesce(sales.amount, 0) as sales_before
from periods
inner join spells on {{ active_at_opening('spells', 'periods.period_start') }}
-- lost by the last spell that ended in the period, unless the customer returned in it
left join spells as losses
    on losses.customer_id = spells.customer_id
    and losses.ended_on >= periods.period_start
    and losses.ended_on < periods.period_end
    and losses.returned_on >= periods.period_end
left join mrr as mrr_at_start
    on mrr_at_start.customer_id = spells.customer_id
    and {{ active_at_opening('mrr_at_start', 'periods.period_start') }}
left join mrr as mrr_at_end
    on mrr_at_end.customer_id = spells.customer_id
    and {{ active_at_opening('mrr_at_end', 'periods.period_end') }}
left join sales
    on sales.customer_id = spells.customer_id
    and sales.period_grain = periods.period_grain
    and sales.period_start = periods.period_start
