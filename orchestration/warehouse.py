"""The warehouse folder: where everything lies, who may write, and which refreshes there were.

build.duckdb     the writer's database (0600): raw, staging, intermediate, marts, quality, restricted, seeds
published/<id>/  one published version whole: churn.duckdb, private.duckdb (0600), exports/, data_docs/
churn.duckdb     the current version; private.duckdb and exports are links to the same version
data_docs/       what the last refresh's expectations found, published or not
dagster/         Dagster's run history; dbt/ compiled SQL; refresh.log details of failures; tmp/ files of the moment
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.dbt_project import code_version
from orchestration.errors import Busy

RUNNING, PUBLISHED, REFUSED, FAILED, INTERRUPTED = "running", "published", "refused", "failed", "interrupted"


class Warehouse:
    """A warehouse folder, made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.build = self.folder / "build.duckdb"
        self.current = self.folder / "churn.duckdb"
        self.published = self.folder / "published"
        self.dagster = self.folder / "dagster"
        self.dbt = self.folder / "dbt"
        self.data_docs = self.folder / "data_docs"
        self.log = self.folder / "refresh.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder as its only writer, files made meanwhile being private; Busy, with the holder, if somebody else does.

        The operating system lets go of the lock when the process ends, however it ends.
        """
        from filelock import FileLock, Timeout

        path = self.folder / ".lock"
        lock = FileLock(path, mode=0o644)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            holder = path.read_text(encoding="utf-8").strip() or "another process"
            raise Busy(f"{self.folder} is being written by {holder}. Wait until it has finished; nothing was changed.") from None
        self.umask = os.umask(0o077)
        try:
            path.write_text(f"process {os.getpid()} on {os.uname().nodename} since {now():%Y-%m-%d %H:%M:%S} UTC\n", encoding="utf-8")
            yield
        finally:
            os.umask(self.umask)
            path.write_text("", encoding="utf-8")
            lock.release()

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The writer's connection to build.duckdb."""
        with duckdb.connect(str(self.build)) as con:
            yield con

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder for what is thrown away again, empty also after a killed process."""
        folder = self.folder / "tmp"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def write_log(self, text: str) -> None:
        """Append details of a failure to the private log; a log that can't be written must not hide the failure."""
        with suppress(OSError):
            self.log.touch(mode=0o600)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{now():%Y-%m-%d %H:%M:%S} UTC: {text}\n")


def now() -> datetime:
    """This moment in UTC, naive, as the database keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def new_refresh_id() -> str:
    """An identifier that sorts by time and serves as the name of a folder."""
    return f"{now():%Y%m%dT%H%M%S.%fZ}"


_HISTORY = """
    create schema if not exists quality;
    create table if not exists quality.refresh_history (
        refresh_id varchar, started_at timestamp, finished_at timestamp, as_of date, status varchar, policies json, code_version varchar
    );
    comment on table quality.refresh_history is 'One row per refresh that was started: for which day, with which policies and code, and how it ended.';
    create table if not exists quality.check_results (
        refresh_id varchar, check_name varchar, gate varchar, table_name varchar,
        severity varchar, status varchar, evaluated_count bigint, failed_count bigint
    );
    comment on table quality.check_results is 'One row per refresh and check (dbt tests and Great Expectations): how many rows were looked at and how many failed.';
"""


def begin(con: duckdb.DuckDBPyConnection, refresh_id: str, as_of: date, policies: Mapping[str, Any], current: str | None) -> None:
    """Enter a refresh into the history, and settle those that a killed process left running: published if theirs is `current`."""
    con.execute(_HISTORY)
    con.execute(
        "update quality.refresh_history set status = if(refresh_id = ?, ?, ?), finished_at = ? where status = ?",
        [current, PUBLISHED, INTERRUPTED, now(), RUNNING],
    )
    con.execute(
        "insert into quality.refresh_history values (?, ?, null, ?, ?, ?, ?)",
        [refresh_id, now(), as_of, RUNNING, json.dumps(policies), code_version()],
    )


def finish(con: duckdb.DuckDBPyConnection, refresh_id: str, status: str) -> None:
    """Enter how a refresh ended."""
    con.execute(
        "update quality.refresh_history set status = ?, finished_at = ? where refresh_id = ?",
        [status, now(), refresh_id],
    )
