"""Companies as DuckDB has refreshed them, for Spark to do the same, and what fails meanwhile."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
from dbt_common.exceptions import DbtDatabaseError

from orchestration.cli import DEMO_AS_OF
from orchestration.contract.reason_aliases import ALIASES
from orchestration.contract.tables import NUMBERS, contract
from orchestration.warehouse.quoting import identifier, quote
from spark.tests.compare import differences, exports
from tests.churn import Done, churn
from tests.faults.test_refresh import at
from tests.golden.test_public_extracts import DATA
from tests.properties.strategies import Recipe
from tests.properties.test_delivery_order import AS_OF, deliver, files_of, mapping_of
from tests.reference.company import Policies

# The tables that the random company delivers as Parquet the second time, and the types that a system of its own has.
TYPED = ("crm.customers", "crm.cases", "crm.surveys", "billing.invoices", "billing.invoice_lines")
TYPES = {"date": "date", "timestamp": "timestamp", "boolean": "boolean"} | dict.fromkeys(NUMBERS, "decimal(18, 6)")
# Words for leaving that a person of the company confirmed.
OWN_ALIASES = "alias,reason_code,language\nне знам,other,bg\ntoo late for us,neglected,en\n"
# The JVMs of a cluster: one runs the tasks of a worker.
EXECUTOR, SERVER = "CoarseGrainedExecutorBackend", "HiveThriftServer2"
# Rows for the quarantine, with texts that JSON must escape.
BROKEN = """
select 'broken ' || n as invoice_id, if(n > 1, 'c' || n, null) as customer_id,
    if(n <> 2, n::decimal(9, 3), null) as amount, timestamp '2024-03-01 10:00:00.5' as issued_at, n as "Number of it",
    'Скъпо "1" \\ / é' || chr(9) || chr(10) || chr(1) || chr(31) || chr(127) || 'z' as note,
    date '2024-03-01' + n::integer as day, n = 1 as flag
from range(1, 4) as rows(n)
"""


class Company:
    """A folder of extracts with two warehouses, one for each engine."""

    storage: Path
    engine: list[object]  # the options that choose Spark

    def __init__(self, folder: Path, as_of: date | str, *options: str) -> None:
        self.folder, self.extracts, self.as_of, self.options = folder, folder / "extracts", as_of, options
        self.by_duckdb, self.by_spark = folder / "duckdb", folder / "spark"

    def on(self, spark: str, storage: Path) -> Company:
        """With the URL of a cluster, and a folder in a storage that it shares with others."""
        self.storage = storage / self.folder.name
        prefix = f"{''.join(filter(str.isalnum, self.folder.name)).lower()}_"
        self.engine = ["--engine", "spark", "--spark-url", spark, "--spark-storage", self.storage]
        self.engine += ["--spark-prefix", prefix]
        return self

    def refresh(self, warehouse: Path, *options: object, prepare=None) -> Done:
        arguments = ["--extracts", self.extracts, "--warehouse", warehouse, "--as-of", self.as_of]
        return churn("refresh", *arguments, *self.options, *options, prepare=prepare)

    def published(self, warehouse: Path, *options: object, prepare=None) -> Done:
        done = self.refresh(warehouse, *options, prepare=prepare)
        assert done.code == 0, done.err
        return done

    def publish_both(self, *options: object, prepare=None) -> None:
        """Refresh both warehouses at once, Spark's with these options: neither needs both cores all the time."""
        with ThreadPoolExecutor(1) as beside:
            by_duckdb = beside.submit(self.published, self.by_duckdb)
            self.published(self.by_spark, *options, prepare=prepare)
            by_duckdb.result()

    def assert_equal(self, *but: str) -> None:
        compared, found = differences(self.by_duckdb, self.by_spark)
        assert compared > 100 and found == []
        one, other = exports(self.by_duckdb), exports(self.by_spark)
        assert [name for name in one | other if one.get(name) != other.get(name) and name not in but] == []


def demo_company(folder: Path) -> Company:
    """The demo company, refreshed by DuckDB."""
    company = Company(folder, DEMO_AS_OF)
    done = churn("demo", "--extracts", company.extracts, "--warehouse", company.by_duckdb)
    assert done.code == 0, done.err
    return company


def public_company(folder: Path, cluster_folder: Path, url: str, storage: Path) -> Company:
    """A public data set, refreshed on both engines, though amid the marts the cluster loses an executor."""
    company = Company(folder, "2025-12-31").on(url, storage)
    shutil.copytree(DATA / "chinook", company.extracts, copy_function=shutil.copy)
    fault = at("build the marts", 5, partial(lose, cluster_folder, EXECUTOR))
    company.publish_both(*company.engine, prepare=fault)
    return company


