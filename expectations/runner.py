"""Running the checks of a gate: counts in DuckDB, judged by Great Expectations, handed back as plain results."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb

from expectations import judge_process, marts_gate, raw_gate
from expectations.checks import SAMPLE_SIZE, CheckResult, CheckSpec, Crash, Gate, Judge, Status, Subject, Table, Verdict


def declared_checks(tables: Mapping[str, Table]) -> list[CheckSpec]:
    """Every check of both gates, of the tables of the extract contract;
    needs neither a database nor Great Expectations."""
    return [*raw_gate.checks(tables), *marts_gate.checks()]


def run_gate(
    gate: Gate,
    con: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Table],
    *,
    as_of: date,
    previous: Path | None = None,
    judge: Judge = judge_process.here,
    only: Collection[tuple[str, str]] | None = None,
) -> list[CheckResult]:
    """Run a gate's checks on the build database that `con` is connected to; one result per declared check,
    in their order.

    `previous` is the published database to compare with. `only` are names and
    tables of the checks to run, where not all are.
    A check that crashes has the status 'error' and doesn't stop the others.
    """
    checks = [
        check
        for check in declared_checks(tables)
        if check.gate == gate and (only is None or (check.check_name, check.table_name) in only)
    ]
    return run_checks(checks, con, as_of=as_of, previous=previous, judge=judge)


def run_checks(
    checks: list[CheckSpec],
    con: duckdb.DuckDBPyConnection,
    *,
    as_of: date,
    previous: Path | None = None,
    judge: Judge = judge_process.here,
) -> list[CheckResult]:
    """`run_gate` for any checks."""
    with _attached(con, previous) as published:
        counted = {check: _count(con, check, as_of, published) for check in checks}
    judged = judge(counted)
    return [_result(check, counted[check], judged.get(check)) for check in checks]


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, previous: Path | None) -> Iterator[set[tuple[str, str]] | None]:
    """Attach the last publish as `previous`; yields its (table, column) pairs,
    None if there is one that can't be opened."""
    if previous is None:
        yield set()
        return
    try:
        # This package knows nothing of the warehouse's helpers; an attached path cannot be a parameter.
        con.execute("attach '{}' as previous (read_only)".format(str(previous).replace("'", "''")))
    except duckdb.Error:
        yield None
        return
    try:
        columns = (
            "select schema_name || '.' || table_name, column_name from duckdb_columns()"
            " where database_name = 'previous'"
        )
        yield set(con.execute(columns).fetchall())
    finally:
        con.execute("detach previous")


def _count(
    con: duckdb.DuckDBPyConnection, check: CheckSpec, as_of: date, published: set[tuple[str, str]] | None
) -> list[Subject] | Crash:
    if check.compares:
        if published is None:
            return [Subject("the last publish can't be opened", float("inf"))]
        if not {(check.table_name, column) for column in check.compares} <= published:
            return []  # the first publish, or one from before this mart had these columns
    try:
        parameters = {"as_of": as_of} if "$as_of" in check.sql else None
        rows = con.execute(check.sql, parameters).fetchall()
        return [
            Subject(subject, None if measure is None else float(measure), *counts) for subject, measure, *counts in rows
        ]
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        return Crash(str(error).splitlines()[0])
    except Exception as error:  # other messages of DuckDB may quote a value
        return Crash(type(error).__name__)


def _result(check: CheckSpec, subjects: list[Subject] | Crash, verdict: Verdict | Crash | None) -> CheckResult:
    def result(status: Status, evaluated: int, failed: list[Subject], message: str) -> CheckResult:
        keys = [key for subject in failed for key in subject.sample or [subject.subject]]
        return CheckResult(
            check.check_name,
            check.gate,
            check.table_name,
            check.severity,
            status,
            evaluated,
            sum(subject.failed for subject in failed),
            keys[:SAMPLE_SIZE],
            message,
        )

    def crashed(crash: Crash) -> CheckResult:
        return result("error", 0, [], f"{check.description}: could not be checked ({crash.reason})")

    if isinstance(subjects, Crash):
        return crashed(subjects)
    if verdict is None:
        return crashed(Crash("Great Expectations did not evaluate it"))
    if isinstance(verdict, Crash):
        return crashed(verdict)
    evaluated = sum(subject.evaluated for subject in subjects if subject.measure is not None)
    if not verdict.outside:
        return result(
            "passed",
            evaluated,
            [],
            f"{check.description}: {f'holds, {evaluated} evaluated' if evaluated else 'nothing to evaluate yet'}",
        )
    failed = [subject for subject in subjects if subject.subject in verdict.outside]
    measures = ", ".join(f"{subject.subject} {subject.measure:.3g}" for subject in failed[:3])
    keys = [key for subject in failed for key in subject.sample or []]
    such_as = f", such as {', '.join(keys[:3])}" if keys else ""
    counts = f"{sum(subject.failed for subject in failed)} of {evaluated}"
    return result(
        "failed",
        evaluated,
        failed,
        f"{check.description}: {counts} fail{such_as} ({measures}; allowed: {check.limits})",
    )
