"""One refresh of a warehouse: what it was asked for, and how every kind of failure ends it."""

from __future__ import annotations

import signal
import sqlite3
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.contract.policies import Value, effective_policies, segments
from orchestration.contract.reason_aliases import own_aliases
from orchestration.contract.segments import refuse_personal, refuse_reserved
from orchestration.engines import Engine, EngineSettings, without_values
from orchestration.errors import Busy, ChurnError, EnvironmentFailure, Refused, UserError, Withheld
from orchestration.refresh import outcome
from orchestration.refresh.nothing_new import NothingNew, asked, kept_by, nothing_new
from orchestration.refresh.profile import Cost, Profile
from orchestration.warehouse import folder, origin, publishing
from orchestration.warehouse.connection import is_short_of_memory
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.folder import Warehouse

if TYPE_CHECKING:
    from expectations import CheckResult, Judge
    from orchestration.loading.discovery import Extracts
    from orchestration.readers.headline import Headline
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
    profile: Profile
    judge: Judge
    engine: Engine
    unchanged: NothingNew | None  # there is nothing to do then
    is_complete: bool = False  # its version is published, and so is the report
    destination: Destination | None = None
    failure: ChurnError | None = None
    previous: str | None = None
    retries: bool = False  # whether whoever runs it tries a step again
    is_interrupted: bool = False
    # The steps (as in steps.ORDER) that were done for all tables and checks.
    done: set[str] = field(default_factory=set)
    judged: list[CheckResult] = field(default_factory=list)
    built: set[str] = field(default_factory=set)  # tables, as schema.table
    # What the data tests that failed found, by name and table.
    found: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The day as of which the refresh is, once the extracts have been read."""
        assert self.as_of is not None
        return self.as_of

    @property
    def version(self) -> str:
        """The version that it publishes, or that stays because there is nothing new."""
        return self.unchanged.last.id if self.unchanged else self.id

    @property
    def is_published(self) -> bool:
        """Whether readers have its version already; what fails then takes nothing back."""
        return publishing.current_version(self.warehouse) == self.id

    @cached_property
    def headline(self) -> Headline:
        """The few numbers that it ends with; of what readers have."""
        from orchestration.readers.headline import headline

        return headline(self.warehouse.current, self.version)

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The vars of the dbt project, the same for all its models."""
        return {
            "as_of": self.day.isoformat(),
            "reporting_currency": self.extracts.mapping.reporting_currency,
            "own_reason_aliases": own_aliases(self.warehouse.folder),
            **self.policies,
        }

    @contextmanager
    def stage(self, name: str) -> Iterator[Cost]:
        """A stage of the refresh, shown and measured."""
        with (
            self.explaining(name),
            self._interruptible(),
            self.progress.stage(name),
            self.profile.stage(name) as cost,
        ):
            yield cost

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """A signal to stop ends the stage, at its end at the latest: libraries on the way may swallow the exception."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        interrupted = False

        def interrupt(*_: object) -> None:
            nonlocal interrupted
            interrupted = self.is_interrupted = True
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
        except Withheld:
            raise
        except Exception as error:
            self.failure = self.failure or explained(error, doing, self.warehouse, self.is_published)
            if isinstance(self.failure, UserError):
                raise Withheld(outcome.public(self.failure, self.warehouse.failure, doing)) from None
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
    anew: bool = False,
    engine: Mapping[str, str | None] | None = None,
    publish_to: str | None = None,
) -> Iterator[Refresh]:
    """Hold the warehouse for a refresh, and enter it into the history and into refresh.json with the way it ends.
    `engine` says what EngineSettings are other than the warehouse's own, `publish_to` which
    database. Where it yields one that is `unchanged`, there
    is nothing to do, unless a `full_refresh` was asked for, or one that builds `anew` what was built before."""
    from expectations import judge_process
    from orchestration.contract.mapping import load_mapping
    from orchestration.loading.discovery import find_extracts

    started_at = folder.now()
    with noting_what_forbids_it(warehouse_folder, started_at, progress):
        mapping = load_mapping(extracts)
        values = effective_policies(mapping.policies, policies)
        refuse_reserved(segments(values))
        refuse_personal(segments(values), mapping)
        found = find_extracts(extracts, mapping)
        warehouse = Warehouse(warehouse_folder)
        engine_settings = EngineSettings.of(warehouse, engine or {})
        destination = Destination.of(warehouse, publish_to)
    with (
        warehouse.locked(),
        outcome.recorded(warehouse, started_at, progress) as facts,
        ExitStack() as stack,
    ):
        request = asked(found, values, engine_settings, destination)
        unchanged = None if full_refresh or anew else nothing_new(warehouse, found, request, as_of)
        profile = Profile()
        if not unchanged:
            stack.enter_context(profile.watching())
        judge: Judge
        if unchanged:
            judge = judge_process.here
        elif is_short_of_memory():
            judge = judge_process.judge_apart
        else:
            judge = stack.enter_context(judge_process.judge_beside())
        publishing.reconcile(warehouse)
        with warehouse.connect() as con:
            refresh_id = folder.new_refresh_id(max(folder.newest_id(con), publishing.newest_id(warehouse)))
        facts["refresh_id"] = refresh_id
        refresh = Refresh(
            id=refresh_id,
            warehouse=warehouse,
            extracts=found,
            as_of=as_of,
            policies=values,
            full_refresh=full_refresh,
            progress=progress,
            profile=profile,
            judge=judge,
            engine=engine_settings.start(warehouse, refresh_id),
            unchanged=unchanged,
            destination=destination,
            previous=publishing.current_version(warehouse),
        )
        with warehouse.connect() as con:
            settings = {**values, "reporting_currency": mapping.reporting_currency, "snapshots": mapping.snapshots}
            folder.begin(con, refresh.id, refresh.as_of, settings, refresh.previous, request["code_version"])
            if unchanged:
                refresh.as_of = unchanged.last.as_of
                folder.enter_day(con, refresh.id, refresh.day, unchanged.last.newest_row_on)
        facts["status"] = folder.INTERRUPTED
        try:
            yield refresh
            facts["status"] = folder.BUILT
        except Withheld as withheld:
            raise (refresh.failure or withheld) from None
        finally:
            # A disk that is full has been told already, and the next refresh settles what can't be settled now.
            with suppress(duckdb.Error, OSError):
                publishing.reconcile(warehouse)
                if unchanged:
                    facts["status"] = folder.UNCHANGED
                elif refresh.is_published:
                    facts["status"] = folder.PUBLISHED
                    engine_settings.remember(warehouse)
                elif refresh.failure:
                    facts["status"] = folder.REFUSED if isinstance(refresh.failure, Refused) else folder.FAILED
                elif refresh.is_interrupted:
                    facts["status"] = folder.INTERRUPTED
                facts |= _found(refresh)
                with warehouse.connect() as con:
                    folder.finish(con, refresh.id, facts["status"])
                    profile.keep(con, refresh.id)
                    facts |= outcome.checked(con, refresh.version, facts["status"])
                if unchanged:
                    origin.keep_still(warehouse)
                elif refresh.is_complete and request == asked(found, values, engine_settings, destination):  # same code
                    aliases = refresh.variables["own_reason_aliases"]
                    origin.keep(warehouse, {**request, **kept_by(warehouse, aliases)})


@contextmanager
def noting_what_forbids_it(
    warehouse_folder: Path, started_at: datetime, progress: Progress, kinds: tuple[type[ChurnError], ...] = (UserError,)
) -> Iterator[None]:
    """What forbids a refresh before it holds the warehouse stands in refresh.json too, unless somebody else holds it.
    A folder is made for it only where nobody watches: of a command with a mistake in it nothing is left."""
    try:
        yield
    except kinds as error:
        if progress.is_quiet:
            with suppress(OSError):
                warehouse_folder.mkdir(parents=True, exist_ok=True)
        if warehouse_folder.is_dir():
            warehouse = Warehouse(warehouse_folder)
            with (
                suppress(Busy, OSError),
                warehouse.locked(),
                outcome.recorded(warehouse, started_at, progress) as facts,
            ):
                facts |= outcome.failed(warehouse, error)
        raise


def _found(refresh: Refresh) -> dict[str, Any]:
    """What refresh.json says of a refresh that has begun."""
    error = refresh.failure or (KeyboardInterrupt() if refresh.is_interrupted else None)
    facts = outcome.failed(refresh.warehouse, error) if error else {}
    if refresh.is_published or refresh.unchanged:
        facts["headline"] = outcome.headline(refresh.headline)
    return {**facts, "as_of": refresh.as_of, "seconds": dict(refresh.progress.seconds)}


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
    # DuckDB calls it an error of the transaction when a commit meets a full disk.
    if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException | duckdb.TransactionException | MemoryError):
        return str(error).splitlines()[0] if str(error) else "out of memory"
    return f"internal error ({type(error).__name__})"
