"""The warehouse folder: where everything lies, who may write, and which refreshes there were.

build.duckdb     the writer's database (0600): raw, staging, intermediate, marts, quality, restricted, seeds
published/<id>/  one published version whole: churn.duckdb, private.duckdb (0400), exports/, data_docs/, docs/, report/
current          link to the current version; churn.duckdb, private.duckdb, exports, docs and report lead through it
data_docs/       a page of what the last refresh's expectations found, published or not
refresh.json     how the last refresh ended; failure.txt (0600) all that its failure says
origin.json      what the current version was made from: whether a refresh would find anything new
settings.yml     the engine that runs the models, where it is not DuckDB; a database to publish to as well
warehouse.id     by what others know the folder, where Spark runs the models
dagster/         Dagster's run history; dbt/ compiled SQL; refresh.log details of failures; tmp/ files of the moment
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from orchestration.errors import Busy, UserError
from orchestration.warehouse import connection
from orchestration.warehouse.replacing import replacing

RUNNING, PUBLISHED, REFUSED, FAILED, INTERRUPTED = "running", "published", "refused", "failed", "interrupted"
UNCHANGED = "unchanged"  # there was nothing new: it ended at once
BUILT = "built"  # some tables, for whoever asked Dagster for them; publishing was not asked for

# All that the failure of the last refresh said, for its owner.
FAILURE = "failure.txt"


class Warehouse:
    """A warehouse folder, made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        refuse_unless_text(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.build = self.folder / "build.duckdb"
        self.link = self.folder / "current"
        self.current = self.folder / "churn.duckdb"
        self.published = self.folder / "published"
        self.dagster = self.folder / "dagster"
        self.dbt = self.folder / "dbt"
        self.data_docs = self.folder / "data_docs"
        self.log = self.folder / "refresh.log"
        self.outcome = self.folder / "refresh.json"
        self.failure = self.folder / FAILURE
        self.scratch = self.folder / "tmp"
        self.pseudonym_key = self.folder / "pseudonym.key"
        self.origin = self.folder / "origin.json"
        self.settings = self.folder / "settings.yml"
        self.id = self.folder / "warehouse.id"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder as its only writer, files made meanwhile being private;
        Busy, with the holder, if somebody else does.

        The operating system lets go of the lock when the process ends, however it ends.
        """
        from filelock import FileLock, Timeout

        path = self.folder / ".lock"
        lock = FileLock(path, mode=0o644)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            holder = path.read_text(encoding="utf-8").strip() or "another process"
            raise Busy(
                f"{self.folder} is being written by {holder}. Wait until it has finished; nothing was changed."
            ) from None
        self.umask = os.umask(0o077)
        try:
            shutil.rmtree(self.scratch, ignore_errors=True)
            path.write_text(
                f"process {os.getpid()} on {os.uname().nodename} since {now():%Y-%m-%d %H:%M:%S} UTC\n",
                encoding="utf-8",
            )
            yield
        finally:
            os.umask(self.umask)
            shutil.rmtree(self.scratch, ignore_errors=True)
            path.write_text("", encoding="utf-8")
            lock.release()

    @property
    def identity(self) -> str:
        """What tells this warehouse from every other, and from its own copies: those have the text of the file, but it
        is another file in them."""
        if not self.id.exists():
            with replacing(self.id) as new:
                new.write_text(secrets.token_hex(8), encoding="utf-8")
        return f"{self.id.read_text(encoding='utf-8')}-{self.id.stat().st_ino}"

    def is_held(self) -> bool:
        """Whether somebody else writes it now."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.folder / ".lock", mode=0o644, timeout=0):
                return False
        except Timeout:
            return True

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The writer's connection to build.duckdb."""
        with connection.connect(self.build, self.scratch) as con:
            yield con

    def write_log(self, text: str) -> None:
        """Append details of a failure to the private log; a log that can't be written must not hide the failure."""
        with suppress(OSError):
            self.log.touch(mode=0o600)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{now():%Y-%m-%d %H:%M:%S} UTC: {text}\n")


def is_text(name: str) -> bool:
    """Whether the name of a file or folder could be decoded: what could not stands in it as halves of characters."""
    return not re.search("[\ud800-\udfff]", name)


def refuse_unless_text(folder: Path) -> None:
    """Raise UserError for a folder that the engine cannot be given."""
    if not is_text(str(folder)):
        raise UserError(
            f"{ascii(str(folder))}: the name of this folder is not UTF-8, so that the engine cannot open what is in it."
            " Rename it; nothing was changed.",
            code="file_name",
        )


def now() -> datetime:
    """This moment in UTC, naive, as the database keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def today(time_zone: str) -> date:
    """The day in the company's time zone."""
    return datetime.now(ZoneInfo(time_zone)).date()


_ID = "%Y%m%dT%H%M%S.%fZ"


def new_refresh_id(newest: str = "") -> str:
    """An identifier that sorts by time and serves as the name of a folder.
    It is greater than the newest one so far, also when the clock has been set back."""
    return max(now(), datetime.strptime(newest, _ID) + timedelta(microseconds=1) if newest else now()).strftime(_ID)


def is_refresh_id(name: str) -> bool:
    return re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z", name) is not None


def newest_id(con: duckdb.DuckDBPyConnection) -> str:
    """The greatest refresh id in the history; empty when there was no refresh."""
    REFRESH_HISTORY.create(con)
    [(newest,)] = con.execute("select max(refresh_id) from quality.refresh_history").fetchall()
    return newest or ""


@dataclass(frozen=True)
class Journal:
    """A table of build.duckdb that the refresh itself appends to; `columns`: name -> (type, description)."""

    name: str
    key: tuple[str, ...]
    description: str
    columns: Mapping[str, tuple[str, str]]

    def create(self, con: duckdb.DuckDBPyConnection) -> None:
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in self.columns.items())
        con.execute(f"create schema if not exists quality; create table if not exists quality.{self.name} ({columns})")
        for name, (kind, _) in self.columns.items():  # what a warehouse of an earlier version lacks
            con.execute(f"alter table quality.{self.name} add column if not exists {name} {kind}")


