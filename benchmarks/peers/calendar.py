"""MRR by movement and logo churn as dbt's MRR playbook and Fivetran's Stripe package calculate them: a row for every
customer and month, each compared with the month before. In DuckDB, out of tables that are loaded already.

Months meet at their openings, as in the marts: a row runs at an opening when it has started before and not ended.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers import AS_OF, LAPSE_DAYS, timed

QUERIES = """
create table openings as
select unnest(
    generate_series(timestamp '2022-01-01', timestamp '{as_of}' + interval 1 day, interval 1 month)
)::date as month;

create table subscription as
select
    customer_id,
    started_on,
    coalesce(ended_on, date '9999-12-31') as ended_on,
    round(quantity * price / if(interval = 'year', 12, 1), 2)::decimal(18, 2) as amount
from source.subscriptions join source.plans using (plan_id)
where started_on <= date '{as_of}';

-- every subscriber × every month, as the playbook has it: months without revenue are rows of 0
create table customer_month as
select
    spine.customer_id,
    spine.month,
    coalesce(sum(subscription.amount), 0) as mrr
from (from (select distinct customer_id from subscription) cross join openings) as spine
left join subscription
    on subscription.customer_id = spine.customer_id
    and subscription.started_on < spine.month
    and subscription.ended_on >= spine.month
group by all;

create table mrr as
with compared as (
    select
        month - interval 1 month as month,
        coalesce(lag(mrr) over by_month, 0) as before,
        mrr as after,
        coalesce(max(mrr) over (by_month rows between unbounded preceding and 1 preceding), 0) = 0 as is_first
    from customer_month
    window by_month as (partition by customer_id order by month)
)
select
    month::date as period_start,
    sum(if(before = 0 and is_first, after, 0)) as mrr_new,
    sum(if(before = 0 and not is_first, after, 0)) as mrr_reactivated,
    sum(if(before > 0 and after > before, after - before, 0)) as mrr_expanded,
    sum(if(after > 0 and after < before, before - after, 0)) as mrr_contracted,
    sum(if(after = 0, before, 0)) as mrr_churned
from compared
where month >= date '2022-01-01'
group by all;

create table activity as
select customer_id, started_on, ended_on from subscription
union all
select distinct customer_id, issued_at::date, issued_at::date + {lapse}
from source.invoices
where status <> 'void' and amount > 0 and issued_at::date <= date '{as_of}'
    and customer_id not in (select customer_id from subscription);

create table active_month as
select distinct customer_id, month
from activity
join openings on activity.started_on < month and activity.ended_on >= month;

create table churn as
select
    openings.month as period_start,
    count(active.customer_id) as customers_at_start,
    count(*) filter (where active.customer_id is not null and following.customer_id is null) as customers_lost
from openings
left join active_month as active using (month)
left join active_month as following
    on following.customer_id = active.customer_id and following.month = active.month + interval 1 month
where openings.month <= date '{as_of}'
group by all;
"""


def calculate(database: Path, out: Path) -> None:
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute(f"attach '{database}' as source (read_only)")
        con.execute(QUERIES.format(as_of=AS_OF, lapse=LAPSE_DAYS))
        for table in ("mrr", "churn"):
            con.execute(f"copy {table} to '{out / table}.parquet'")


if __name__ == "__main__":
    timed(calculate)
