"""Refreshes on a real Spark: every cell is that of DuckDB, whatever happens on the way."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt.adapters.spark.connections import PyhiveConnectionWrapper
from dbt_common.exceptions import DbtDatabaseError
from pyhive import hive

from orchestration.cli import DEMO_AS_OF
from orchestration.engines import Engine, EngineSettings
from orchestration.engines.spark import _CONFIGURATION, SESSION, Spark, _giving_up, _rows, _run
from orchestration.errors import EnvironmentFailure
from orchestration.loading import registry
from orchestration.transform import project
from orchestration.warehouse.folder import JOURNALS, Warehouse
from orchestration.warehouse.quoting import quote
from spark.cluster import free_port
from spark.tests.companies import EXECUTOR, TYPED, Company, processes
from spark.tests.compare import exports
from tests.faults.test_places import NOBODY, as_nobody, place
from tests.faults.test_refresh import at, kill
from tests.golden.test_public_extracts import DATA
from tests.properties.test_delivery_order import deliver

__all__ = ["place"]  # a fixture
# Holds the ids of refreshes.
OF_REFRESHES = "restatements.parquet"

# A customer who is delivered late: months that are long closed change.
CORRECTION = {
    "billing/subscriptions/late.csv": b"subscription_id,customer_id,started_on,ended_on,unit_price,currency\n"
    b"late,late,2023-03-01,2024-02-15,10,EUR\n",
    "billing/invoices/late.csv": b"invoice_id,customer_id,issued_at,amount,currency\nlate,late,2023-03-01,10,EUR\n",
}


def engine_of(company: Company) -> Spark:
    """Spark as the last refresh of the company had it."""
    warehouse = Warehouse(company.by_spark)
    [built] = (company.storage / "built").iterdir()
    engine = EngineSettings.of(warehouse, {}).start(warehouse, built.name)
    assert isinstance(engine, Spark)
    return engine


def write_profile(folder: Path, output: Mapping[str, Any]) -> None:
    """The profile of dbt with what the engine adds to its own."""
    profile = yaml.safe_load((project.ROOT / "profiles.yml").read_text(encoding="utf-8"))
    profile["churn_warehouse"]["outputs"]["spark"] |= output
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")


def restatements(warehouse: Path) -> int:
    with duckdb.connect(str(warehouse / "build.duckdb"), read_only=True) as con:
        [(count,)] = con.execute("select count(*) from marts.restatements").fetchall()
    return count


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Of each file of a folder, what changes when it is written again."""
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in folder.rglob("*.parquet")}


def plan_by_default() -> None:
    """As on a cluster for many rows."""
    _CONFIGURATION["set:hiveconf:spark.sql.adaptive.enabled"] = "true"


