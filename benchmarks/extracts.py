"""Seeded extracts of an invented company: four years to 2025-12-31, CSV or Parquet, of any size.

    python -m benchmarks.extracts FOLDER 100000 csv

Six of ten customers subscribe, a quarter of them changes plans and one plan is annual; every customer is invoiced 14
times on average. 100,000 customers are 1.66 million rows. All values come from DuckDB's hash of the row's number, so
the same version of DuckDB writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

AS_OF = "2025-12-31"
SECONDS = 126_230_400  # of the four years

# draw(n, salt, choices): a whole number below `choices`, always the same one for a row and a salt
_MACRO = "create macro draw(n, salt, choices) as (hash(n, salt) % choices)::integer"

# A subscriber's whole time, before a change of plan cuts it in two.
_SUBSCRIBERS = """
create table subscribers as
select
    n,
    'c' || n as customer_id,
    date '2022-01-01' + draw(n, 1, 1400) as started_on,
    60 + draw(n, 2, 900) as days,
    'p' || draw(n, 3, 6) as first_plan,
    'p' || draw(n, 4, 6) as second_plan,
    draw(n, 5, 4) = 0 as changes_plan,
    draw(n, 6, 3) = 0 as stays,
    1 + draw(n, 7, 3) as quantity
from range({customers} * 6 // 10) as rows(n)
"""

_SUBSCRIPTIONS = """
select
    's' || n || '-1' as subscription_id,
    customer_id,
    first_plan as plan_id,
    started_on,
    case when changes_plan then started_on + days // 2 when not stays then started_on + days end as ended_on,
    quantity,
    timestamp '2025-12-31' as updated_at
from subscribers
union all
select
    's' || n || '-2', customer_id, second_plan, started_on + days // 2,
    case when not stays then started_on + days end, quantity, timestamp '2025-12-31'
from subscribers
where changes_plan
"""

# One in forty is a credit note, one in fifty void.
_INVOICES = """
select
    'i' || n as invoice_id,
    'c' || draw(n, 11, {customers}) as customer_id,
    timestamp '2022-01-01' + to_seconds(draw(n, 12, {seconds})) as issued_at,
    if(draw(n, 13, 40) = 0, -1, 1) * (draw(n, 14, 20000) / 100)::decimal(12, 2) as amount,
    (draw(n, 14, 20000) / 180)::decimal(12, 2) as cost,
    'EUR' as currency,
    case draw(n, 15, 50) when 0 then 'void' when 1 then 'open' else 'paid' end as status,
    'e' || draw(n, 16, 50) as employee_id
"""

_TABLES = {
    "crm/customers": """
        select
            'c' || n as customer_id,
            'Name ' || n as name,
            'm' || n || '@example.org' as email,
            ['BG', 'RU', 'PH', 'GB'][1 + draw(n, 21, 4)] as country,
            ['small', 'mid', 'large'][1 + draw(n, 22, 3)] as segment,
            ['web', 'shop', 'partner', 'ads'][1 + draw(n, 23, 4)] as acquisition_channel,
            'e' || draw(n, 24, 50) as account_manager_id,
            draw(n, 25, 5) > 0 as contact_allowed
        from range({customers}) as rows(n)""",
    "crm/employees": """
        select 'e' || n as employee_id, 'Employee ' || n as name, 'team ' || n % 5 as team from range(50) as rows(n)""",
    "crm/cases": """
        select
            'k' || n as case_id,
            'c' || draw(n, 31, {customers}) as customer_id,
            opened_at,
            opened_at + to_minutes(draw(n, 32, 3000)) as first_response_at,
            opened_at + to_minutes(3000 + draw(n, 33, 9000)) as resolved_at,
            ['complaint', 'question', 'request'][1 + draw(n, 34, 3)] as kind,
            ['serious', 'minor'][1 + draw(n, 35, 2)] as severity,
            ['mail', 'phone', 'chat'][1 + draw(n, 36, 3)] as channel,
            'e' || draw(n, 37, 50) as employee_id
        from (
            select n, timestamp '2022-01-01' + to_seconds(draw(n, 38, {seconds})) as opened_at
            from range({customers} // 2) as rows(n)
        )""",
    "crm/surveys": """
        select
            'q' || n as response_id,
            'c' || draw(n, 41, {customers}) as customer_id,
            ['nps', 'csat'][1 + n % 2] as kind,
            if(n % 2 = 0, draw(n, 42, 11), 1 + draw(n, 42, 5)) as score,
            timestamp '2022-01-01' + to_seconds(draw(n, 43, {seconds})) as answered_at
        from range({customers} // 4) as rows(n)""",
    "crm/departures": """
        select
            'd' || n as departure_id,
            customer_id,
            (started_on + days)::timestamp + interval 2 hour as noted_at,
            ['too expensive', 'poor service', 'moved away', 'went to a competitor', 'slow answers', 'no longer needed',
                'quality', 'did not pay'][1 + draw(n, 51, 8)] as reason
        from subscribers
        where not stays and started_on + days <= date '{as_of}' and draw(n, 52, 2) = 0""",
    "billing/plans": """
        select
            'p' || n as plan_id,
            'Plan ' || n as name,
            if(n = 5, 'year', 'month') as interval,
            [9, 19, 29, 49, 99, 490][n + 1] as price,
            'EUR' as currency
        from range(6) as rows(n)""",
    "billing/subscriptions": _SUBSCRIPTIONS,
    "billing/invoices": _INVOICES + "from range({customers} * 14) as rows(n)",
}

# What a later day brings: new invoices of that day, corrected amounts of earlier ones, subscriptions that end.
_CHANGES = {
    "billing/invoices": f"""
        select * replace (timestamp '{AS_OF} 10:00:00' as issued_at)
        from ({_INVOICES} from (
            select {{customers}} * 14 + {{first}} + n as n from range({{new}}) as rows(n)
        ))
        union all
        select * replace (amount + 1 as amount)
        from ({_INVOICES} from (
            select distinct draw(n, {{salt}}, {{customers}} * 14) as n from range({{changed}}) as rows(n)
        ))""",
    "billing/subscriptions": f"""
        select * replace (coalesce(ended_on, date '{AS_OF}') as ended_on)
        from ({_SUBSCRIPTIONS})
        where started_on < date '{AS_OF}' and hash(subscription_id, {{salt}}) % 1000 = 0""",
}


def write_extracts(folder: Path, customers: int, form: str = "csv") -> None:
    """The extracts of a company of so many customers, one file per table."""
    _write(folder, customers, form, "", _TABLES)


def write_changes(folder: Path, customers: int, form: str, day: int) -> None:
    """The delivery of a later day: a thousandth of the invoices and subscriptions, new and changed."""
    rows = customers * 14 // 1000
    new = rows * 8 // 10
    _write(
        folder,
        customers,
        form,
        f"_{day:04}",
        _CHANGES,
        first=day * new,
        new=new,
        changed=rows - new,
        salt=100 + day,
    )


def _write(folder: Path, customers: int, form: str, suffix: str, tables: dict[str, str], **values: int) -> None:
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute(_MACRO)
        con.execute(_SUBSCRIBERS.format(customers=customers))
        for name, query in tables.items():
            file = folder / f"{name}{suffix}.{form}"
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = query.format(customers=customers, seconds=SECONDS, as_of=AS_OF, **values)
            con.execute(f"copy ({rows}) to '{file}' (format {form})")


if __name__ == "__main__":
    write_extracts(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
