"""Restatements against the literal reference, refresh by refresh, of a random company whose rows arrive in turn."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from orchestration.warehouse.folder import REFRESH_HISTORY
from tests.marts import columns_of, described, key_of
from tests.properties.harness import Warehouse, variables
from tests.properties.strategies import SHARED, Recipe, only
from tests.reference.company import Company, Policies, Subscription
from tests.reference.compare import differences
from tests.reference.facts import Facts
from tests.reference.restatements import Refresh, restatements

MART = described()["restatements"]
BEGIN, AHEAD = datetime(2025, 1, 1), datetime(2099, 1, 1)
AS_OF = date(2024, 11, 20)


def arrived(company: Company, by: int) -> Company:
    """The company as far as its rows have arrived: most at first, some with the second and third delivery."""
    rng = Random("arrivals")
    tables = {
        field.name: [row for row in getattr(company, field.name) if rng.choice((1,) * 8 + (2, 3)) <= by]
        for field in fields(Company)
        if field.name not in SHARED
    }
    return replace(company, **tables)


def begun(company: Company, by: date) -> Company:
    """The company without the customers who were there before `by`."""
    facts = Facts(company)
    early = {one.customer_id for one in facts.customers if any(spell.started_on < by for spell in one.spells)}
    rows = [row for field in fields(Company) if field.name not in SHARED for row in getattr(company, field.name)]
    return only(company, {row.customer_id for row in rows if facts.owner(row.customer_id) not in early})


def story(seed: int) -> list[Refresh]:
    """A late delivery; one that is refused at first, then published; another policy;
    a later as_of with another version of the code; back to the beginning; nothing new; without the customers of the
    first months, so that these are gone, and stay so; and with them again. The clock is ahead at first, then set right.
    """
    company = Recipe(seed, date(2024, 12, 31), 26, Policies(segments=()), 150).company()
    deliveries = [replace(arrived(company, by), as_of=AS_OF) for by in (1, 2, 3)]
    patient = replace(deliveries[2], policies=Policies(segments=(), grace_days=45))
    young = begun(deliveries[2], by=date(2023, 6, 1))
    chapters = [
        (deliveries[0], "1", ("billing.invoices: a.csv",), True),
        (deliveries[1], "1", tuple(f"billing.invoices: b{number:02}.csv" for number in range(22)), True),
        (deliveries[2], "1", ("crm.customers: c.csv", "billing.subscriptions: c.csv"), False),
        (deliveries[2], "1", ("billing.plans: c.csv",), True),
        (patient, "1", (), True),
        (replace(patient, as_of=date(2024, 12, 31)), "2", (), True),
        (deliveries[2], "2", (), True),
        (deliveries[2], "2", (), True),
        (young, "2", ("billing.subscriptions: d.csv",), True),
        (young, "2", (), True),
        (deliveries[2], "2", ("billing.subscriptions: e.csv",), True),
    ]
    return [
        Refresh(f"r{n:02}", BEGIN + timedelta(hours=n) if n else AHEAD, company, code, files, is_published)
        for n, (company, code, files, is_published) in enumerate(chapters)
    ]


HISTORY = """
create schema history;
create table history.closed_month_versions (
    refresh_id varchar, period_start date, customers_at_start bigint, customers_lost bigint, customers_at_end bigint,
    mrr_at_start decimal(38, 12), mrr_churned decimal(38, 12), mrr_at_end decimal(38, 12), cause varchar, files varchar
)
"""


class Told(Warehouse):
    """A warehouse that keeps the history of its refreshes, as the command does around dbt."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ["restatements"])
        REFRESH_HISTORY.create(self.con)
        self.con.execute(HISTORY)

    def refresh(self, refresh: Refresh) -> list[dict]:
        """The restatements at the end of a refresh, which then is published or refused."""
        policies = {name: value for name, value in variables(refresh.company).items() if name != "as_of"}
        loaded_at, finished_at = (refresh.started_at + timedelta(minutes=minutes) for minutes in (10, 30))
        self.con.execute(
            "insert into quality.refresh_history values (?, ?, null, ?, 'running', ?, ?, null)",
            [refresh.refresh_id, refresh.started_at, refresh.company.as_of, json.dumps(policies), refresh.code_version],
        )
        for text in refresh.files:
            table, file = text.split(": ")
            self.con.execute(
                "insert into raw.loads by name select ? as load_id, ? as loaded_at, ? as refresh_id",
                [text, loaded_at, refresh.refresh_id],
            )
            self.con.execute(
                "insert into raw.files by name select ? as table_name, ? as file, ? as file_order, ? as load_id,"
                " true as is_current, ? as loaded_at, ? as refresh_id",
                [table, file, file, text, loaded_at, refresh.refresh_id],
            )
        rows = self.build(refresh.company)["restatements"]
        status = "published" if refresh.is_published else "refused"
        self.con.execute(
            "update quality.refresh_history set status = ?, finished_at = ? where refresh_id = ?",
            [status, finished_at, refresh.refresh_id],
        )
        return rows


def test_restatements_agree_with_the_reference(tmp_path):
    warehouse, refreshes = Told(tmp_path), story(1)
    for number, refresh in enumerate(refreshes):
        rows = warehouse.refresh(refresh)
        told = [*refreshes[:number], replace(refresh, is_published=True)]  # as it is about to be
        assert differences(rows, restatements(told), key_of(MART)) == []

    assert set(rows[0]) == columns_of(MART)
    assert all(len({row[column] for row in rows}) > 1 for column in rows[0])
    assert {row["cause"] for row in rows} == {"extracts", "policies", "definitions, as_of", "policies, as_of"}


def test_months_that_are_gone_for_no_reason_are_unexplained(tmp_path):
    """A was published with 10 EUR a month from 5 January to 10 March 2023; nothing new comes, and A is no more. B
    starts in 2024, so that no month that is left has other numbers.
    """
    warehouse = Told(tmp_path)
    a = Subscription("a", date(2023, 1, 5), "A", ended_on=date(2023, 3, 10), unit_price=Decimal(10))
    b = Subscription("b", date(2024, 1, 5), "B", unit_price=Decimal(20))
    for number, subscriptions in enumerate([[a, b], [b]]):
        company = Company(AS_OF, policies=Policies(segments=()), subscriptions=subscriptions)
        rows = warehouse.refresh(Refresh(f"r{number}", BEGIN + timedelta(hours=number), company, "1", (), True))
    changes = ("customers_at_start", "customers_lost", "customers_at_end", "mrr_at_start", "mrr_churned", "mrr_at_end")
    assert {row["period_start"].month: [row[f"{name}_change"] for name in changes] for row in rows} == {
        1: [0, 0, -1, 0, 0, -10],
        2: [-1, 0, -1, -10, 0, -10],
        3: [-1, -1, 0, -10, -10, 0],
    }
    assert {(row["churn_rate"], row["cause"]) for row in rows} == {(None, "unexplained")}
