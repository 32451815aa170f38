"""Lists of the present state: in whatever order and parts they are delivered, the marts are the same."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from pathlib import Path

import duckdb
import pytest

from tests.churn import churn

AS_OF = date(2024, 4, 30)
HISTORY = """
tables:
  billing.subscriptions:
    files: "**/clients_*.csv"
    delivery: snapshot
    snapshot: "clients_%Y-%m-%d"
    history: true
    columns: {subscription_id: no, customer_id: no, started_on: since, unit_price: fee, status: status, currency: {value: EUR}}
"""
HEADER = "no,since,fee,status\n"
# Who is new, gone, back, dearer, paused, and unchanged; the last list is like the one before.
LISTS = {
    "2024-01-31": "a,2023-05-01,30,active\nb,2023-06-15,30,active\nc,,45,active\nd,2024-01-10,30,active\n",
    "2024-02-29": "a,2023-05-01,35,active\nc,,45,paused\nd,2024-01-10,30,active\ne,2024-02-03,20,active\n",
    "2024-03-31": "a,2023-05-01,35,active\nb,2023-06-15,30,active\nc,,45,active\ne,2024-02-03,20,active\n",
    "2024-04-30": "a,2023-05-01,35,active\nb,2023-06-15,30,active\nc,,45,active\ne,2024-02-03,20,active\n",
}


class Company:
    """A folder of extracts and its warehouse."""

    def __init__(self, folder: Path, mapping: str) -> None:
        self.extracts, self.warehouse = folder / "extracts", folder / "warehouse"
        self.extracts.mkdir(parents=True)
        (self.extracts / "extracts.yml").write_text(mapping, encoding="utf-8")

    def deliver(self, name: str, rows: str) -> None:
        (self.extracts / name).parent.mkdir(parents=True, exist_ok=True)
        (self.extracts / name).write_text(HEADER + rows, encoding="utf-8")

    def refresh(self) -> None:
        done = churn("refresh", "--extracts", self.extracts, "--warehouse", self.warehouse, "--as-of", AS_OF)
        assert done.code == 0, done.err

    def marts(self) -> dict[str, bytes]:
        """The published marts; which files changed a closed month is told of each refresh anew."""
        exports = (self.warehouse / "exports").glob("*.parquet")
        return {file.name: file.read_bytes() for file in exports if file.name != "restatements.parquet"}


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Company:
    company = Company(tmp_path_factory.mktemp("at_once"), HISTORY)
    for day, rows in LISTS.items():
        company.deliver(f"clients_{day}.csv", rows)
    company.refresh()
    return company


def test_lists_become_periods(at_once):
    with duckdb.connect(str(at_once.warehouse / "churn.duckdb"), read_only=True) as con:
        spells = con.execute(
            "select customer_id, started_on, ended_on from marts.fct_customer_spells order by all"
        ).fetchall()
    assert spells == [
        ("a", date(2023, 5, 1), None),
        ("b", date(2023, 6, 15), date(2024, 2, 29)),
        ("b", date(2024, 3, 31), None),
        ("c", date(2024, 1, 31), date(2024, 2, 29)),
        ("c", date(2024, 3, 31), None),
        ("d", date(2024, 1, 10), date(2024, 3, 31)),
        ("e", date(2024, 2, 3), None),
    ]


@pytest.mark.parametrize("order", [list(permutations(LISTS))[n] for n in (23,)], ids=lambda order: " ".join(order))
def test_the_same_lists_in_any_order_give_the_same_marts(at_once, tmp_path, order):
    company = Company(tmp_path, HISTORY)
    for day in order:
        company.deliver(f"clients_{day}.csv", LISTS[day])
        company.refresh()
    assert company.marts() == at_once.marts()


def test_a_list_in_parts_gives_the_same_marts(at_once, tmp_path):
    company = Company(tmp_path, HISTORY)
    for day, rows in LISTS.items():
        for number, row in enumerate(rows.splitlines(keepends=True)):
            company.deliver(f"part-{number % 3}/{number}/clients_{day}.csv", row)
    company.refresh()
    assert company.marts() == at_once.marts()
