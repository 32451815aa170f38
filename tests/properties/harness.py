"""The marts of a company whose rows are put straight into staging, built by dbt in this process.

`dbt parse` once, then a company costs two or three seconds: its rows and seeds replace those of the company before,
and one `dbt run` builds everything after staging.
"""

from __future__ import annotations

import csv
import json
import os
import typing
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from orchestration.loading.registry import REGISTRY
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
    """A scratch warehouse in `folder` for one company after another; it builds `marts`, restricted ones too."""

    def __init__(self, folder: Path, marts: Iterable[str]) -> None:
        from dbt.cli.main import dbtRunner  # a slow import, and most tests have no use for it

        self.folder, self.path = folder, folder / "build.duckdb"
        with self._environment():
            parsed = dbtRunner().invoke(["parse", *self._flags(), "--vars", "{as_of: '2024-01-01'}"])
            assert parsed.success, parsed.exception
            models = {node.alias: node for node in parsed.result.nodes.values() if node.resource_type == "model"}
            self.marts = {name: models[name] for name in marts}
            self._run = dbtRunner(manifest=parsed.result).invoke
            with duckdb.connect(str(self.path)) as database:
                database.execute("create schema staging")
                for name, (_, row_type) in TABLES.items():
                    typed = ", ".join(f'"{column}" {kind}' for column, kind in columns(row_type).items())
                    database.execute(
                        f"create table staging.stg_{name} ({typed}, file varchar, row_number bigint, load_id varchar,"
                        " delivery_number bigint)"
                    )
                database.execute(BASE + REGISTRY)
            seeded = self._run(["seed", *self._flags()])
            assert seeded.success, seeded.exception

    def _flags(self) -> list[str]:
        return [
            "--project-dir",
            str(ROOT),
            "--profiles-dir",
            str(ROOT),
            "--quiet",
            "--no-use-colors",
            "--log-level-file",
            "none",
            "--no-write-json",
        ]

    @contextmanager
    def _environment(self):
        ours = {
            "CHURN_BUILD_DB": str(self.path),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_PACKAGES_INSTALL_PATH": str(self.folder / "packages"),
        }
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def build(self, company: Company) -> dict[str, list[dict]]:
        """Mart name -> its rows. Fails when a model does."""
        with duckdb.connect(str(self.path)) as database:
            for name, (attribute, row_type) in TABLES.items():
                self._fill(database, f"staging.stg_{name}", row_type, getattr(company, attribute), provenance=True)
            for name, (attribute, row_type) in SEEDS.items():
                self._fill(database, f"seeds.{name}", row_type, getattr(company, attribute))
            self._fill_lists(database, company)
        with self._environment():
            select = [
                "--select",
                *(f"+{model.name}" for model in self.marts.values()),
                "--exclude",
                "path:models/staging",
            ]
            built = self._run(["run", *self._flags(), *select, "--vars", json.dumps(variables(company))])
        failed = [result for result in built.result or [] if result.status not in ("success", "skipped")]
        assert built.success, built.exception or [(result.node.name, result.message) for result in failed]
        with duckdb.connect(str(self.path)) as database:
            return {name: self._rows(database, model) for name, model in self.marts.items()}

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
