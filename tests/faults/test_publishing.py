"""Readers see the last version or the new one, whole, whatever happens to the process that publishes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import Refused, UserError
from orchestration.readers.report import page
from orchestration.transform.project import DOCS
from orchestration.warehouse import folder, publishing
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.publishing import Relation
from orchestration.warehouse.replacing import replacing

RELATIONS = [
    Relation(
        "marts",
        "rates",
        key=("period_grain", "period_start", "segment"),
        description="It's a mart.",
        columns={"version": "Its version."},
    ),
    Relation("quality", "load_audit"),
    Relation("restricted", "contacts", private=True),
    *publishing.journals(),
]
CHECKS = {("adds_up", "marts.rates")}


def publish(
    warehouse: Warehouse, version: str, status: str = "passed", severity: str = "critical", declared=CHECKS
) -> None:
    """Publish a small database all of whose tables say `version`, which is also the refresh id."""
    with warehouse.locked():
        publishing.reconcile(warehouse)
        with warehouse.connect() as con:
            folder.begin(
                con, version, date(2025, 12, 31), {"lapse_days": 90}, publishing.current_version(warehouse), "1.0"
            )
            con.execute(f"""
                create schema if not exists marts;
                create schema if not exists restricted;
                create or replace table marts.rates as
                select grain as period_grain, date '2025-01-01' as period_start, type as segment_type,
                    's' || hash(random()) as segment, '{version}' as version
                from (values ('year'), ('month'), ('quarter')) as grains (grain),
                    (values ('country'), ('all')) as types (type);
                update marts.rates set segment = segment_type;
                create or replace table quality.load_audit as select '{version}' as version;
                create or replace table restricted.contacts as select '{version}' as version
            """)
            con.execute(
                "insert into quality.check_results values (?, 'adds_up', 'marts', 'marts.rates', ?, ?, 6, 1)",
                [version, severity, status],
            )
        publishing.publish(warehouse, version, RELATIONS, declared, DOCS.parent)


def query(file: Path, sql: str) -> str:
    """The first value of a query in a process of its own:
    DuckDB shows one process one version as long as it holds it open."""
    code = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).execute(sys.argv[2]).fetchone()[0])"
    return subprocess.run(
        [sys.executable, "-c", code, str(file), sql], check=True, capture_output=True, text=True
    ).stdout.strip()


def versions_seen(warehouse: Warehouse) -> set[str]:
    """The versions that readers meet at all the places of a warehouse."""
    with duckdb.connect() as con:
        con.execute(
            f"attach '{warehouse.current}' as churn (read_only);"
            f" attach '{warehouse.folder / 'private.duckdb'}' as private (read_only)"
        )
        rows = con.execute(f"""
            select version from churn.marts.rates union select version from churn.quality.load_audit
            union select version from private.restricted.contacts
            union select version from '{warehouse.folder / "exports" / "rates.parquet"}'
        """)
        return {version for (version,) in rows.fetchall()}


def contents(path: Path) -> dict[str, str]:
    """Path -> hash of all files below, but for the writer's own database."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.rglob("*")
        if file.is_file() and not file.name.startswith(("build.", ".lock"))
    }


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def test_publishes_everything_of_one_version(warehouse):
    publish(warehouse, "v1")
    assert versions_seen(warehouse) == {"v1"}
    with duckdb.connect(str(warehouse.current), read_only=True) as con:
        assert con.execute("select status from quality.refresh_history").fetchall() == [("published",)]
        assert con.execute("select distinct period_grain, segment_type from marts.rates_quarterly").fetchall() == [
            ("quarter", "all")
        ]
        assert (
            con.execute("select tags['storage_version'] from duckdb_databases() where database_name = 'churn'")
            .fetchone()[0]
            .startswith("v1.0.0")
        )
        assert con.execute("select comment from duckdb_tables() where table_name = 'rates'").fetchall() == [
            ("It's a mart.",)
        ]
        assert con.execute(
            "select comment from duckdb_columns() where table_name = 'rates' and column_name = 'version'"
        ).fetchall() == [("Its version.",)]
        assert con.execute("select count(*) from duckdb_tables() where schema_name = 'restricted'").fetchone() == (0,)
    assert not list(warehouse.folder.rglob("churn.duckdb.wal"))


