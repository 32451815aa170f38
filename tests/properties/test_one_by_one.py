"""Whatever is delivered, refresh by refresh, the tables are those that a full refresh would make of it.

A full refresh is stood in for by the SQL that dbt compiled, run in order in an empty database: the same, without dbt.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager

from orchestration.contract.mapping import load_mapping
from orchestration.loading import read_extracts
from orchestration.loading.discovery import find_extracts
from orchestration.transform import project
from orchestration.warehouse.folder import JOURNALS
from tests import staged
from tests.properties.harness import variables
from tests.properties.strategies import Recipe
from tests.properties.test_delivery_order import files_of, mapping_of
from tests.reference.company import Policies

if TYPE_CHECKING:
    from dbt.artifacts.schemas.results import NodeResult

AS_OF = date(2024, 12, 31)
# Of each company, the sequence of its first 4 deliveries is compared with a full refresh, then that of its first 5 …,
# which makes 40 sequences. What is built takes turns, or it would take twice as long.
COMPANIES, DELIVERIES, SHORTEST = 5, 11, 4
MARTS = [
    "churn_rates lost_customers win_back_contacts at_risk_customers",
    "revenue_retention customer_value service_levels unmapped_reasons",
    "cohort_retention churn_reasons average_check win_back_results",
    "loyalty_scorecard net_promoter_score survival_curves",
    "lost_revenue lifetime_value staff_retention churn_rate_by_definition at_risk_backtest",
]
POLICIES = {
    "lapse_days": (90, 30),
    "grace_days": (0, 7),
    "count_free_plans": (False, True),
    "reason_window_days": (60, 7),
    "sla_first_response_hours": (24, 2),
    "sla_resolution_hours": (72, 48),
    "fiscal_year_start_month": (1, 4),
    "segments": (["country", "first_plan"], ["customer_segment"]),
    "profit_margin": (None, 0.4),
}


@dataclass(frozen=True)
class Delivery:
    """What is new and what is gone, and what is asked of the refresh that follows."""

    files: dict[str, bytes]
    gone: list[str]
    variables: dict[str, Any]
    full_refresh: bool


def corrected(name: str, content: bytes, rng: Random) -> bytes:
    """The file with a value of a row in place of another row's, once or several times: rows get other amounts,
    other rates, customers and keys."""
    encoding = "utf-16" if "customers/" in name else "utf-8"
    first, *lines = content.decode(encoding).splitlines()
    delimiter = ";" if ";" in first else ","
    is_csv = not name.endswith(".jsonl")
    rows: list[dict[str, Any]]
    if is_csv:
        rows = list(csv.DictReader([first, *lines], delimiter=delimiter))
    else:
        rows = [json.loads(line) for line in (first, *lines)]
    for _ in range(rng.choice((1, 1, 4))):
        row, other, column = rng.choice(rows), rng.choice(rows), rng.choice(list(rows[0]))
        row[column] = other[column]
    if not is_csv:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def deliveries(seed: int) -> Iterator[Delivery]:
    """A small company's files in any order, some of them first in part, corrected, as they were before, or removed;
    other policies, days and mappings from time to time."""
    rng = Random(f"one by one {seed}")
    company = Recipe(seed, AS_OF, 14, Policies(segments=("country", "first_plan")), 12).company()
    files = files_of(company)
    names = rng.sample(list(files), len(files))
    asked = variables(company)
    places = {name: rng.randrange(DELIVERIES) for name in names}
    mapping, patterns = [], []
    for line in mapping_of(company).decode().splitlines():
        if pattern := re.search(r"files: ([^,}]+)", line):
            named = fnmatch.filter(names, pattern[1])
            if not named:
                continue
            places[named[0]] = 0  # a mapping that names files must find some
            patterns.append(pattern[1])
        mapping.append(line)
    # a few rows alone may say neither that the point is decimal nor that it isn't
    mapping += [f'  billing.{table}: {{decimal: "."}}' for table in ("refunds", "payments", "invoice_lines")]
    mapping_file, delivered = "\n".join(mapping), dict[str, list[bytes]]()
    for number in range(DELIVERIES):
        new = {name: files[name] for name in names if places[name] == number}
        if number == 0:
            new["extracts.yml"] = mapping_file.encode()
        # what comes whole later comes in part before: rows are corrected, and of a list of today some are gone
        for name in rng.sample([name for name in names if places[name] > number], 2) if number < 8 else ():
            encoding = "utf-16" if "customers" in name else "utf-8"
            lines = files[name].decode(encoding).splitlines(keepends=True)
            if len(lines) > 3:
                new[name] = "".join(lines[: rng.randrange(3, len(lines))]).encode(encoding)
        # what was delivered is corrected, delivered again as it was before, or removed
        gone = []
        for name in rng.sample(sorted(set(delivered) - set(new)), min(len(delivered) // 4, 3)):
            if (way := rng.random()) < 0.6:
                new[name] = corrected(name, delivered[name][-1], rng)
            elif way < 0.8:
                new[name] = rng.choice(delivered[name])
            elif not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                gone.append(name)
        for name, content in new.items():
            if name != "extracts.yml":
                delivered.setdefault(name, []).append(content)
        if number in (3, 7) and rng.random() < 0.5:  # the same rows mean something else
            other = mapping_file.replace("state/*.csv}", "state/*.csv, status_means: period}")
            new["extracts.yml"] = (other if number == 3 else mapping_file).encode()
        if rng.random() < 0.3:
            policy = rng.choice(list(POLICIES))
            asked = asked | {policy: rng.choice(POLICIES[policy])}
        if rng.random() < 0.3:
            asked = asked | {"as_of": str(AS_OF - timedelta(days=rng.choice((0, 1, 40))))}
        yield Delivery(new, gone, asked, full_refresh=rng.random() < 0.1)


class Warehouse:
    """The extracts and build.duckdb of a folder, refreshed as far as `models` go."""

    def __init__(self, place: Path, models: list[str]) -> None:
        self.folder, self.extracts, self.build = place, place / "extracts", place / "build.duckdb"
        self.models = [f"+{model}" for model in models]
        self.scratch = place / "scratch"
        self.scratch.mkdir()
        with duckdb.connect(str(self.build)) as con:
            for journal in JOURNALS:
                journal.create(con)

    def refresh(self, delivery: Delivery) -> list[NodeResult]:
        for name, content in delivery.files.items():
            (self.extracts / name).parent.mkdir(parents=True, exist_ok=True)
            (self.extracts / name).write_bytes(content)
        for name in delivery.gone:
            (self.extracts / name).unlink(missing_ok=True)
        found = find_extracts(self.extracts, load_mapping(self.extracts))
        with duckdb.connect(str(self.build)) as con:
            as_of = date.fromisoformat(delivery.variables["as_of"])
            full = delivery.full_refresh
            read_extracts(found, con, self.scratch, self.folder / "key", as_of=as_of, full_refresh=full)
        return self._build(delivery.variables, full)

    def _build(self, variables: dict[str, Any], full_refresh: bool) -> list[NodeResult]:
        """What dbt says of each model and seed that it builds, or leaves as it is."""
        arguments = ["build", "--select", *self.models, "--resource-type", "model", "seed"]
        arguments += ["--vars", json.dumps(variables), "--target-path", str(self.folder / "dbt"), "--no-write-json"]
        arguments += ["--full-refresh"] if full_refresh else []
        with mock.patch.dict(os.environ, {"CHURN_BUILD_DB": str(self.build)}):
            try:
                results = project._invoke(arguments, project.ROOT, project.load_manifest()).results
            finally:
                DuckDBConnectionManager.close_all_connections()
        assert [f"{one.node.name}: {one.message}" for one in results if one.status != "success"] == []
        return results

    def differing(self, results: list[NodeResult]) -> list[str]:
        """The tables and views that hold other rows than a full refresh would give them."""
        found = []
        with duckdb.connect() as con:
            con.execute(f"attach '{self.build}' as incremental (read_only); attach ':memory:' as build; use build")
            views = con.execute(
                "select sql from duckdb_views() where database_name = 'incremental' and schema_name = 'raw'"
            ).fetchall()
            con.execute("create schema raw")
            for (name,) in con.execute(
                "select table_name from duckdb_tables() where database_name = 'incremental' and schema_name = 'raw'"
            ).fetchall():
                con.execute(f"create table raw.{name} as from incremental.raw.{name}")
            for (sql,) in views:
                con.execute(sql)
            staged.execute(con, [result.node for result in results])
            for table in (f"{result.node.schema}.{result.node.alias}" for result in results):
                rows = [
                    con.execute(f"select count(*), sum(hash(one)) from {where}.{table} as one").fetchall()
                    for where in ("build", "incremental")
                ]
                if rows[0] != rows[1]:
                    found.append(table)
                if (noted := self._noted(con, table)) and noted != rows[1]:
                    found.append(f"the note of {table}")
        return found

    @staticmethod
    def _noted(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple] | None:
        """What a table built by dbt notes of its content: the number of its rows, and what their hashes add up to."""
        [(note,)] = con.execute(
            "select comment from duckdb_tables() where database_name = 'incremental'"
            " and concat_ws('.', schema_name, table_name) = ?"
            " union all select null limit 1",
            [table],
        ).fetchall()
        content = json.loads(note).get("content") if note else None
        return [(content["rows"], int(content["hashes"]) or None)] if content else None

    def built_by_key(self, results: list[NodeResult]) -> list[str]:
        """The tables of which the last refresh built some rows only."""
        built = {result.node.alias for result in results if result.adapter_response.get("code") != "UNCHANGED"}
        return [
            file.stem
            for file in self.folder.glob("dbt/run/**/*.sql")
            if file.stem in built and "keys_of_" in file.read_text(encoding="utf-8")
        ]


@pytest.mark.parametrize("seed", range(COMPANIES))
def test_refreshes_one_by_one_end_as_a_full_one_does(tmp_path, seed):
    warehouse, unchanged, compared = Warehouse(tmp_path, MARTS[seed % len(MARTS)].split()), 0, 0
    by_key: list[str] = []
    for number, delivery in enumerate(deliveries(seed), 1):
        results = warehouse.refresh(delivery)
        unchanged += sum(result.adapter_response.get("code") == "UNCHANGED" for result in results)
        by_key += warehouse.built_by_key(results)
        if number >= SHORTEST:
            assert warehouse.differing(results) == []
            compared += 1
    assert COMPANIES * compared == 40
    # or there was nothing to go wrong
    assert unchanged > 100
    assert len([table for table in by_key if table.startswith("base_")]) > 10
    assert len([table for table in by_key if not table.startswith("base_")]) > 10
