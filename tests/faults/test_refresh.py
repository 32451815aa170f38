"""A refresh that is killed, refused, or out of disk: readers keep what they had,
and the next refresh is as if nothing had been."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import duckdb
import pytest
from dbt.adapters.sql import SQLConnectionManager as Connections
from dbt_common.exceptions import DbtDatabaseError

import expectations
from orchestration.contract.mapping import load_mapping
from orchestration.contract.policies import effective_policies
from orchestration.defs.run_history import run_history
from orchestration.engines import DuckDB, EngineSettings
from orchestration.loading import registry
from orchestration.loading.discovery import find_extracts
from orchestration.readers.alerts.conditions import customers_lost
from orchestration.refresh import nothing_new, steps
from orchestration.refresh.nothing_new import NothingNew
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import Refresh
from orchestration.warehouse import connection, folder, origin, publishing
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.destination.postgres import Postgres
from orchestration.warehouse.folder import Warehouse
from tests.churn import Done, churn
from tests.outcome import outcome_of

AS_OF = "2024-06-30"


def write_extracts(folder: Path, bad_rows: int = 0) -> None:
    """Sixty customers on monthly plans, every third of whom has left, and what they paid."""
    (folder / "billing").mkdir(parents=True)
    (folder / "crm").mkdir()
    first = date(2023, 1, 3)
    subscriptions = ["subscription_id,started_on,customer_id,ended_on,unit_price,currency"]
    invoices = ["invoice_id,customer_id,issued_at,amount,currency"]
    customers = ["customer_id,name,country"]
    for number in range(60):
        start = first + timedelta(days=7 * number)
        end = start + timedelta(days=100) if number % 3 == 0 else ""
        subscriptions.append(f"s{number},{start},c{number},{end},{10 + number % 4},EUR")
        customers.append(f"c{number},Person {number},{'BG' if number % 2 else 'PH'}")
        invoices += [
            f"i{number}-{month},c{number},{start + timedelta(days=30 * month)},{10 + number % 4},EUR"
            for month in range(3)
        ]
    subscriptions += [f"b{number},soon,c{number},,10,EUR" for number in range(bad_rows)]
    for name, lines in {
        "billing/subscriptions": subscriptions,
        "billing/invoices": invoices,
        "crm/customers": customers,
    }.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def refresh(extracts: Path, warehouse: Path, prepare: Callable[[], object] | None = None, *options: str) -> Done:
    """A whole refresh, also where there is nothing new."""
    (warehouse / "origin.json").unlink(missing_ok=True)
    return churn(
        "refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", AS_OF, *options, prepare=prepare
    )


def at(stage: str, steps: int | None, action: Callable[[], object]) -> Callable[[], None]:
    """A preparation that does the action after so many steps of the stage; None: at its end, 0: at its beginning."""
    return partial(watch, stage, steps, action)


def watch(stage: str, steps: int | None, action: Callable[[], object]) -> None:
    original_stage, original_step = Progress.stage, Progress.step
    seen = {"stage": "", "steps": 0}

    @contextmanager
    def watched_stage(self: Progress, name: str):
        seen.update(stage=name, steps=0)
        if (name, steps) == (stage, 0):
            action()
        with original_stage(self, name):
            yield
        if (name, steps) == (stage, None):
            action()

    def watched_step(self: Progress, text: str) -> None:
        original_step(self, text)
        seen["steps"] += 1
        if (seen["stage"], seen["steps"]) == (stage, steps):
            action()

    Progress.stage, Progress.step = watched_stage, watched_step


kill = partial(signal.raise_signal, signal.SIGKILL)


def kill_amid(milliseconds: int) -> None:
    """In the midst of what comes next."""
    threading.Timer(milliseconds / 1000, kill).start()


def publish_as_built(prepare: Callable[[], object]) -> None:
    """Take the tables of the refresh before for those of this one, without checks: for what is tried from the publish
    on, a sixth of a refresh."""

    def build(session: Refresh, gate: str) -> list:
        session.done.add(f"build {gate}")
        nodes = {name: node["depends_on"].get("nodes", ()) for name, node in steps.manifest()["nodes"].items()}
        return [
            SimpleNamespace(node=SimpleNamespace(unique_id=name), status="success", execution_time=0)
            for name in TopologicalSorter(nodes).static_order()
            if name.startswith(("model.", "seed."))
        ]

    def judge(session: Refresh, gate: str, _: object = None) -> list:
        session.done.add(f"judge {gate}")
        checks = [check for check in expectations.declared_checks(steps.contract()) if check.gate == gate]
        return [
            expectations.CheckResult(
                check.check_name, gate, check.table_name, check.severity, "passed", 1, 0, [], "holds"
            )
            for check in checks
        ]

    steps.build, steps.judge, publishing.audit = build, judge, lambda *_, **__: None
    prepare()


def copy_every(number: int, warehouse: Path, copies: Path) -> None:
    """After every so many steps and ends of stages, a copy of the warehouse as a kill would leave it there: this
    process stands still meanwhile."""
    original_stage, original_step = Progress.stage, Progress.step
    seen = 0

    def see() -> None:
        nonlocal seen
        seen += 1
        if seen % number == 0:
            command = 'kill -STOP $PPID; cp -Rp "$0" "$1"; kill -CONT $PPID'
            subprocess.run(["sh", "-c", command, warehouse, copies / f"{seen:03}"], check=True)

    @contextmanager
    def seen_stage(self: Progress, name: str):
        with original_stage(self, name):
            yield
        see()

    def seen_step(self: Progress, text: str) -> None:
        original_step(self, text)
        see()

    Progress.stage, Progress.step = seen_stage, seen_step


def exports(warehouse: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (warehouse / "exports").iterdir()}


def history(warehouse: Path) -> list[str]:
    with duckdb.connect(str(warehouse / "build.duckdb")) as con:
        return [
            status
            for (status,) in con.execute("select status from quality.refresh_history order by refresh_id").fetchall()
        ]


@pytest.fixture(scope="module")
def extracts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("company") / "extracts"
    write_extracts(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, extracts) -> Path:
    """A warehouse after its first refresh."""
    warehouse = tmp_path_factory.mktemp("undisturbed") / "warehouse"
    code, out, err = refresh(extracts, warehouse)
    assert code == 0, err
    assert "2024-06" in out
    (warehouse.parent / "said").write_text(err, encoding="utf-8")
    return warehouse


@pytest.fixture
def warehouse(tmp_path, undisturbed) -> Path:
    """A copy of it, to be disturbed."""
    return Path(shutil.copytree(undisturbed, tmp_path / "warehouse", symlinks=True))


def test_what_a_refresh_takes_is_published_with_it(undisturbed):
    with duckdb.connect(str(undisturbed / "churn.duckdb"), read_only=True) as con:
        took = con.execute("from quality.refresh_profile").fetchall()
    rows = {(stage, step): rows for _, stage, step, _, rows, *_ in took}
    assert len(rows) == len(took)
    assert rows["load extracts", "all"] == 60 + 180 + 60
    assert rows["stage and audit", "staging.base_billing__invoices"] == 180
    assert rows["build the marts", "marts.dim_customers"] == 60
    assert {("start", "all"), ("build the marts", "data tests"), ("judge the marts gate", "all")} < rows.keys()
    assert all(seconds >= 0 and peak > 10_000_000 for *_, seconds, _, peak, _ in took)
    with duckdb.connect(str(undisturbed / "build.duckdb")) as con:
        known = con.execute("select stage from quality.refresh_profile where step = 'all'").fetchall()
    assert {("publish",), ("report",)} < {*known}


def test_refresh_json_says_what_the_command_says(undisturbed):
    ended = outcome_of(undisturbed)
    assert (ended["status"], ended["exit_code"], ended["as_of"]) == ("published", 0, AS_OF)
    assert ended["refresh_id"] == (undisturbed / "current").readlink().name
    assert (ended["message"], ended["problems"], ended["details"]) == (None, [], None)
    assert list(ended["seconds"])[-1] == "report"
    counts = ended["counts"]
    assert counts["rows_read"] == counts["rows_loaded"] + counts["rows_quarantined"] > 0
    with duckdb.connect(str(undisturbed / "churn.duckdb"), read_only=True) as con:
        [(checks, failed)] = con.execute(
            "select count(*), count(*) filter (status <> 'passed') from quality.check_results"
        ).fetchall()
        months = con.execute(
            "select strftime(period_start, '%Y-%m-%d'), customers_lost, churn_rate from marts.churn_rates_monthly"
            " where is_complete order by all"
        ).fetchall()
    assert (counts["checks"], counts["checks_failed"], len(ended["failed_checks"])) == (checks, failed, failed)
    shown = [(month["start"], month["customers_lost"], month["churn_rate"]) for month in ended["headline"]["months"]]
    assert shown == months[-3:]


def test_the_queries_of_alerts_find_the_customers_that_the_marts_count(undisturbed):
    with duckdb.connect(str(undisturbed / "churn.duckdb"), read_only=True) as con:
        months = con.execute(
            "select period_start, period_end, customers_lost from marts.churn_rates_monthly where is_complete"
        ).fetchall()
        reasons = con.execute(
            "select period_start, period_end, reason_code, customers_lost from marts.churn_reasons_monthly"
            " where is_complete and customers_lost > 0"
        ).fetchall()
        assert sum(lost for *_, lost in months) == sum(lost for *_, lost in reasons) > 10
        for start, end, lost in months:
            assert len(con.execute(customers_lost(start, end)).fetchall()) == lost
        for start, end, reason, lost in reasons:
            assert len(con.execute(customers_lost(start, end, reason)).fetchall()) == lost


def test_a_second_refresh_is_quiet_loads_nothing_and_gives_the_same_bytes(warehouse, undisturbed, extracts):
    with duckdb.connect(str(warehouse / "build.duckdb")) as con:
        before = con.execute("select * from raw.loads order by all").fetchall()
    assert refresh(extracts, warehouse, None, "--quiet") == Done(0, "", "")  # cron sends a mail for anything else
    with duckdb.connect(str(warehouse / "build.duckdb")) as con:
        assert con.execute("select * from raw.loads order by all").fetchall() == before
    assert exports(warehouse) == exports(undisturbed)
    assert (warehouse / "exports").resolve().parent.name > (undisturbed / "exports").resolve().parent.name


def built(warehouse: Path) -> set[str]:
    """The models that the last refresh has built again, seeds apart."""
    with duckdb.connect(str(warehouse / "build.duckdb"), read_only=True) as con:
        [tables] = con.execute(
            "select list(step) from quality.refresh_profile where is_built and step not like 'seeds.%'"
            " and refresh_id = (select max(refresh_id) from quality.refresh_history)"
        ).fetchall()
    return set(*tables)


def checks(warehouse: Path) -> list[tuple]:
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        return con.execute(
            "select check_name, table_name, severity, evaluated_count from quality.check_results"
            " where refresh_id = (select max(refresh_id) from quality.check_results) order by all"
        ).fetchall()


def test_only_what_has_changed_is_built_and_nothing_is_lost_by_that(warehouse, extracts, tmp_path):
    assert refresh(extracts, warehouse, None, "--policy", "sla_resolution_hours=48").code == 0
    of_the_past = {"marts.restatements", "history.closed_month_versions"}
    assert built(warehouse) == {"marts.service_levels", *of_the_past}

    delivered = Path(shutil.copytree(extracts, tmp_path / "extracts"))
    (delivered / "billing" / "invoices_late.csv").write_text(
        "invoice_id,customer_id,issued_at,amount,currency\nlate,c1,2024-02-01,7.5,EUR\n", encoding="utf-8"
    )
    assert refresh(delivered, warehouse).code == 0
    late = built(warehouse)
    assert {"marts.fct_purchases", "marts.average_check", "marts.customer_value"} < late
    assert not late & {"staging.base_crm__customers", "intermediate.int_counting_rows", "marts.churn_rates"}
    found, judged = exports(warehouse), checks(warehouse)

    assert refresh(delivered, warehouse, None, "--full-refresh").code == 0
    assert {"staging.base_crm__customers", "marts.churn_rates"} < built(warehouse)
    assert checks(warehouse) == judged
    again = exports(warehouse)
    assert [name for name in again if again[name] != found[name]] == []


def readers_have(warehouse: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Every file that is published: which it is, when it was written and what is in it."""
    files = [path for path in (warehouse / "published").rglob("*") if path.is_file()]
    return {path: ((status := path.stat()).st_ino, status.st_mtime_ns, path.read_bytes()) for path in files}


