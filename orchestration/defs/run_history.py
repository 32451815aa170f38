"""Dagster's memory of runs, kept in the warehouse folder so that the web UI shows every refresh."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from filelock import FileLock, Timeout

# Tags of a run of the command line: the id of its refresh, and who launched it, as Dagster's list of runs shows it.
REFRESH_TAG, LAUNCHED_BY = "churn/refresh_id", {"user": "churn refresh"}

_BEFORE_LIFE = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
LAUNCH_TIME = 300  # seconds that a process may take from its launch to its first sign of life


def _config(home: Path) -> dict[str, Any]:
    """Dagster's settings. Steps' output is not captured: it is the person's terminal. One refresh at a time, beside the
    lock of the folder."""
    return {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        "event_log_storage": {"module": __name__, "class": "EventLog", "config": {"base_dir": str(home / "events")}},
        "concurrency": {"runs": {"max_concurrent_runs": 1}},
        "freshness": {"enabled": True},
    }


class EventLog(ConsolidatedSqliteEventLogStorage):
    """Dagster's SQLite event log on one engine. Its own makes an engine per statement, and compiles the statement
    anew each time: the thousand events of a refresh take 7.5 s there, 1.5 s here."""

    supports_asset_checks = True  # asked anew of the database for each check otherwise

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        engine = create_engine(self._conn_string, connect_args={"timeout": 30, "check_same_thread": False})
        # With the write-ahead log that Dagster chose, no event is lost when the process dies,
        # and none waits for the disk.
        sqlalchemy.event.listen(
            engine, "connect", lambda connection, _: connection.execute("pragma synchronous = normal")
        )
        return engine

    def has_table(self, table_name: str) -> bool:
        return table_name in self._tables

    @cached_property
    def _tables(self) -> set[str]:
        return set(sqlalchemy.inspect(self._engine).get_table_names())

    @contextmanager
    def _connect(self) -> Iterator[sqlalchemy.Connection]:
        with self._engine.begin() as connection:
            yield connection


def run_history(home: Path) -> dg.DagsterInstance:
    """Dagster's instance in the folder `home` (DAGSTER_HOME), made when it is missing."""
    home.mkdir(parents=True, exist_ok=True)
    config = _config(home)
    (home / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    # Dagster takes the file's path for a pattern: in a folder named `[1]` it would find nothing, and turn telemetry on
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=config))


@contextmanager
def alive(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """The process of this run can be seen to go on, also while it pulls and does not hold the warehouse yet."""
    file = _sign_of_life(instance, run_id)
    with FileLock(file, timeout=0):
        yield
        file.unlink(missing_ok=True)


def _is_alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    file = _sign_of_life(instance, run_id)
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            file.unlink()  # of a process that was killed
    except Timeout:
        return True
    return False


def _is_being_launched(record: dg.RunRecord) -> bool:
    """The process of this run may still be importing, before it can show a sign of life. Its age is that of its
    status: it may have waited in the queue for long."""
    age = time.time() - record.update_timestamp.timestamp()
    return record.dagster_run.status in _BEFORE_LIFE and 0 <= age < LAUNCH_TIME


def _sign_of_life(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory, f".{run_id}.lock")


def fail_left_runs(instance: dg.DagsterInstance, own: str | None = None, of_commands: bool = False) -> None:
    """Mark the runs that a killed process left unfinished as failed, so that the queue goes on and alerts are sent.

    Only whoever holds the warehouse may call it: nobody else is running then, but for runs that pull, which show that
    they are alive. `own` is the run of the caller.
    `of_commands`: only runs of the command line, which hold the warehouse from their beginning to their end; a run of
    the UI that is just starting does not hold it yet. One that is only being launched is left alone in any case."""
    unfinished = [status for status in NOT_FINISHED_STATUSES if status != dg.DagsterRunStatus.QUEUED]
    for record in instance.get_run_records(dg.RunsFilter(statuses=unfinished)):
        run = record.dagster_run
        if run.run_id == own or (of_commands and REFRESH_TAG not in run.tags):
            continue
        if not _is_being_launched(record) and not _is_alive(instance, run.run_id):
            instance.report_run_failed(run, "The process of this refresh ended before it had finished.")