def fill(folder: Path) -> None:
    """Leave no space on the disk of a folder."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(2**12))


def forbid(folder: Path) -> None:
    """Let nobody write into what is in a folder."""
    for inner in folder.glob("**/"):
        if inner != folder:
            inner.chmod(0o500)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own for a folder."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # Spark may have something open yet


@contextmanager
def stopped(numbers: Iterable[int]) -> Iterator[None]:
    """While these processes do nothing."""
    numbers = list(numbers)
    assert numbers
    for number in numbers:
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for number in numbers:
            os.kill(number, signal.SIGCONT)


def test_a_full_storage_ends_with_a_sentence(random_company) -> None:
    company, before = random_company, exports(random_company.by_spark)
    with small_disk(company.storage / "built"):
        fault = at("stage and audit", 3, partial(fill, company.storage / "built"))
        done = company.refresh(company.by_spark, *company.engine, prepare=fault)
    assert done.code == 4
    assert "no space is left on a disk of the cluster or on the storage" in done.err
    assert exports(company.by_spark) == before


def test_a_storage_that_spark_may_not_write_to_ends_with_a_sentence(random_company) -> None:
    company, before = random_company, exports(random_company.by_spark)
    fault = at("stage and audit", 3, partial(forbid, company.storage / "built"))
    done = company.refresh(company.by_spark, *company.engine, prepare=fault)
    assert done.code == 4
    assert "Spark may not write to the storage: it must run as the same user" in done.err
    assert exports(company.by_spark) == before
    for folder in company.storage.glob("built/**/"):
        folder.chmod(0o700)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_a_storage_of_another_user_than_sparks_ends_with_a_sentence(random_company) -> None:
    company, before = random_company, exports(random_company.by_spark)
    os.chown(company.storage, int(NOBODY), int(NOBODY))
    done = company.refresh(company.by_spark, *company.engine)
    assert done.code == 4
    assert "Spark does not see the storage" in done.err
    assert exports(company.by_spark) == before
    os.chown(company.storage, os.getuid(), os.getgid())


def test_a_company_that_is_corrected_killed_and_changes_engines(random_company) -> None:
    """Spark's first refresh finds what the faults of the tests before have left. The months that the second delivery
    changes are restated in the same words. So are those of a third one, for which Spark is given nothing but what is
    new; it is killed amid the marts, and the next refresh plans as Spark does by default."""
    company = random_company
    company.published(company.by_spark, *company.engine)
    company.assert_equal(OF_REFRESHES)
    assert restatements(company.by_spark) > 0
    with duckdb.connect(str(company.by_spark / "build.duckdb")) as con:
        read = "select table_name, file from raw.loads where shape is not null order by all"
        itself = con.execute(read).fetchall()
    assert {table for table, _ in itself} == set(TYPED) and (
        "billing.invoices",
        "billing/invoices/broken.parquet",
    ) in itself

    restated, exported = restatements(company.by_spark), stamps(company.storage / "raw")
    before = exports(company.by_spark)
    deliver(company.extracts, CORRECTION)
    done = company.refresh(company.by_spark, prepare=at("build the marts", 5, kill))
    assert done.code == -signal.SIGKILL
    assert exports(company.by_spark) == before
    company.publish_both(prepare=plan_by_default)
    company.assert_equal(OF_REFRESHES)
    assert restatements(company.by_spark) > restated
    assert exported.items() < stamps(company.storage / "raw").items()

    done = company.published(company.by_spark, "--engine", "duckdb")
    assert f"{company.storage} still holds" in done.err
    company.assert_equal(OF_REFRESHES)


@pytest.fixture(scope="module")
def demo(on_spark) -> Company:
    """The demo company, refreshed on both engines."""
    return on_spark["demo"].result()


def test_the_demo_company_is_the_same_on_both_engines(demo) -> None:
    demo.assert_equal()
    assert demo.storage.stat().st_mode & 0o777 == 0o700
    assert EngineSettings.of(Warehouse(demo.by_spark), {}).engine == "spark"
    with duckdb.connect(str(demo.by_spark / "churn.duckdb"), read_only=True) as con:
        counted = con.execute("select sum(evaluated_count) from quality.check_results").fetchone()
    with duckdb.connect(str(demo.by_duckdb / "churn.duckdb"), read_only=True) as con:
        assert con.execute("select sum(evaluated_count) from quality.check_results").fetchone() == counted


def test_no_setting_of_the_server_holds_for_a_refresh(demo, settings_of_the_server) -> None:
    """The cells of all tests are those of DuckDB though each of these settings is another one on the server."""
    assert settings_of_the_server.keys() == SESSION.keys()
    with engine_of(demo)._cursor() as cursor:
        assert {name: value for name in SESSION for _, value in _rows(cursor, f"set {name}")} == SESSION


def test_the_unit_tests_of_the_models_pass_on_spark(demo, tmp_path) -> None:
    with engine_of(demo).running() as (output, manifest):
        write_profile(tmp_path, output)
        arguments = ["test", "--select", "test_type:unit", "--vars", "{as_of: '2024-04-30'}"]
        arguments += ["--target-path", str(tmp_path), "--no-write-json"]
        results = project._invoke(arguments, tmp_path, manifest, target="spark").results
    assert len(results) > 50
    assert [f"{one.node.name}: {one.message}" for one in results if one.status != "pass"] == []


def answer(engine: Engine, con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, list[tuple]]:
    """The rows of each analysis in their order: what they are about, without numbers and times of the refresh."""
    with engine.running() as (_, manifest):
        arguments = ["compile", "--select", "resource_type:analysis", "--no-introspect", "--no-populate-cache"]
        arguments += ["--target-path", str(folder)]
        results = project._invoke(arguments, project.ROOT, manifest, target=engine.name).results
    return {
        one.node.name: [
            tuple(str(cell) for cell in row if isinstance(cell, bool | str) or type(cell) is date)
            for row in engine.rows(con, one.node.compiled_code)
        ]
        for one in results
    }


def test_the_analyses_answer_in_the_same_order_on_both_engines(demo, tmp_path) -> None:
    by_duckdb = EngineSettings().start(Warehouse(demo.by_duckdb), "id")
    with duckdb.connect(str(demo.by_duckdb / "build.duckdb"), read_only=True) as con:
        one, other = (answer(engine, con, tmp_path) for engine in (by_duckdb, engine_of(demo)))
    assert len(one) > 10 and any(one.values())
    assert {name: rows for name, rows in other.items() if rows != one[name]} == {}


@pytest.mark.skipif(not DATA.is_dir(), reason="the public extracts of ../shared/data are not here")
def test_a_public_extract_is_the_same_on_both_engines_though_an_executor_is_lost(on_spark) -> None:
    on_spark["public"].result().assert_equal()


def test_a_statement_that_no_worker_runs_ends_with_a_sentence(demo, cluster_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("orchestration.engines.spark.LONGEST", "3s")
    engine, query = engine_of(demo), "select max(id) from range(100) group by id % 7"
    with engine.running() as (output, manifest), stopped(processes(cluster_folder, EXECUTOR)):
        with pytest.raises(EnvironmentFailure, match="no workers were left to run it"):
            engine.rows(duckdb.connect(), query)
        write_profile(tmp_path, output)
        arguments = ["show", "--inline", query, "--target-path", str(tmp_path), "--no-populate-cache"]
        with pytest.raises(Exception, match="TIMEDOUT_STATE") as failure:
            project._invoke(arguments, tmp_path, manifest, target="spark")
    assert "no workers were left to run it" in engine.without_values(str(failure.value))


def test_what_dbt_itself_cannot_go_on_without_ends_with_a_sentence(demo, tmp_path) -> None:
    """Before it builds anything it asks for the tables that there are."""
    with (
        pytest.raises(EnvironmentFailure, match=r"Spark at thrift://\S+: Spark Error: the connection to Spark was"),
        engine_of(demo).running() as (output, manifest),
    ):
        write_profile(tmp_path, {**output, "port": free_port()})
        arguments = ["run", "--target-path", str(tmp_path), "--no-write-json"]
        project._invoke(arguments, tmp_path, manifest, target="spark")


def test_a_session_that_spark_refuses_ends_with_a_sentence_that_quotes_nothing(tmp_path, monkeypatch) -> None:
    def connect(*_: object, **__: object) -> None:
        raise hive.OperationalError("Failed to open new session: java.lang.IllegalStateException: Marked Person")

    monkeypatch.setattr(hive, "connect", connect)
    engine = EngineSettings("spark", "thrift://here:10000", str(tmp_path)).start(Warehouse(tmp_path), "id")
    with pytest.raises(EnvironmentFailure, match="Spark at thrift://here:10000: Spark Error: IllegalState") as failure:
        engine.rows(duckdb.connect(), "select 1")
    assert "Marked" not in str(failure.value) + engine.warehouse.log.read_text()


def test_after_a_full_disk_no_statement_is_sent_to_spark(monkeypatch) -> None:
    asked: list[str] = []

    def fail(_: PyhiveConnectionWrapper, message: str) -> None:
        asked.append(message)
        raise DbtDatabaseError(message)

    monkeypatch.setattr(PyhiveConnectionWrapper, "execute", fail)
    connection = PyhiveConnectionWrapper(None)
    for _ in range(2):  # the next refresh of a process asks again
        with _giving_up():
            for message in ("[CAST_INVALID_INPUT]", "java.io.IOException: No space left on device"):
                with pytest.raises(DbtDatabaseError, match=re.escape(message)):
                    connection.execute(message)
            with pytest.raises(DbtDatabaseError, match="No space left"):
                connection.execute("select 1")
    assert "select 1" not in asked and len(asked) == 4


def test_a_server_that_says_nothing_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("orchestration.engines.spark.SILENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"thrift://127.0.0.1:{silent.getsockname()[1]}"
        engine = EngineSettings("spark", url, str(tmp_path)).start(Warehouse(tmp_path), "id")
        with pytest.raises(EnvironmentFailure, match=f"No Spark Thrift server answers at {url}"):
            engine.rows(duckdb.connect(), "select 1")


def test_a_server_that_does_not_answer_is_named(tmp_path, demo) -> None:
    company = Company(tmp_path, DEMO_AS_OF).on(f"thrift://127.0.0.1:{free_port()}", tmp_path / "storage")
    shutil.copytree(demo.extracts, company.extracts)
    done = company.refresh(company.by_spark, *company.engine)
    assert done.code == 4
    assert "No Spark Thrift server answers at thrift://127.0.0.1:" in done.err
    assert not (company.by_spark / "churn.duckdb").exists() and not (tmp_path / "storage").exists()


def test_another_user_than_the_one_who_installed_it_needs_to_write_nothing_into_the_project(place) -> None:
    project.prepare_spark()  # as `make` has
    code = "from orchestration.transform.project import spark_manifest; spark_manifest()"
    done = as_nobody(place, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr


def test_a_gate_that_dagster_tries_again_starts_from_nothing(tmp_path, running, storage) -> None:
    given = {"spark_url": running.url, "spark_storage": str(storage / "again"), "spark_prefix": "again_"}
    warehouse = Warehouse(tmp_path)
    engine = EngineSettings("spark", **given).start(warehouse, "20240630T050000.000000Z")
    with warehouse.connect() as con:
        for journal in JOURNALS:
            journal.create(con)
        registry.prepare(con)
        engine.begin(con)
        con.execute("create schema history")
        con.execute(
            "create table history.closed_month_versions as select unnest(['earlier', ?]) as refresh_id",
            [engine.refresh_id],
        )
        for gate, left in (("raw", "quality/refresh_history"), ("marts", "history/closed_month_versions")):
            by_first_try = [engine.built.with_name(gate) / name for name in (left, "staging/stg_billing__invoices")]
            for folder in by_first_try:
                folder.mkdir(parents=True)
                (folder / "part-0.parquet").touch()
            engine.prepare(con, gate)
            assert [folder for folder in by_first_try if (folder / "part-0.parquet").exists()] == []
        assert engine.rows(con, "select refresh_id from again_history.closed_month_versions") == [("earlier",)]
        assert engine.rows(con, "select count(*) from again_raw.loads") == [(0,)]


def test_storage_and_databases_of_another_warehouse_are_left_alone(tmp_path, demo) -> None:
    """One database is there, as before a server with its catalog in memory was lost; another is not, and not made."""
    engine = engine_of(demo)
    with engine._cursor() as cursor:
        _run(cursor, f"create database if not exists {engine.prefix}marts comment {quote(engine._owner)}")
        _run(cursor, f"drop database if exists {engine.prefix}history cascade")
        databases = _rows(cursor, "show databases")
    before = sorted(demo.storage.rglob("*"))
    done = demo.refresh(tmp_path / "warehouse", *demo.engine)
    assert done.code == 2
    assert f"--spark-storage {demo.storage}: the folder belongs to another warehouse" in done.err
    done = demo.refresh(tmp_path / "warehouse", *demo.engine[:5], tmp_path / "storage", *demo.engine[6:])
    assert done.code == 2
    assert "was not made for this warehouse" in done.err and "--spark-prefix" in done.err
    with engine._cursor() as cursor:
        assert _rows(cursor, "show databases") == databases
    assert sorted(demo.storage.rglob("*")) == before and not (tmp_path / "storage").exists()