def test_a_refresh_with_nothing_new_ends_at_once(warehouse, extracts):
    before = readers_have(warehouse)
    arguments = ["refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", AS_OF]
    for _ in range(2):
        code, out, err = churn(*arguments)
        assert code == 0, err
        assert out.startswith("nothing new since ") and "2024-06" in out
        assert "published with warnings, which hold still: freshness of staging.stg_billing__invoices" in err
        assert "start" not in err  # no stage has begun
    assert readers_have(warehouse) == before
    assert history(warehouse) == ["published", "unchanged", "unchanged"]
    code, out, err = churn(*arguments, "--full-refresh", "--profile")
    assert (code, "nothing new" in out) == (0, False), err
    assert [
        line for line in out.splitlines() if re.match(r" +staging.base_billing__invoices +\d+\.\d\d +180 +\d+ MB", line)
    ]
    assert history(warehouse)[-1] == "published"
    assert Asked(extracts, warehouse).answer() is not None
    assert churn("rollback", "--warehouse", warehouse).code == 0
    assert Asked(extracts, warehouse).answer() is None  # readers were given an earlier version back


@dataclass
class Asked:
    """What a refresh is asked, and of which warehouse."""

    extracts: Path
    warehouse: Path
    as_of: date | None = date.fromisoformat(AS_OF)
    policies: tuple[str, ...] = ()
    engine: EngineSettings = EngineSettings()
    destination: Destination | None = None

    def answer(self) -> NothingNew | None:
        mapping = load_mapping(self.extracts)
        policies = effective_policies(mapping.policies, self.policies)
        found = find_extracts(self.extracts, mapping)
        place = Warehouse(self.warehouse)
        request = nothing_new.asked(found, policies, self.engine, self.destination)
        return nothing_new.nothing_new(place, found, request, self.as_of)