@pytest.mark.parametrize(("given", "readers"), [(0o000, 0o444), (0o022, 0o444), (0o027, 0o440), (0o077, 0o400)])
def test_only_the_owner_reads_what_is_private_whatever_the_umask(warehouse, given, readers):
    umask = os.umask(given)
    try:
        publish(warehouse, "v1")
    finally:
        os.umask(umask)
    modes = {
        name: stat.S_IMODE((warehouse.folder / name).stat().st_mode)
        for name in ("build.duckdb", "private.duckdb", "churn.duckdb", "exports")
    }
    folders = 0o777 & ~given
    assert modes == {"build.duckdb": 0o600, "private.duckdb": 0o400, "churn.duckdb": readers, "exports": folders}
    assert not warehouse.log.exists() or stat.S_IMODE(warehouse.log.stat().st_mode) == 0o600


def test_nobody_may_write_to_what_is_published(warehouse):
    publish(warehouse, "v1")
    version = warehouse.published / "v1"
    assert not [file for file in version.rglob("*") if file.is_file() and file.stat().st_mode & 0o222]


def test_equal_rows_give_equal_exports(warehouse):
    publish(warehouse, "v1")
    first = (warehouse.folder / "exports" / "rates.parquet").read_bytes()
    with warehouse.connect() as con:
        con.execute(
            "create table turned as from marts.rates order by hash(period_grain || segment); drop table marts.rates"
        )
        con.execute(
            "create table marts.rates as from turned; drop table turned;"
            " insert into quality.check_results select * replace ('v2' as refresh_id) from quality.check_results"
        )
    with warehouse.locked():
        publishing.publish(warehouse, "v2", RELATIONS, CHECKS, DOCS.parent)
    assert (warehouse.folder / "exports" / "rates.parquet").read_bytes() == first


@pytest.mark.parametrize(
    "refused",
    [
        {"status": "failed"},
        {"status": "error", "severity": "warning"},
        {"declared": {*CHECKS, ("another", "marts.rates")}},
    ],
)
def test_a_refused_publish_changes_nothing(warehouse, refused):
    publish(warehouse, "v1")
    before = contents(warehouse.folder)
    with pytest.raises(Refused, match="adds_up|another"):
        publish(warehouse, "v2", **refused)
    assert contents(warehouse.folder) == before
    assert versions_seen(warehouse) == {"v1"}


def test_a_warning_is_published(warehouse):
    publish(warehouse, "v1", status="failed", severity="warning")
    assert versions_seen(warehouse) == {"v1"}


def test_a_refusal_states_what_a_failed_check_found(warehouse):
    publish(warehouse, "v1")
    with warehouse.connect() as con:
        con.execute("update quality.check_results set status = 'failed'")
        with pytest.raises(Refused, match=r"adds_up on marts\.rates \(1 of its rows or groups failed\): a = b$"):
            publishing.audit(con, "v1", CHECKS, {("adds_up", "marts.rates"): "a = b"})


def test_results_of_another_refresh_do_not_count(warehouse):
    publish(warehouse, "v1")
    with warehouse.locked(), pytest.raises(Refused, match="was not run"):
        publishing.publish(warehouse, "v2", RELATIONS, CHECKS, DOCS.parent)


def test_a_reader_keeps_its_version_and_a_new_one_sees_the_next(warehouse):
    publish(warehouse, "v1")
    code = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True);"
        " sys.stdin.readline(); print(con.execute('select min(version) from marts.rates').fetchone()[0])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(warehouse.current)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout.readline() == "open\n"
        publish(warehouse, "v2")
        assert query(warehouse.current, "select min(version) from marts.rates") == "v2"
        assert reader.communicate("\n")[0] == "v1\n"


def test_rollback_goes_to_the_version_before(warehouse):
    for version in ("v1", "v2", "v3"):
        publish(warehouse, version)
    started = time.process_time()
    assert publishing.rollback(warehouse) == ("v3", "v2")
    assert time.process_time() - started < 1  # however large a version is: no file of it is touched
    assert versions_seen(warehouse) == {"v2"}
    assert publishing.rollback(warehouse) == ("v2", "v1")
    with pytest.raises(UserError, match="oldest"):
        publishing.rollback(warehouse)
    assert versions_seen(warehouse) == {"v1"}
    publish(warehouse, "v4")
    assert versions_seen(warehouse) == {"v4"}


