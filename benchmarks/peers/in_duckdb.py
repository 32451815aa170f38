"""Spells, MRR movements, monthly churn and month cohorts in SQL written by hand for these extracts, in DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers import AS_OF, LAPSE_DAYS, extract, timed

READ = """
create table subscription as
select
    customer_id,
    started_on,
    case when ended_on <= date '{as_of}' then ended_on end as ended_on,
    round(quantity * price / if(interval = 'year', 12, 1), 2)::decimal(18, 2) as amount
from '{subscriptions}' join '{plans}' using (plan_id)
where started_on <= date '{as_of}';

create table invoice as
select customer_id, issued_at::date as issued_on, amount::decimal(18, 2) as amount
from '{invoices}'
where status <> 'void' and issued_at::date <= date '{as_of}';
"""

# Intervals merge into spells where they touch: islands of a running maximum.
SPELLS = """
create table activity as
select customer_id, started_on, coalesce(ended_on, date '9999-12-31') as ended_on from subscription
union all
select distinct
    customer_id,
    issued_on,
    if(issued_on + {lapse} <= date '{as_of}', issued_on + {lapse}, date '9999-12-31')
from invoice
where amount > 0 and customer_id not in (select customer_id from subscription);

create table spell as
with covered as (
    select *, max(ended_on) over (
        partition by customer_id order by started_on, ended_on rows between unbounded preceding and 1 preceding
    ) as covered_until
    from activity
),
numbered as (
    select *, count(*) filter (where covered_until is null or started_on > covered_until) over (
        partition by customer_id order by started_on, ended_on rows unbounded preceding
    ) as spell_number
    from covered
)
select customer_id, min(started_on) as started_on, nullif(max(ended_on), date '9999-12-31') as ended_on
from numbered
group by customer_id, spell_number;
"""

MOVEMENTS = """
create table movement as
with changed as (
    select customer_id, occurred_on, sum(amount) as mrr_change
    from (
        select customer_id, started_on as occurred_on, amount from subscription
        union all
        select customer_id, ended_on, -amount from subscription where ended_on is not null
    )
    group by all
    having sum(amount) <> 0
)
select *, sum(mrr_change) over (partition by customer_id order by occurred_on) as mrr_after from changed;
"""

# A spell that runs at a month's opening and ends in it loses its customer, unless the next one runs at its close.
CHURN = """
create table churn as
with months as (
    select unnest(generate_series(
        date_trunc('month', (select min(started_on) from spell)), timestamp '{as_of}', interval 1 month
    ))::date as period_start
),
started as (select date_trunc('month', started_on) as month, count(*) as spells from spell group by 1),
ended as (
    select
        date_trunc('month', ended_on) as month,
        count(*) as spells,
        count(*) filter (
            where started_on < date_trunc('month', ended_on)
                and coalesce(next_started_on >= date_trunc('month', ended_on) + interval 1 month, true)
        ) as lost
    from (
        select *, lead(started_on) over (partition by customer_id order by started_on) as next_started_on from spell
    )
    where ended_on is not null
    group by 1
)
select
    period_start,
    coalesce(sum(coalesce(started.spells, 0) - coalesce(ended.spells, 0)) over (
        order by period_start rows between unbounded preceding and 1 preceding
    ), 0) as customers_at_start,
    coalesce(lost, 0) as customers_lost
from months
left join started on started.month = period_start
left join ended on ended.month = period_start;
"""

COHORTS = """
create table cohort as
with runs as (
    select
        customer_id,
        started_on,
        datediff('month', date '2000-01-01', started_on) as first_month,
        datediff('month', date '2000-01-01', greatest(coalesce(ended_on - 1, date '{as_of}'), started_on)) as last_month
    from spell
),
first as (
    select customer_id, min(started_on) as started_on, min(first_month) as month from runs group by customer_id
),
present as (
    select month, age, count(distinct customer_id) as customers_active
    from (
        select customer_id, month, unnest(range(first_month - month, last_month - month + 1)) as age
        from runs join first using (customer_id)
    )
    group by month, age
),
sold as (
    select month, datediff('month', date '2000-01-01', issued_on) - month as age, sum(amount) as revenue
    from invoice join first using (customer_id)
    where issued_on >= started_on
    group by all
)
select
    (date '2000-01-01' + to_months(month::integer))::date as cohort_start,
    age,
    coalesce(customers_active, 0) as customers_active,
    coalesce(revenue, 0) as revenue
from present full join sold using (month, age);
"""


def calculate(extracts: Path, out: Path) -> None:
    files = {table: extract(extracts, f"billing/{table}") for table in ("subscriptions", "plans", "invoices")}
    with duckdb.connect(config={"threads": 2}) as con:
        for statement in (READ, SPELLS, MOVEMENTS, CHURN, COHORTS):
            con.execute(statement.format(as_of=AS_OF, lapse=LAPSE_DAYS, **files))
        for table in ("spell", "movement", "churn", "cohort"):
            con.execute(f"copy {table} to '{out / table}.parquet'")


if __name__ == "__main__":
    timed(calculate)
