"""Lists of the present state: in whatever order and parts they are delivered, what the models read is the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from random import Random

import duckdb
import pytest

from orchestration.contract.mapping import load_mapping
from orchestration.loading import read_extracts
from orchestration.loading.discovery import find_extracts
from tests import staged
from tests.churn import published

AS_OF = date(2024, 4, 30)
HISTORY = """
tables:
  billing.subscriptions:
    files: "**/clients_*.csv"
    delivery: snapshot
    snapshot: "clients_%Y-%m-%d"
    history: true
    columns: {subscription_id: no, customer_id: no, started_on: since, unit_price: fee, status: status,
      currency: {value: EUR}}
"""
HEADER = "no,since,fee,status\n"
# Who is new, gone, back, dearer, paused, and unchanged; the last list is like the one before.
LISTS = {
    "2024-01-31": "a,2023-05-01,30,active\nb,2023-06-15,30,active\nc,,45,active\nd,2024-01-10,30,active\n",
    "2024-02-29": "a,2023-05-01,35,active\nc,,45,paused\nd,2024-01-10,30,active\ne,2024-02-03,20,active\n",
    "2024-03-31": "a,2023-05-01,35,active\nb,2023-06-15,30,active\nc,,45,active\ne,2024-02-03,20,active\n",
    "2024-04-30": "a,2023-05-01,35,active\nb,2023-06-15,30,active\nc,,45,active\ne,2024-02-03,20,active\n",
}


def test_lists_become_periods(tmp_path):
    for day, rows in LISTS.items():
        (tmp_path / "extracts").mkdir(exist_ok=True)
        (tmp_path / "extracts" / f"clients_{day}.csv").write_text(HEADER + rows, encoding="utf-8")
    (tmp_path / "extracts" / "extracts.yml").write_text(HISTORY, encoding="utf-8")
    with duckdb.connect(str(published(tmp_path, AS_OF) / "churn.duckdb"), read_only=True) as con:
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


# --- any delivery: the rows that all models read are the same

MODELS = "base_billing__subscriptions stg_billing__subscriptions int_status_since int_subscription_history"
COMPARED = {
    "staging.stg_billing__subscriptions": "file, row_number, load_id, delivery_number",
    "intermediate.int_status_since": "",
    "intermediate.int_subscription_history": "delivery_number",
}
Lists = dict[str, list[str]]


def random_lists(rng: Random) -> Lists:
    """Of a dozen subscriptions, who stands in each of five lists, since when, on which terms."""
    terms = {f"s{number}": (rng.choice((20, 30)), "active") for number in range(12)}
    starts = {name: rng.choice(("", "2023-05-01", "2024-02-10", "2024-05-20")) for name in terms}
    lists: Lists = {}
    for day in ("2023-12-31", *LISTS):
        for name in terms:
            if rng.random() < 0.3:
                terms[name] = (rng.choice((20, 30, 40)), rng.choice(("active", "active", "paused", "canceled")))
        lists[day] = [
            f"{name},{starts[name]},{fee},{status}\n" for name, (fee, status) in terms.items() if rng.random() < 0.75
        ]
    return lists


def pages(lists: Lists, rng: Random) -> list[tuple[str, list[str]]]:
    """Each list in one file, or its rows shuffled over several."""
    files = []
    for day, rows in lists.items():
        shuffled, parts = rng.sample(rows, len(rows)), rng.choice((1, 2, 3))
        files += [(f"part-{part}/clients_{day}.csv", shuffled[part::parts]) for part in range(parts)]
    return files


class Staged:
    """The extracts of `folder`, loaded and staged as far as subscriptions go."""

    def __init__(self, folder: Path, mapping: str) -> None:
        self.folder, self.extracts, self.build = folder, folder / "extracts", folder / "build.duckdb"
        self.extracts.mkdir(parents=True)
        (self.extracts / "extracts.yml").write_text(mapping, encoding="utf-8")

    def deliver(self, files: Iterable[tuple[str, list[str]]]) -> None:
        for name, rows in files:
            (self.extracts / name).parent.mkdir(parents=True, exist_ok=True)
            (self.extracts / name).write_text(HEADER + "".join(rows), encoding="utf-8")

    def load(self) -> None:
        found = find_extracts(self.extracts, load_mapping(self.extracts))
        with duckdb.connect(str(self.build)) as con:
            read_extracts(found, con, self.folder / "scratch", self.folder / "key", as_of=AS_OF)

    def rows(self) -> dict[str, list[tuple]]:
        staged.build(self.build, MODELS.split(), {"as_of": str(AS_OF)})
        with duckdb.connect(str(self.build), read_only=True) as con:
            return {
                table: con.execute(
                    f"select *{f' exclude ({without})' if without else ''} from {table} order by all"
                ).fetchall()
                for table, without in COMPARED.items()
            }


@pytest.mark.parametrize("seed", range(6))
def test_snapshots_in_any_order_and_in_any_parts_give_the_same_rows(tmp_path, seed):
    rng = Random(seed)
    mapping = HISTORY if seed % 2 else HISTORY.replace("history: true", "history: false")
    lists = random_lists(rng)
    at_once = Staged(tmp_path / "at once", mapping)
    at_once.deliver((f"clients_{day}.csv", rows) for day, rows in lists.items())
    at_once.load()
    expected = at_once.rows()
    assert expected["intermediate.int_subscription_history" if seed % 2 else "staging.stg_billing__subscriptions"]

    one_by_one = Staged(tmp_path / "one by one", mapping)
    files = pages(lists, rng)
    for file in rng.sample(files, len(files)):
        one_by_one.deliver([file])
        if rng.random() < 0.8:
            one_by_one.load()
    one_by_one.load()
    assert one_by_one.rows() == expected