@pytest.fixture
def asked(tmp_path, warehouse, extracts) -> Asked:
    """The refresh that has been, asked again."""
    return Asked(Path(shutil.copytree(extracts, tmp_path / "extracts")), warehouse)


def damage(file: Path) -> None:
    """Change a byte in the middle so that neither size nor time of change show it."""
    status, content = file.stat(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_to_build(asked: Asked, sql: str) -> None:
    with duckdb.connect(str(asked.warehouse / "build.duckdb")) as con:
        con.execute(sql)


def begin_another(asked: Asked) -> None:
    with Warehouse(asked.warehouse).connect() as con:
        folder.begin(con, folder.new_refresh_id(), None, {}, None, "1.0")


CHANGES: dict[str, Callable[[Asked], object]] = {
    "a byte of a file": lambda asked: damage(asked.extracts / "billing" / "invoices.csv"),
    "a new file": lambda asked: shutil.copy(
        asked.extracts / "crm" / "customers.csv", asked.extracts / "crm" / "customers_2.csv"
    ),
    "a file that is gone": lambda asked: (asked.extracts / "crm" / "customers.csv").unlink(),
    "the name of a file": lambda asked: (asked.extracts / "crm" / "customers.csv").rename(
        asked.extracts / "crm" / "customers_1.csv"
    ),
    "the mapping": lambda asked: (asked.extracts / "extracts.yml").write_text("time_zone: Europe/Sofia\n"),
    "a policy": lambda asked: setattr(asked, "policies", ("lapse_days=120",)),
    "as_of": lambda asked: setattr(asked, "as_of", date(2024, 7, 1)),
    "as_of by default": lambda asked: setattr(asked, "as_of", None),
    "the engine": lambda asked: setattr(asked, "engine", EngineSettings("spark", "thrift://localhost:1", "/tmp")),
    "where it is published to": lambda asked: setattr(asked, "destination", Postgres("postgresql://here/churn")),
    "own reasons": lambda asked: (asked.warehouse / "churn_reason_aliases.csv").write_text(
        "alias,reason_code,language\nno more,poor_service,en\n"
    ),
    "the key of pseudonyms": lambda asked: (asked.warehouse / "pseudonym.key").write_bytes(bytes(32)),
    "a published file is gone": lambda asked: (asked.warehouse / "churn.duckdb").resolve().unlink(),
    "a published file is damaged": lambda asked: damage(asked.warehouse / "private.duckdb"),
    "an export is damaged": lambda asked: damage(asked.warehouse / "exports" / "churn_rates.parquet"),
    "the report is gone": lambda asked: (asked.warehouse / "report" / "index.html").unlink(),
    "a link is gone": lambda asked: (asked.warehouse / "churn.duckdb").unlink(),
    "somebody wrote to what is published": lambda asked: (asked.warehouse / "churn.duckdb.wal").write_bytes(b""),
    "the results of the checks": lambda asked: damage(asked.warehouse / "data_docs" / "index.html"),
    "build.duckdb is gone": lambda asked: (asked.warehouse / "build.duckdb").unlink(),
    "a row in build.duckdb": lambda asked: write_to_build(
        asked, "update raw.billing__invoices_rows set amount = '1' where invoice_id = 'i7-1'"
    ),
    "a refresh that was killed": begin_another,
    "the note itself": lambda asked: (asked.warehouse / "origin.json").write_text('{"version'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_has_changed_makes_a_whole_refresh(asked, change):
    assert asked.answer() is not None
    CHANGES[change](asked)
    assert asked.answer() is None


def test_other_code_makes_a_whole_refresh(asked, monkeypatch):
    monkeypatch.setattr(nothing_new, "code_version", lambda: "1.0+other")
    assert asked.answer() is None


def test_the_day_by_default_is_asked_of_the_data_and_the_clock_again(asked, monkeypatch):
    """As if the refresh had been without --as-of: the newest day of the data is the last end of a subscription."""
    newest = date(2024, 5, 16)
    history = "update quality.refresh_history set as_of = ?, newest_row_on = ?, started_at = ?"

    def refreshed(as_of: date, on: str) -> None:
        with duckdb.connect(str(asked.warehouse / "build.duckdb")) as con:
            con.execute(history, [as_of, as_of, on])
        origin.keep_still(Warehouse(asked.warehouse))

    asked.as_of = None
    refreshed(newest, "2026-05-17 05:00:00")
    found = asked.answer()
    assert found and "as_of is 2024-05-16" in found.warnings[0] and "--as-of" in found.warnings[0]

    def at(yesterday: date) -> NothingNew | None:
        monkeypatch.setattr(nothing_new, "yesterday_in", lambda time_zone: yesterday)
        return asked.answer()

    assert at(newest) and at(date(2024, 5, 17))
    assert at(date(2024, 5, 15)) is None  # then the last end is still to come
    refreshed(newest, "2024-05-17 05:00:00")
    assert asked.answer() is None  # the report does not say yet that the extracts are stale


def test_a_kill_in_any_stage_needs_no_repair(tmp_path, undisturbed, extracts):
    """Two kills, and what fifteen more would leave. `make test-faults` kills at sixty places."""
    warehouse, copies = tmp_path / "warehouse", tmp_path / "copies"
    points = [("load extracts", 2), ("build the marts", 35)]
    for stage, step in points:
        code, _, err = refresh(extracts, warehouse, at(stage, step, kill))
        assert code == -signal.SIGKILL, (stage, err)
        assert not (warehouse / "churn.duckdb").exists()
        assert outcome_of(warehouse)["status"] == "running"
    copies.mkdir()
    code, _, err = refresh(extracts, warehouse, partial(copy_every, 8, warehouse, copies))
    assert code == 0, err
    assert exports(warehouse) == exports(undisturbed)
    assert history(warehouse) == ["interrupted"] * len(points) + ["published"]
    assert len(list(copies.iterdir())) >= 15
    for copy in copies.iterdir():
        if not (copy / "current").exists():
            assert not (copy / "churn.duckdb").exists()
            assert outcome_of(copy)["status"] == "running"
            assert history(copy) == ["interrupted"] * len(points) + ["running"]
        with duckdb.connect(str(copy / "build.duckdb")) as con:
            assert con.execute("select count(*) from raw.billing__invoices_rows").fetchone() == (180,)


def kill_points(said: str, number: int) -> list[tuple[str, int | None]]:
    """So many places, spread evenly over what a refresh does before it publishes, from what an undisturbed one said:
    the beginning and the end of each stage, and between them its steps, which are indented."""
    points: list[tuple[str, int | None]] = []
    steps = 0
    for line in said.splitlines():
        if line.startswith("  "):
            steps += 1
        elif ended := re.fullmatch(r"([a-z ]+): [\d.]+ s", line):
            points += [(ended[1], step) for step in range(steps + 1)] + [(ended[1], None)]
            steps = 0
    points = points[points.index(("load extracts", 0)) : points.index(("publish", 0)) + 1]
    assert len(points) >= number
    return [points[place * (len(points) - 1) // (number - 1)] for place in range(number)]


@pytest.fixture(scope="module")
def next_month(tmp_path_factory, undisturbed, extracts) -> Path:
    """The extracts of a month later next to the warehouse that was refreshed with both, one after the other."""
    place = tmp_path_factory.mktemp("next month")
    shutil.copytree(extracts, place / "extracts")
    for name, line in {
        "billing/subscriptions": "s-new,2024-07-02,c-new,,12,EUR\ns1,2023-01-10,c1,2024-07-09,11,EUR",
        "billing/invoices": "\n".join(f"i-new-{number},c{number},2024-07-03,10,EUR" for number in range(20)),
        "crm/customers": "c-new,Person New,BG",
    }.items():
        header = (extracts / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
        (place / "extracts" / f"{name}_2024-07.csv").write_text(f"{header}\n{line}\n", encoding="utf-8")
    shutil.copytree(undisturbed, place / "warehouse", symlinks=True)
    code, _, err = refresh(place / "extracts", place / "warehouse", None, "--as-of", "2024-07-31")
    assert code == 0, err
    assert exports(place / "warehouse") != exports(undisturbed)
    (place / "said").write_text(err, encoding="utf-8")
    return place


def published_files(warehouse: Path) -> dict[str, bytes]:
    """What readers find under the published paths, which must all be of the current version."""
    version = (warehouse / "current").resolve()
    found = {name: warehouse / name for name in ("churn.duckdb", "private.duckdb", "exports", "docs", "report")}
    assert {path.resolve().parent for path in found.values() if path.exists()} == {version}
    return {name: found[name].read_bytes() for name in ("churn.duckdb", "private.duckdb")} | exports(warehouse)


@pytest.mark.skipif("FAULTS" not in os.environ, reason="sixty times two refreshes: make test-faults")
@pytest.mark.parametrize("place", range(60))
def test_a_refresh_after_a_kill_anywhere_is_as_if_nothing_had_been(tmp_path, undisturbed, extracts, next_month, place):
    """Every second place is one of a first refresh, the others of one that finds a published version and new rows; of
    either, every second kill comes amid what follows the place."""
    is_first = place % 2 == 0
    said = (undisturbed.parent if is_first else next_month) / "said"
    stage, steps = kill_points(said.read_text(encoding="utf-8"), 60)[place]
    warehouse, action = tmp_path / "warehouse", partial(kill_amid, 7 * place % 60) if place % 4 > 1 else kill
    if is_first:
        source, expected, before, options = extracts, undisturbed, {}, ()
    else:
        shutil.copytree(undisturbed, warehouse, symlinks=True)
        source, expected, before = next_month / "extracts", next_month / "warehouse", published_files(undisturbed)
        options = ("--as-of", "2024-07-31")
    code, _, err = refresh(source, warehouse, at(stage, steps, action), *options)
    assert code == -signal.SIGKILL, (stage, steps, err)
    assert (published_files(warehouse) if (warehouse / "current").exists() else {}) == before
    code, _, err = refresh(source, warehouse, None, *options)
    assert code == 0, (stage, steps, err)
    assert exports(warehouse) == exports(expected), (stage, steps)
    assert history(warehouse) == [*(() if is_first else ("published",)), "interrupted", "published"]


@pytest.mark.skipif("FAULTS" not in os.environ, reason="two refreshes: make test-faults")
def test_a_clock_that_is_set_forward_and_back_loses_nothing(warehouse, undisturbed, extracts):
    ids = [version(warehouse)]
    for year in (2099, 2001):
        code, _, err = refresh(extracts, warehouse, partial(set_clock, year))
        assert code == 0, err
        assert exports(warehouse) == exports(undisturbed)
        ids.append(version(warehouse))
    assert ids == sorted(set(ids))
    assert history(warehouse) == ["published"] * 3
    assert churn("rollback", "--warehouse", warehouse).code == 0
    assert version(warehouse) == ids[1]


@pytest.mark.skipif("FAULTS" not in os.environ, reason="two refreshes: make test-faults")
def test_a_late_row_after_the_clock_was_ahead_is_the_cause_of_what_it_changes(warehouse, extracts, tmp_path):
    code, _, err = refresh(extracts, warehouse, partial(set_clock, 2099), "--full-refresh")
    assert code == 0, err
    delivered = Path(shutil.copytree(extracts, tmp_path / "extracts"))
    (delivered / "billing" / "invoices_late.csv").write_text(
        "invoice_id,customer_id,issued_at,amount,currency\nlate,new,2024-02-01,7.5,EUR\n", encoding="utf-8"
    )
    code, _, err = refresh(delivered, warehouse, partial(set_clock, 2001))
    assert code == 0, err
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        told = con.execute("select distinct cause, files from marts.restatements").fetchall()
    assert told == [("extracts", "billing.invoices: billing/invoices_late.csv")]


def version(warehouse: Path) -> str:
    return (warehouse / "churn.duckdb").resolve().parent.name


def set_clock(year: int) -> None:
    for module in (folder, publishing, registry):  # all that look at it
        module.now = lambda: datetime(year, 1, 1)


def test_an_interrupted_refresh_says_so(warehouse, undisturbed, extracts):
    for number in (signal.SIGINT, signal.SIGTERM):
        code, out, err = refresh(extracts, warehouse, at("build the marts", 5, partial(signal.raise_signal, number)))
        assert (code, out) == (130, "")
        assert "Interrupted" in err
        assert "Traceback" not in err
        ended = outcome_of(warehouse)
        assert (ended["status"], ended["exit_code"], ended["headline"]) == ("interrupted", 130, None)
    assert history(warehouse) == ["published", "interrupted", "interrupted"]
    with run_history(warehouse / "dagster") as instance:
        runs = instance.get_runs()
        published = instance.get_latest_materialization_event(dg.AssetKey(["published", "churn"]))
    assert [run.status.value for run in runs] == ["CANCELED", "CANCELED", "SUCCESS"]
    assert {run.tags["user"] for run in runs} == {"churn refresh"}  # "Launched by" in the UI
    assert published.run_id == runs[-1].run_id
    assert (warehouse / "churn.duckdb").read_bytes() == (undisturbed / "churn.duckdb").read_bytes()


STAGES = ["load extracts", "stage and audit", "judge the raw gate", "build the marts", "judge the marts gate"]


def test_a_full_disk_is_told_and_costs_readers_nothing(tmp_path, warehouse, undisturbed, extracts):
    fill = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    extracts = Path(shutil.copytree(extracts, tmp_path / "extracts"))
    with (extracts / "billing" / "invoices.csv").open("a") as file:  # something to load
        file.write("i-new,c1,2024-05-01,10,EUR\n")
    for stage in STAGES if "FAULTS" in os.environ else STAGES[::3]:
        told_and_nothing_changed(refresh(extracts, warehouse, at(stage, 0, fill)), warehouse, undisturbed)
    publish_full = partial(publish_as_built, at("publish", 0, fill))
    told_and_nothing_changed(refresh(extracts, warehouse, publish_full), warehouse, undisturbed)
    code, _, err = refresh(extracts, warehouse)
    assert code == 0, err
    code, _, err = refresh(extracts, warehouse, partial(publish_as_built, at("report", 0, fill)))
    assert "Published, but without a report" in err
    assert history(warehouse)[-2:] == ["published"] * 2


def told_and_nothing_changed(done: Done, warehouse: Path, undisturbed: Path) -> None:
    code, out, err = done
    assert (code, out) == (4, "")
    assert re.search("File too large|No space|Could not write|disk|Out of Memory", err), err
    assert "Traceback" not in err and "internal error" not in err
    assert (warehouse / "churn.duckdb").read_bytes() == (undisturbed / "churn.duckdb").read_bytes()


def give_duckdb(mebibytes: int) -> None:
    """So much, of a gigabyte for everything."""
    connection._memory = lambda: 2**30
    connection._for_duckdb = lambda _: mebibytes * 2**20


def test_too_little_memory_is_told_and_costs_readers_nothing(warehouse, undisturbed, extracts):
    def with_memory(mebibytes: int) -> Done:  # all is built again: what is unchanged needs none
        return refresh(extracts, warehouse, partial(give_duckdb, mebibytes), "--full-refresh")

    told_and_nothing_changed(with_memory(8), warehouse, undisturbed)
    if "FAULTS" in os.environ:
        told_and_nothing_changed(with_memory(20), warehouse, undisturbed)
        code, _, err = with_memory(96)
        assert code == 0, err
        assert exports(warehouse) == exports(undisturbed)


def fill(number: int) -> None:
    """From now on what is written to stdout (1) or stderr (2) meets a full disk."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


def fail_once() -> None:
    """The first time, a model fails for a reason of the engine's own."""
    failed = []

    def add_query(self: Connections, sql: str, *given, **named):
        if "int_customer_spells" in sql and "create" in sql and not failed:
            failed.append(sql)
            raise DbtDatabaseError("java.util.NoSuchElementException")
        return original(self, sql, *given, **named)

    original, Connections.add_query = Connections.add_query, add_query
    DuckDB.can_try_again = lambda self, failed: all("NoSuchElement" in result.message for result in failed)


def test_what_an_engine_fails_of_itself_is_tried_once_more(tmp_path, undisturbed, extracts):
    done = refresh(extracts, tmp_path, fail_once)
    assert done.code == 0, done.err
    assert exports(tmp_path) == exports(undisturbed)
    assert checks(tmp_path) == checks(undisturbed)


def test_what_fails_after_the_publish_does_not_deny_it(warehouse, undisturbed, extracts):
    code, _, err = refresh(extracts, warehouse, partial(publish_as_built, partial(fill, 1)))
    assert code == 4
    assert err.endswith("No space left on device. The new version is published.\n")
    assert history(warehouse)[-1] == "published"
    terminate = partial(signal.raise_signal, signal.SIGTERM)
    code, _, err = refresh(extracts, warehouse, partial(publish_as_built, at("publish", None, terminate)))
    assert code == 130
    assert err.endswith("Interrupted. The new version is published.\n")
    ended = outcome_of(warehouse)
    assert (ended["status"], ended["exit_code"]) == ("published", 130)
    code, _, err = refresh(extracts, warehouse, partial(publish_as_built, at("publish", None, partial(int, "x"))))
    assert code == 4
    assert err.endswith("The new version is published.\n")
    assert history(warehouse) == ["published"] * 4


def test_a_refresh_that_nobody_listens_to_goes_on(warehouse, extracts):
    code, out, _ = refresh(extracts, warehouse, partial(publish_as_built, partial(fill, 2)), "--json")
    assert code == 0
    assert out == (warehouse / "refresh.json").read_text(encoding="utf-8")


def test_a_refused_refresh_changes_nothing_for_readers(tmp_path, warehouse, undisturbed):
    write_extracts(tmp_path / "bad", bad_rows=100)
    code, out, err = refresh(tmp_path / "bad", warehouse)
    assert (code, out) == (1, "")
    assert "Not published" in err
    ended = outcome_of(warehouse)
    assert (ended["status"], ended["exit_code"], f"{ended['message']}\n") == ("refused", 1, err[err.index("Not pub") :])
    assert "critical" in {check["severity"] for check in ended["failed_checks"]}
    assert ended["counts"]["rows_quarantined"] == 100
    assert (warehouse / "churn.duckdb").read_bytes() == (undisturbed / "churn.duckdb").read_bytes()
    assert exports(warehouse) == exports(undisturbed)
    assert history(warehouse)[-1] == "refused"