REFRESH_HISTORY = Journal(
    "refresh_history",
    ("refresh_id",),
    "One row per refresh that was started: for which day, with which policies and code, and how it ended.",
    {
        "refresh_id": ("varchar", "Identifier of the refresh; sorts by time."),
        "started_at": ("timestamp", "When it started, UTC."),
        "finished_at": ("timestamp", "When it ended, UTC; empty while it runs."),
        "as_of": ("date", "Last day that its data covers."),
        "status": (
            "varchar",
            (
                "running, published, unchanged (there was nothing new: readers keep the version of the last published"
                " one), refused (by a critical check), failed, interrupted, or built (some tables only)."
            ),
        ),
        "policies": (
            "json",
            (
                "The value of every policy, and what else of extracts.yml may change any row:"
                " reporting_currency, snapshots."
            ),
        ),
        "code_version": ("varchar", "Version of the package and hash of its models and code."),
        "newest_row_on": ("date", "Newest day that the extracts speak of; as_of is not later unless it was given."),
    },
)
CHECK_RESULTS = Journal(
    "check_results",
    ("refresh_id", "table_name", "check_name"),
    "One row per refresh and check, dbt tests and Great Expectations alike.",
    {
        "refresh_id": ("varchar", "The refresh that ran the check."),
        "check_name": ("varchar", "Name of the check, unique for its table."),
        "gate": ("varchar", "raw: of what was loaded; marts: of what is published."),
        "table_name": ("varchar", "The table that it is about, as schema.table."),
        "severity": ("varchar", "critical: failing forbids publishing; warning: it is shown."),
        "status": ("varchar", "passed, failed, or error when it could not be evaluated, which forbids publishing too."),
        "evaluated_count": ("bigint", "Rows, periods or tables looked at."),
        "failed_count": ("bigint", "How many of them, or of groups of them, failed."),
    },
)


@dataclass(frozen=True)
class PastRefresh:
    """What the history says of a refresh."""

    id: str
    started_at: datetime
    as_of: date
    newest_row_on: date | None


def last_published(con: duckdb.DuckDBPyConnection) -> PastRefresh:
    """The last refresh that published."""
    [row] = con.execute(
        "select refresh_id, started_at, as_of, newest_row_on from quality.refresh_history where status = ?"
        " order by refresh_id desc limit 1",
        [PUBLISHED],
    ).fetchall()
    return PastRefresh(*row)


REFRESH_PROFILE = Journal(
    "refresh_profile",
    ("refresh_id", "stage", "step"),
    (
        "One row per refresh, stage and step of it: what it took. The stages publish and report of a refresh come with"
        " the next publish."
    ),
    {
        "refresh_id": ("varchar", "The refresh."),
        "stage": ("varchar", "Stage of the refresh, as it is shown while it runs."),
        "step": (
            "varchar",
            "all: the whole stage. Else the table that was built, as schema.table, or data tests: all of them.",
        ),
        "seconds": (
            "double",
            (
                "Seconds from beginning to end. Tables that are built side by side have their own, so that they may add"
                " up to more than the stage; those of data tests are a sum."
            ),
        ),
        "rows": (
            "bigint",
            (
                "Rows: read from the extracts, of the table that was built, looked at by the gate's checks, or"
                " published. Empty where nothing is counted."
            ),
        ),
        "peak_bytes": (
            "bigint",
            (
                "The most memory, in bytes, that the process of the refresh held meanwhile, for whatever it did then;"
                " looked at twenty times a second. The process of Great Expectations is not in it, nor is Spark."
            ),
        ),
        "is_built": (
            "boolean",
            "Whether the table was built; it was not where the same would have come out. Empty for stages and tests.",
        ),
    },
)
JOURNALS = (CHECK_RESULTS, REFRESH_HISTORY, REFRESH_PROFILE)


def begin(
    con: duckdb.DuckDBPyConnection,
    refresh_id: str,
    as_of: date | None,
    policies: Mapping[str, Any],
    current: str | None,
    code_version: str,
) -> None:
    """Enter a refresh into the history, and settle those that a killed process left running:
    published if theirs is `current`."""
    for journal in JOURNALS:
        journal.create(con)
    con.execute(
        "update quality.refresh_history set status = if(refresh_id = ?, ?, ?), finished_at = ? where status = ?",
        [current, PUBLISHED, INTERRUPTED, now(), RUNNING],
    )
    con.execute(
        "insert into quality.refresh_history values (?, ?, null, ?, ?, ?, ?, null)",
        [refresh_id, now(), as_of, RUNNING, json.dumps(policies), code_version],
    )


def enter_day(con: duckdb.DuckDBPyConnection, refresh_id: str, as_of: date, newest_row_on: date | None) -> None:
    """Enter for which day a refresh is, once its extracts have been read."""
    con.execute(
        "update quality.refresh_history set as_of = ?, newest_row_on = ? where refresh_id = ?",
        [as_of, newest_row_on, refresh_id],
    )


def finish(con: duckdb.DuckDBPyConnection, refresh_id: str, status: str) -> None:
    """Enter how a refresh ended."""
    con.execute(
        "update quality.refresh_history set status = ?, finished_at = ? where refresh_id = ?",
        [status, now(), refresh_id],
    )