def invented_company(folder: Path, seed: int) -> Company:
    """A company, refreshed by DuckDB. A second delivery, with Parquet that Spark reads itself, waits for Spark; DuckDB
    has refreshed a copy with it."""
    rng = random.Random(seed)
    policies = Policies(
        activity_basis=rng.choice(("auto", "auto", "subscription", "purchase")),
        lapse_days=rng.choice((90, 30, 120)),
        grace_days=rng.choice((0, 1, 30)),
        count_free_plans=rng.choice((True, False)),
        profit_margin=rng.choice((None, Decimal("0.4"), Decimal("0.123456"))),
        segments=("country", "first_plan"),
        fiscal_year_start_month=rng.choice((1, 4)),
    )
    invented = Recipe(seed, AS_OF, 26, policies, customers=80).company()
    files = typed(files_of(invented), folder)
    with duckdb.connect() as con:
        con.execute(f"copy ({BROKEN}) to {quote(folder / 'broken.parquet')}")
    files["billing/invoices/broken.parquet"] = (folder / "broken.parquet").read_bytes()
    named = {name: value for name, value in asdict(policies).items() if name != "segments" and value is not None}
    chosen = [word for name, value in named.items() for word in ("--policy", f"{name}={value}")]
    company = Company(folder, AS_OF, *chosen)
    deliver(company.extracts, {"extracts.yml": mapping_of(invented)})
    deliver(company.extracts, first_half(files))
    company.published(company.by_duckdb)
    (company.by_duckdb / ALIASES).write_text(OWN_ALIASES, encoding="utf-8")
    shutil.copytree(company.by_duckdb, company.by_spark, symlinks=True)
    deliver(company.extracts, files)
    company.published(company.by_duckdb)
    return company


def first_half(files: dict[str, bytes]) -> dict[str, bytes]:
    """Of each folder the first half of its files, and all rates of exchange: without them nothing is published."""
    folders = defaultdict(list)
    for name in sorted(files):
        folders[Path(name).parent].append(name)
    chosen = {name for own in folders.values() for name in own[: len(own) // 2 + len(own) % 2]}
    return {name: content for name, content in files.items() if name in chosen or "fx_rates" in name}


def typed(files: dict[str, bytes], scratch: Path) -> dict[str, bytes]:
    """The files of these tables as Parquet, as a system with types of its own would export them."""
    found = {}
    for name, content in files.items():
        table = ".".join(Path(name).parts[:2])
        if table not in TYPED:
            found[name] = content
            continue
        text = content.decode("utf-16" if table == "crm.customers" else "utf-8")
        rows = (
            list(csv.DictReader(io.StringIO(text))) if name.endswith(".csv") else [*map(json.loads, text.splitlines())]
        )
        columns = {key: TYPES.get(contract()[table].columns[key].type, "varchar") for key in rows[0]}
        found[str(Path(name).with_suffix(".parquet"))] = parquet(rows, columns, scratch)
    return found


def parquet(rows: list[dict], columns: dict[str, str], scratch: Path) -> bytes:
    lines, file = scratch / "rows.jsonl", scratch / "rows.parquet"
    tidy = [{key: value.strip() for key, value in row.items()} for row in rows]
    lines.write_text("\n".join(map(json.dumps, tidy)), encoding="utf-8")
    texts = ", ".join(f"{quote(key)}: 'varchar'" for key in columns)
    cells = ", ".join(
        identifier(key) if kind == "varchar" else f"cast(nullif({identifier(key)}, '') as {kind}) as {identifier(key)}"
        for key, kind in columns.items()
    )
    with duckdb.connect() as con:  # not the connection that threads share
        con.execute(f"copy (select {cells} from read_json({quote(lines)}, columns = {{{texts}}})) to {quote(file)}")
    return file.read_bytes()


def fail_once() -> None:
    """The first time that Spark has made the table of the quarantine, it says that it failed."""
    from dbt.adapters.spark.connections import PyhiveConnectionWrapper

    failed = []

    def execute(self: PyhiveConnectionWrapper, sql: str, *given, **named) -> None:
        original(self, sql, *given, **named)
        if ".quarantine" in sql and "create table" in sql and not failed:
            failed.append(sql)
            raise DbtDatabaseError("Error running query: java.util.NoSuchElementException: key not found")

    original, PyhiveConnectionWrapper.execute = PyhiveConnectionWrapper.execute, execute


def processes(folder: Path, kind: str) -> Iterator[int]:
    """The JVMs of this kind of the cluster in `folder`."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end meanwhile
            if kind.encode() in (process / "cmdline").read_bytes() and (
                (process / "cwd").readlink().is_relative_to(folder)
            ):
                yield int(process.name)


def lose(folder: Path, kind: str) -> None:
    os.kill(next(processes(folder, kind)), signal.SIGKILL)