def test_rollback_of_nothing_says_so(warehouse):
    with pytest.raises(UserError, match="Nothing is published"):
        publishing.rollback(warehouse)


def test_a_rollback_that_cannot_be_told_does_not_deny_it(warehouse):
    for version in ("v1", "v2"):
        publish(warehouse, version)
    command = [Path(sys.executable).with_name("churn"), "rollback", "--warehouse", warehouse.folder]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, versions_seen(warehouse)) == (4, {"v1"})
    assert done.stderr == "No space left on device. The version before is published.\n"


def test_keeps_five_versions(warehouse):
    for number in range(1, 8):
        publish(warehouse, f"v{number}")
    assert publishing.versions(warehouse) == ["v3", "v4", "v5", "v6", "v7"]


def test_a_rollback_follows_what_readers_had_before(warehouse):
    for version in ("v1", "v2", "v3"):
        publish(warehouse, version)
    publishing.rollback(warehouse)
    publish(warehouse, "v4")  # v3 has been given up
    assert publishing.rollback(warehouse) == ("v4", "v2")
    assert publishing.rollback(warehouse) == ("v2", "v1")


def test_the_current_version_is_kept_whatever_its_id(warehouse):
    for number in range(2, 7):
        publish(warehouse, f"v{number}")
    publish(warehouse, "v1")  # the clock was set back
    assert versions_seen(warehouse) == {"v1"}
    assert publishing.versions(warehouse) == ["v1", "v3", "v4", "v5", "v6"]
    assert publishing.rollback(warehouse) == ("v1", "v6")


def test_a_version_that_rollback_would_go_to_is_kept_longest(warehouse):
    for number in range(1, 6):
        publish(warehouse, f"v{number}")
    for _ in range(4):
        publishing.rollback(warehouse)
    publish(warehouse, "v6")
    assert publishing.versions(warehouse) == ["v1", "v3", "v4", "v5", "v6"]
    assert publishing.rollback(warehouse) == ("v6", "v1")


def test_ids_grow_when_the_clock_is_set_back(warehouse, monkeypatch):
    first = folder.new_refresh_id()
    monkeypatch.setattr(folder, "now", lambda: datetime(2001, 1, 1))
    second = folder.new_refresh_id(first)
    assert first < second < folder.new_refresh_id(second) < "9999"
    assert folder.is_refresh_id(second)
    with warehouse.connect() as con:
        assert folder.newest_id(con) == ""
        folder.begin(con, second, None, {}, None, "1.0")
        assert folder.newest_id(con) == second
    (warehouse.published / f".{second}").mkdir(parents=True)
    (warehouse.published / "my notes").mkdir()
    assert publishing.newest_id(warehouse) == second


@pytest.mark.parametrize("follow_links", [True, False])
def test_a_copied_warehouse_is_the_same_warehouse(warehouse, tmp_path, follow_links):
    publish(warehouse, "v1")
    publish(warehouse, "v2")
    (warehouse.published / "v2" / "report").mkdir()  # else its link leads nowhere
    copy = Path(shutil.copytree(warehouse.folder, tmp_path / "copy", not follow_links, copy_function=shutil.copy))
    assert publishing.current_version(Warehouse(copy)) == "v2"
    publish(Warehouse(copy), "v3")
    assert versions_seen(Warehouse(copy)) == {"v3"}
    assert publishing.rollback(Warehouse(copy)) == ("v3", "v2")
    assert versions_seen(Warehouse(copy)) == {"v2"}


