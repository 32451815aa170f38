"""The marts of a company whose rows are put straight into staging.

A company costs two seconds: its rows and seeds replace those of the company before, and everything after staging is
compiled with its policies and built.
"""

from __future__ import annotations

import csv
import typing
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from orchestration.loading.registry import REGISTRY
from orchestration.transform.project import load_manifest
from tests import staged
from tests.reference.company import (
    Alias,
    Case,
    Company,
    Customer,
    CustomerId,
    Departure,
    Employee,
    FxRate,
    Invoice,
    InvoiceLine,
    Outreach,
    Payment,
    Plan,
    Reason,
    Refund,
    Subscription,
    SubscriptionEvent,
    Survey,
)

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    "crm__customers": ("customers", Customer),
    "crm__customer_ids": ("customer_ids", CustomerId),
    "crm__employees": ("employees", Employee),
    "crm__cases": ("cases", Case),
    "crm__surveys": ("surveys", Survey),
    "crm__departures": ("departures", Departure),
    "crm__outreach": ("outreach", Outreach),
    "billing__plans": ("plans", Plan),
    "billing__subscriptions": ("subscriptions", Subscription),
    "billing__subscription_events": ("subscription_events", SubscriptionEvent),
    "billing__invoices": ("invoices", Invoice),
    "billing__invoice_lines": ("invoice_lines", InvoiceLine),
    "billing__payments": ("payments", Payment),
    "billing__refunds": ("refunds", Refund),
    "billing__fx_rates": ("fx_rates", FxRate),
}
SEEDS = {"churn_reasons": ("reasons", Reason), "churn_reason_aliases": ("aliases", Alias)}
TYPES = {str: "varchar", date: "date", datetime: "timestamp", Decimal: "decimal(18,6)", int: "integer", bool: "boolean"}
NULL = "\\N"
# What models read of subscriptions besides the newest rows.
BASE = """
create table staging.listed as from staging.stg_billing__subscriptions;
create table staging.base_billing__subscriptions as
select *, null::varchar as row_outcome, null::boolean as is_history from staging.stg_billing__subscriptions;
"""


def columns(row_type: type) -> dict[str, str]:
    """Column -> SQL type, as staging has them."""
    hints = typing.get_type_hints(row_type)
    plain = {
        name: next(kind for kind in (*typing.get_args(hint), hint) if kind in TYPES) for name, hint in hints.items()
    }
    return {name: "decimal(18,10)" if name == "rate" else TYPES[kind] for name, kind in plain.items()}


class Warehouse:
    """A database in memory for one company after another; it builds `marts`, restricted ones too."""

    def __init__(self, folder: Path, marts: Iterable[str]) -> None:
        self.folder = folder
        models = {node.alias: node for node in load_manifest().nodes.values() if node.resource_type == "model"}
        self.marts = {name: models[name] for name in marts}
        self.con = duckdb.connect(config={"threads": 1})
        self.con.execute("attach ':memory:' as build; use build; create schema staging")
        for name, (_, row_type) in TABLES.items():
            typed = ", ".join(f'"{column}" {kind}' for column, kind in columns(row_type).items())
            self.con.execute(
                f"create table staging.stg_{name} ({typed}, file varchar, row_number bigint, load_id varchar,"
                " delivery_number bigint)"
            )
        self.con.execute(BASE + REGISTRY)
        staged.execute(self.con, staged.compiled(["resource_type:seed"], {}))

    def build(self, company: Company) -> dict[str, list[dict]]:
        """Mart name -> its rows. Fails when a model does."""
        for name, (attribute, row_type) in TABLES.items():
            self._fill(self.con, f"staging.stg_{name}", row_type, getattr(company, attribute), provenance=True)
        for name, (attribute, row_type) in SEEDS.items():
            self._fill(self.con, f"seeds.{name}", row_type, getattr(company, attribute))
        self._fill_lists(self.con, company)
        models = [f"+{model.name}" for model in self.marts.values()]
        nodes = staged.compiled(models, variables(company), but="path:models/staging resource_type:seed")
        staged.execute(self.con, nodes)
        return {name: self._rows(self.con, model) for name, model in self.marts.items()}

    def _fill(self, database, table: str, row_type: type, rows: Iterable, provenance: bool = False) -> None:
        path = self.folder / "rows.csv"
        names = [field.name for field in fields(row_type)]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            for number, row in enumerate(rows, start=1):
                cells = [NULL if (value := getattr(row, name)) is None else value for name in names]
                writer.writerow(cells + (["rows.csv", number, "load", number] if provenance else []))
        if provenance:
            names += ["file", "row_number", "load_id", "delivery_number"]
        quoted = ", ".join(f'"{name}"' for name in names)
        database.execute(f"delete from {table}")
        database.execute(
            f"copy {table} ({quoted}) from '{path}' (format csv, auto_detect false, header false, nullstr '{NULL}')"
        )

    def _fill_lists(self, database, company: Company) -> None:
        """What staging and the loader know of subscription rows besides: when each status was first loaded,
        and the lists."""
        database.execute(
            "delete from staging.base_billing__subscriptions; delete from raw.loads where source = 'lists';"
            " delete from raw.snapshots"
        )
        database.execute(
            "insert into staging.base_billing__subscriptions by name"
            " select * replace (coalesce(seen_as_of, ?) as seen_as_of), 'loaded' as row_outcome, false as is_history"
            " from staging.stg_billing__subscriptions",
            [company.as_of],
        )
        for day in sorted({one.snapshot_on for one in company.lists}):
            load = f"list {day}"
            rows = [one.row for one in company.lists if one.snapshot_on == day]
            self._fill(database, "staging.listed", Subscription, rows, provenance=True)
            database.execute(
                "insert into staging.base_billing__subscriptions by name"
                " select * replace (? as load_id, 'lists' as source), 'loaded' as row_outcome, true as is_history"
                " from staging.listed",
                [load],
            )
            database.execute(
                "insert into raw.loads (load_id, table_name, source, content_hash, status_means)"
                " values (?, 'billing.subscriptions', 'lists', ?, ?)",
                [load, load, company.lists_mean],
            )
            database.execute("insert into raw.snapshots values ('billing.subscriptions', 'lists', ?, ?)", [load, day])

    @staticmethod
    def _rows(database, model) -> list[dict]:
        found = database.execute(f"select * from {model.schema}.{model.alias}")
        header = [column[0] for column in found.description]
        return [dict(zip(header, row, strict=True)) for row in found.fetchall()]


def variables(company: Company) -> dict:
    policies = asdict(company.policies)
    margin = policies["profit_margin"]
    return policies | {
        "as_of": company.as_of.isoformat(),
        "reporting_currency": company.reporting_currency,
        "segments": list(policies["segments"]),
        "profit_margin": None if margin is None else float(margin),
    }


def smallest(names: list[str], fails: Callable[[list[str]], bool]) -> list[str]:
    """The few customers with whom it still fails: half of them, as long as one of the halves will do."""
    while len(names) > 1:
        middle = len(names) // 2
        half = next((half for half in (names[:middle], names[middle:]) if fails(half)), None)
        if half is None:
            break
        names = half
    return names
