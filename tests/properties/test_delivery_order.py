"""From files to published marts: in whatever order a company's files come, over however many refreshes,
the marts are the same, and they are those of the reference."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from tests.churn import churn
from tests.properties.harness import TABLES
from tests.properties.strategies import Recipe
from tests.properties.test_marts import KEYS
from tests.reference import marts
from tests.reference.company import Company, Policies
from tests.reference.compare import differences

AS_OF = date(2024, 12, 31)
# Marts that no reason goes into: the reference has reasons of its own.
COMPARED = [
    "fct_purchases",
    "fct_mrr_movements",
    "revenue_retention",
    "cohort_retention",
    "average_check",
    "customer_value",
]
# Which file changed a month that had been told is a matter of when it came.
TELLS_OF_REFRESHES = "restatements.parquet"
MAPPING = """
reporting_currency: EUR
policies: {segments: [country, first_plan]}
tables:
  billing.plans: {delivery: snapshot, snapshot: "plans %Y-%m-%d"}
  billing.fx_rates: {delimiter: ";", decimal: ","}
  billing.subscriptions:
    - {name: terms, files: billing/subscriptions/*.csv}
    - {name: state, files: billing/state/*.csv}
    - {name: states, files: billing/states/*.csv, status_means: period}
    - {name: lists, files: billing/lists/*.csv, delivery: snapshot, snapshot: "list %Y-%m-%d", history: HISTORY}
"""
# Of a subscription row, what only the loader knows.
KNOWN_BY_LOADER = {"raw_row", "source", "status_means", "seen_as_of"}
Rows = list[dict[str, str]]


def mapping_of(company: Company) -> bytes:
    return MAPPING.replace("HISTORY", "dated" if company.lists_mean else "true").encode()


def cells(rows: Iterable[Any]) -> Rows:
    return [
        {
            name: "" if value is None else str(value)
            for name, value in asdict(row).items()
            if name not in KNOWN_BY_LOADER
        }
        for row in rows
    ]


def folders_of(company: Company) -> Iterator[tuple[str, str, Rows]]:
    """Folder, table and rows; each source of the subscriptions has a folder of its own."""
    for table, (attribute, _) in TABLES.items():
        rows = getattr(company, attribute)
        if table != "billing__subscriptions":
            yield table.replace("__", "/"), table, cells(rows)
            continue
        for source, folder in (("1", "subscriptions"), ("state", "state"), ("states", "states")):
            yield f"billing/{folder}", table, cells(row for row in rows if row.source == source)


def earlier(row: dict[str, str]) -> dict[str, str]:
    """A version that a later file replaces: other words, and never written later."""
    return row | {
        name: other
        for name, other in {"status": "void", "country": "XX", "channel": "fax", "updated_at": ""}.items()
        if row.get(name)
    }


def parts(table: str, rows: Rows, rng: Random) -> Iterator[tuple[str, Rows]]:
    """The files of a table, by name. Events and lines of a day have their order from their place, so each file has a
    stretch of them; where a key has no other, some rows come earlier too, in another version."""
    numbers = (2, 10, 11)  # as text 2 is the last
    size = len(rows) // len(numbers) + 1
    keyed = table not in ("billing__subscription_events", "billing__invoice_lines")
    for place, number in enumerate(numbers):
        own, later = rows[place * size : (place + 1) * size], rows[(place + 1) * size :]
        own += [earlier(row) for row in rng.sample(later, len(later) // 5 if keyed else 0)]
        yield str(number), own
        if place == 1:
            yield "9 copy", own  # a content that lies under two names counts once


def text(table: str, rows: Rows) -> bytes:
    """The files of a table, each table in another dress."""
    if table == "billing__invoices":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    delimiter = ";" if table == "billing__fx_rates" else ","
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(row | {"rate": row["rate"].replace(".", ",")} if "rate" in row else row for row in rows)
    return out.getvalue().encode("utf-16" if table == "crm__customers" else "utf-8")


def files_of(company: Company) -> dict[str, bytes]:
    rng, files = Random(7), {}
    for day in sorted({one.snapshot_on for one in company.lists}):
        rows = cells(one.row for one in company.lists if one.snapshot_on == day)
        files[f"billing/lists/list {day}.csv"] = text("billing__subscriptions", rows)
    for folder, table, rows in folders_of(company):
        if table == "billing__plans":
            outdated = [row | {"price": "1"} for row in rows] + [rows[0] | {"plan_id": "gone"}]
            files |= {
                f"{folder}/plans 2024-09-30.csv": text(table, outdated),
                f"{folder}/plans 2024-10-01.csv": text(table, rows),
            }
            continue
        for name, some in parts(table, rows, rng) if len(rows) > 9 else [("1", rows)]:
            if some:
                files[f"{folder}/{name}.{'jsonl' if table == 'billing__invoices' else 'csv'}"] = text(table, some)
    day = datetime(2024, 6, 1)
    files["billing/payments/bad.csv"] = (
        f"payment_id,customer_id,paid_at,amount,status\nbad,c,{day},much,paid\n".encode()
    )
    files["billing/refunds/bad.csv"] = (
        f"refund_id,customer_id,refunded_at,amount\nbad,c,{day + timedelta(days=1)}\n".encode()
    )
    return files


def refresh(extracts: Path, warehouse: Path, *options: str) -> None:
    done = churn("refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", AS_OF, *options)
    assert done.code == 0, done.err


def deliver(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def published(warehouse: Path) -> dict[str, object]:
    """The exports byte by byte, and the accounts of the files."""
    seen: dict[str, object] = {
        file.name: file.read_bytes() for file in (warehouse / "exports").iterdir() if file.name != TELLS_OF_REFRESHES
    }
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        seen["audit"] = con.execute("select * exclude (loaded_at) from quality.load_audit order by all").fetchall()
    with duckdb.connect(str(warehouse / "private.duckdb"), read_only=True) as con:
        seen["quarantine"] = con.execute("select * from restricted.quarantine order by all").fetchall()
    return seen


def test_marts_do_not_depend_on_the_order_of_delivery(tmp_path):
    company = Recipe(
        seed=5, as_of=AS_OF, months=26, policies=Policies(segments=("country", "first_plan")), customers=150
    ).company()
    # every status is first seen by the refreshes of this day
    company = replace(company, subscriptions=[replace(row, seen_as_of=None) for row in company.subscriptions])
    files = files_of(company)
    refresh(
        deliver(tmp_path / "at once" / "extracts", files | {"extracts.yml": mapping_of(company)}),
        tmp_path / "at once" / "warehouse",
    )
    at_once = published(tmp_path / "at once" / "warehouse")
    with duckdb.connect(str(tmp_path / "at once" / "warehouse" / "churn.duckdb"), read_only=True) as con:
        expected = marts(company, COMPARED)
        for name in COMPARED:
            found = con.execute(f"select * from marts.{name}")
            header = [column[0] for column in found.description]
            assert (
                differences(
                    [dict(zip(header, row, strict=True)) for row in found.fetchall()], expected[name], KEYS[name]
                )
                == []
            )

    # the rates first, without which nothing is published; the rest shuffled over two refreshes
    folder, warehouse = tmp_path / "shuffled" / "extracts", tmp_path / "shuffled" / "warehouse"
    shuffled = Random(3).sample(list(files), len(files))
    shuffled.sort(key=lambda name: "fx_rates" not in name)
    half = len(shuffled) // 2
    deliver(folder, {name: files[name] for name in shuffled[:half]} | {"extracts.yml": mapping_of(company)})
    refresh(folder, warehouse)
    assert published(warehouse) != at_once
    deliver(folder, {name: files[name] for name in shuffled[half:]})
    refresh(folder, warehouse)
    now = published(warehouse)
    assert [name for name in at_once | now if at_once.get(name) != now.get(name)] == []

    # what was delivered stays when its files go
    for gone in ("crm/customers", "billing/invoices"):
        shutil.rmtree(folder / gone)
    refresh(folder, warehouse, "--full-refresh")
    now = published(warehouse)
    assert [name for name in at_once | now if at_once.get(name) != now.get(name)] == []