def test_a_warehouse_that_an_earlier_release_published_goes_on(warehouse):
    """Then churn.duckdb was a second name of the version's file, and each link led to the version itself."""
    publish(warehouse, "v1")
    publish(warehouse, "v2")
    warehouse.link.unlink()
    warehouse.current.unlink()
    os.link(warehouse.published / "v1" / "churn.duckdb", warehouse.current)  # a rollback that was killed
    for name in publishing.LINKED[1:]:
        (warehouse.folder / name).unlink()
        (warehouse.folder / name).symlink_to(Path("published", "v2", name))
    for version in ("v1", "v2"):
        (warehouse.published / version / publishing.BEFORE).unlink(missing_ok=True)
    assert publishing.current_version(warehouse) == "v1"
    with warehouse.locked():
        publishing.reconcile(warehouse)
    assert versions_seen(warehouse) == {"v1"}
    publish(warehouse, "v3")
    assert versions_seen(warehouse) == {"v3"}
    assert publishing.rollback(warehouse) == ("v3", "v1")


def test_changes_left_by_a_writing_reader_never_reach_the_new_version(warehouse):
    publish(warehouse, "v1")
    warehouse.current.with_name("churn.duckdb.wal").write_bytes(b"changes to the old file")
    publish(warehouse, "v2")
    assert versions_seen(warehouse) == {"v2"}


def killed_at(call: int, action: Callable[[], object]) -> bool:
    """Run the action in a child that kills itself before its `call`-th change of the file system.
    False: it came to its end."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return False
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    calls = 0

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def changing(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **options)

        return changing

    for module, name in (
        (os, "replace"),
        (os, "link"),
        (os, "fsync"),
        (os, "rename"),
        (os, "symlink"),
        (os, "unlink"),
        (os, "rmdir"),
        (os, "mkdir"),
        (os, "chmod"),
    ):
        setattr(module, name, counted(getattr(module, name)))
    publishing._copy = counted(publishing._copy)
    publishing._create_grain_views = counted(publishing._create_grain_views)
    try:
        action()
    except BaseException:
        os._exit(1)
    os._exit(0)


def report(warehouse: Warehouse) -> None:
    """Add a report that says which version it is of."""

    def write(database: Path, folder: Path, _: str | None) -> Path:
        folder.mkdir(exist_ok=True)
        with replacing(folder / "index.html") as new:
            new.write_text(database.parent.name)
        return folder / "index.html"

    page.write_report = write
    with warehouse.locked():
        page.add_report(warehouse)


@pytest.mark.parametrize("action", ["publish", "rollback", "report"])
def test_a_kill_at_any_change_of_files_leaves_one_whole_version(tmp_path, action):
    prepared = Warehouse(tmp_path / "prepared")
    publish(prepared, "v1")
    publish(prepared, "v2")
    with prepared.connect() as con:
        con.execute("create schema intermediate; create table intermediate.int_reporting_currency (currency varchar)")
    outcomes = set()
    for call in range(1, 1000):
        warehouse = Warehouse(tmp_path / f"killed {call}")
        shutil.copytree(prepared.folder, warehouse.folder, symlinks=True, dirs_exist_ok=True)
        actions = {"publish": partial(publish, warehouse, "v3"), "report": partial(report, warehouse)}
        killed = killed_at(call, actions.get(action) or partial(publishing.rollback, warehouse))
        with duckdb.connect(str(warehouse.current), read_only=True) as con:
            [(seen,)] = con.execute("select distinct version from marts.rates").fetchall()
        assert versions_seen(warehouse) == {seen}  # before anybody has settled anything
        if (shown := warehouse.folder / "report" / "index.html").exists():
            assert shown.read_text() == seen
        with warehouse.locked():
            publishing.reconcile(warehouse)
        assert versions_seen(warehouse) == {seen}
        assert publishing.current_version(warehouse) == seen
        assert not list(warehouse.published.glob(".*"))
        outcomes.add(seen)
        if not killed:
            break
        if call % 7 == 0:
            publish(warehouse, "v4")
            assert versions_seen(warehouse) == {"v4"}
            with warehouse.connect() as con:
                expected = {"v3": "published" if seen == "v3" else "interrupted"} if action == "publish" else {}
                found = dict(
                    con.execute(
                        "select refresh_id, status from quality.refresh_history where refresh_id = 'v3'"
                    ).fetchall()
                )
                assert found in (expected, {})
        shutil.rmtree(warehouse.folder)
    assert not killed
    assert outcomes == {"publish": {"v2", "v3"}, "rollback": {"v2", "v1"}, "report": {"v2"}}[action]
    assert action != "report" or shown.read_text() == "v2"
