"""One refresh of a warehouse: what it was asked for, and how every kind of failure ends it."""

from __future__ import annotations

import signal
import sqlite3
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.contract.policies import Value, effective_policies, segments
from orchestration.contract.reason_aliases import own_aliases
from orchestration.contract.segments import refuse_personal, refuse_reserved
from orchestration.engines import Engine, EngineSettings, without_values
from orchestration.errors import ChurnError, EnvironmentFailure, Refused, UserError, Withheld
from orchestration.transform.project import code_version
from orchestration.warehouse import folder, publishing
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.folder import Warehouse

if TYPE_CHECKING:
    from expectations import Judge
    from orchestration.loading import LoadReport
    from orchestration.loading.discovery import Extracts
    from orchestration.refresh.progress import Progress

# Tag of a Dagster run: the content of the extracts that it refreshed from.
CONTENT_TAG = "churn/content"


@dataclass
class Refresh:
    """A refresh under way: its settings and, as the stages pass, what they found.
    `failure` is the first one, ready to be told."""

    id: str
    warehouse: Warehouse
    extracts: Extracts
    as_of: date | None  # None until the extracts have been read, unless it was given
    policies: Mapping[str, Value]
    full_refresh: bool
    progress: Progress
    judge: Judge
    engine: Engine
    destination: Destination | None = None
    failure: ChurnError | None = None
    loaded: LoadReport | None = None
    previous: str | None = None
    # What the data tests that failed found, by name and table.
    found: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The day as of which the refresh is, once the extracts have been read."""
        assert self.as_of is not None
        return self.as_of

    @property
    def is_published(self) -> bool:
        """Whether readers have its version already; what fails then takes nothing back."""
        return publishing.current_version(self.warehouse) == self.id

    @property
    def variables(self) -> dict[str, Any]:
        """The vars of the dbt project."""
        return {
            "as_of": self.day.isoformat(),
            "reporting_currency": self.extracts.mapping.reporting_currency,
            "own_reason_aliases": own_aliases(self.warehouse.folder),
            **self.policies,
        }

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage of the refresh, shown and timed."""
        with self.explaining(name), self._interruptible(), self.progress.stage(name):
            yield

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """A signal to stop ends the stage, at its end at the latest: libraries on the way may swallow the exception."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        interrupted = False

        def interrupt(*_: object) -> None:
            nonlocal interrupted
            interrupted = True
            raise KeyboardInterrupt

        handlers = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if interrupted:
            raise KeyboardInterrupt

    @contextmanager
    def explaining(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong within leaves as a ChurnError, the first one remembered, details in the warehouse's log.

        A UserError leaves Withheld; `refreshing` tells it."""
        try:
            yield
        except Exception as error:
            self.failure = self.failure or explained(error, doing, self.warehouse, self.is_published)
            if isinstance(self.failure, UserError):
                raise Withheld(
                    f"{doing}: the extracts must be corrected first. On the command line,"
                    " `churn refresh` and `churn check` say what and where."
                ) from None
            raise self.failure from None

    def record(self, results: Iterable[tuple[str, str, str, str, str, int, int]]) -> None:
        """Append check results: check_name, gate, table_name, severity, status, evaluated_count, failed_count."""
        rows = [(self.id, *result) for result in results]
        if rows:
            with self.warehouse.connect() as con:
                con.executemany("insert into quality.check_results values (?, ?, ?, ?, ?, ?, ?, ?)", rows)


@contextmanager
def refreshing(
    extracts: Path,
    warehouse_folder: Path,
    progress: Progress,
    as_of: date | None = None,
    policies: Iterable[str] = (),
    full_refresh: bool = False,
    engine: Mapping[str, str | None] | None = None,
    publish_to: str | None = None,
) -> Iterator[Refresh]:
    """Hold the warehouse for a refresh, and enter it into the history with the way it ends.
    `engine` says what EngineSettings are other than the warehouse's own, `publish_to` which database."""
    from expectations import judge_beside
    from orchestration.contract.mapping import load_mapping
    from orchestration.loading.discovery import find_extracts

    mapping = load_mapping(extracts)
    values = effective_policies(mapping.policies, policies)
    refuse_reserved(segments(values))
    refuse_personal(segments(values), mapping)
    found = find_extracts(extracts, mapping)
    warehouse = Warehouse(warehouse_folder)
    engine_settings = EngineSettings.of(warehouse, engine or {})
    destination = Destination.of(warehouse, publish_to)
    with warehouse.locked(), judge_beside() as judge:
        publishing.reconcile(warehouse)
        with warehouse.connect() as con:
            refresh_id = folder.new_refresh_id(max(folder.newest_id(con), publishing.newest_id(warehouse)))
        refresh = Refresh(
            id=refresh_id,
            warehouse=warehouse,
            extracts=found,
            as_of=as_of,
            policies=values,
            full_refresh=full_refresh,
            progress=progress,
            judge=judge,
            engine=engine_settings.start(warehouse, refresh_id),
            destination=destination,
            previous=publishing.current_version(warehouse),
        )
        with warehouse.connect() as con:
            settings = {**values, "reporting_currency": mapping.reporting_currency, "snapshots": mapping.snapshots}
            folder.begin(con, refresh.id, refresh.as_of, settings, refresh.previous, code_version())
        status = folder.INTERRUPTED
        try:
            yield refresh
            status = folder.FAILED
        except Withheld as withheld:
            raise (refresh.failure or withheld) from None
        finally:
            # A disk that is full has been told already, and the next refresh settles what can't be settled now.
            with suppress(duckdb.Error, OSError):
                publishing.reconcile(warehouse)
                if refresh.is_published:
                    status = folder.PUBLISHED
                    engine_settings.keep(warehouse)
                elif refresh.failure:
                    status = folder.REFUSED if isinstance(refresh.failure, Refused) else folder.FAILED
                with warehouse.connect() as con:
                    folder.finish(con, refresh.id, status)


def explained(error: Exception, doing: str, warehouse: Warehouse, is_published: bool = False) -> ChurnError:
    """The error as a sentence for a person; what is not one already leaves its traceback in the warehouse's private
    log."""
    if isinstance(error, ChurnError):
        return error
    warehouse.write_log(
        f"{doing}\n{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}:"
        f" {without_values(str(error))}"
    )
    readers = "The new version is published" if is_published else "Readers keep the last published version"
    return EnvironmentFailure(f"{doing}: {reason(error)}; details in {warehouse.log}. {readers}.")


def reason(error: Exception) -> str:
    """Why the environment failed, in a few words that repeat no data."""
    history = getattr(error, "orig", error)  # SQLAlchemy's error of what SQLite said
    if isinstance(history, sqlite3.OperationalError):
        return f"{str(history).splitlines()[0]} (Dagster's run history)"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException | MemoryError):
        return str(error).splitlines()[0] if str(error) else "out of memory"
    return f"internal error ({type(error).__name__})"
