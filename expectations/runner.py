"""The one adapter to Great Expectations: counts in DuckDB, judged by GX, handed back as plain results.

GX judges small pandas frames of counts. Through SQLAlchemy on DuckDB its results are gone when it fetches them
(great_expectations #10738, #11579, #12084), and one hand-written scan counts several times faster.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from expectations import data_docs, marts_gate, raw_gate
from expectations.checks import SAMPLE_SIZE, CheckResult, CheckSpec, Gate

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext


class Subject(NamedTuple):
    """One row of a check's query."""

    subject: str
    measure: float | None
    evaluated: int = 1
    failed: int = 1
    sample: list[str] | None = None


class Crash(NamedTuple):
    """Why a check could not be evaluated, in words that repeat no data."""

    reason: str


def declared_checks() -> list[CheckSpec]:
    """Every check of both gates; needs neither a database nor Great Expectations."""
    return [*raw_gate.checks(), *marts_gate.checks()]


def run_gate(
    gate: Gate,
    con: duckdb.DuckDBPyConnection,
    *,
    refresh_id: str,
    as_of: date,
    previous: Path | None = None,
    docs_dir: Path | None = None,
) -> list[CheckResult]:
    """Run a gate's checks on the build database that `con` is connected to; one result per declared check, in their order.

    `previous` is the published database to compare with. Data Docs are written into `docs_dir/<gate>`, replacing what lay there.
    A check that crashes has the status 'error' and doesn't stop the others.
    """
    checks = [check for check in declared_checks() if check.gate == gate]
    return run_checks(checks, con, refresh_id=refresh_id, as_of=as_of, previous=previous, docs_dir=docs_dir / gate if docs_dir else None)


def run_checks(
    checks: list[CheckSpec],
    con: duckdb.DuckDBPyConnection,
    *,
    refresh_id: str,
    as_of: date,
    previous: Path | None = None,
    docs_dir: Path | None = None,
) -> list[CheckResult]:
    """`run_gate` for any checks; Data Docs go to `docs_dir` itself."""
    with _attached(con, previous) as published:
        counted = {check: _count(con, check, as_of, published) for check in checks}
    judged = _judge(counted, refresh_id, docs_dir)
    results = [_result(check, counted[check], judged.get(check)) for check in checks]
    if docs_dir:
        data_docs.list_results(docs_dir, results)
    return results


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, previous: Path | None) -> Iterator[set[tuple[str, str]] | None]:
    """Attach the last publish as `previous`; yields its (table, column) pairs, None if there is one that can't be opened."""
    if previous is None:
        yield set()
        return
    try:
        con.execute("attach '{}' as previous (read_only)".format(str(previous).replace("'", "''")))
    except duckdb.Error:
        yield None
        return
    try:
        columns = "select schema_name || '.' || table_name, column_name from duckdb_columns() where database_name = 'previous'"
        yield set(con.execute(columns).fetchall())
    finally:
        con.execute("detach previous")


def _count(
    con: duckdb.DuckDBPyConnection, check: CheckSpec, as_of: date, published: set[tuple[str, str]] | None
) -> list[Subject] | Crash:
    if check.compares and published is None:
        return [Subject("the last publish can't be opened", float("inf"))]
    if check.compares and not {(check.table_name, column) for column in check.compares} <= published:
        return []  # the first publish, or one from before this mart had these columns
    try:
        parameters = {"as_of": as_of} if "$as_of" in check.sql else None
        rows = con.execute(check.sql, parameters).fetchall()
        return [Subject(subject, None if measure is None else float(measure), *counts) for subject, measure, *counts in rows]
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        return Crash(str(error).splitlines()[0])
    except Exception as error:  # other messages of DuckDB may quote a value
        return Crash(type(error).__name__)


def _judge(
    counted: dict[CheckSpec, list[Subject] | Crash], refresh_id: str, docs_dir: Path | None
) -> dict[CheckSpec, ExpectationValidationResult | Crash]:
    """GX's verdict on each check that could be counted; a suite and a validation run per table."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # imported here because it takes seconds, which declared_checks() must not cost
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.run_identifier import RunIdentifier

    context = _context(docs_dir)
    source = context.data_sources.add_pandas("counts")
    verdicts: dict[CheckSpec, ExpectationValidationResult | Crash] = {}
    by_table = attrgetter("table_name")
    for table_name, group in groupby(sorted(counted, key=by_table), key=by_table):
        checks = {check.check_name: check for check in group}
        # one column per check, one row per subject; without the column of a crashed check GX shows a crash too
        measured = {name: counted[check] for name, check in checks.items() if not isinstance(counted[check], Crash)}
        rows = [{"subject": subject.subject, name: subject.measure} for name, subjects in measured.items() for subject in subjects]
        frame = pd.DataFrame(rows, columns=["subject", *measured]).astype(dict.fromkeys(measured, "float64"))
        suite = context.suites.add(
            gx.ExpectationSuite(name=table_name, expectations=[_expectation(check) for check in checks.values()])
        )
        batch = source.add_dataframe_asset(table_name).add_batch_definition_whole_dataframe("subjects")
        validation = context.validation_definitions.add(gx.ValidationDefinition(name=table_name, data=batch, suite=suite))
        try:
            outcome = validation.run(
                batch_parameters={"dataframe": frame},
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["subject"]},
                run_id=RunIdentifier(run_name=refresh_id),
            )
        except Exception as error:
            verdicts |= dict.fromkeys(checks.values(), Crash(type(error).__name__))
            continue
        verdicts |= {checks[result.expectation_config.meta["check_name"]]: result for result in outcome.results}
    if docs_dir:
        context.build_data_docs()
    return verdicts


def _context(docs_dir: Path | None) -> EphemeralDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults, ProgressBarsConfig

    sites = {}
    if docs_dir:
        shutil.rmtree(docs_dir, ignore_errors=True)
        sites["local"] = data_docs.site(docs_dir)
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            data_docs_sites=sites,
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


def _expectation(check: CheckSpec):
    from great_expectations.expectations import ExpectColumnValuesToBeBetween

    return ExpectColumnValuesToBeBetween(
        column=check.check_name,
        min_value=check.minimum,
        max_value=check.maximum,
        severity=check.severity,
        description=f"{check.severity}: {check.description} ({_limits(check)})",
        meta={"check_name": check.check_name},
    )


def _limits(check: CheckSpec) -> str:
    if check.minimum is None:
        return f"at most {check.maximum:g}"
    if check.maximum is None:
        return f"at least {check.minimum:g}"
    return f"{check.minimum:g} to {check.maximum:g}"


def _result(
    check: CheckSpec, subjects: list[Subject] | Crash, verdict: ExpectationValidationResult | Crash | None
) -> CheckResult:
    def result(status, evaluated: int, failed: list[Subject], message: str) -> CheckResult:
        keys = [key for subject in failed for key in subject.sample or [subject.subject]]
        return CheckResult(
            check.check_name, check.gate, check.table_name, check.severity, status,
            evaluated, sum(subject.failed for subject in failed), keys[:SAMPLE_SIZE], message,
        )

    crash = subjects if isinstance(subjects, Crash) else _crash(verdict)
    if crash:
        return result("error", 0, [], f"{check.description}: could not be checked ({crash.reason})")
    evaluated = sum(subject.evaluated for subject in subjects if subject.measure is not None)
    if verdict.success:
        return result("passed", evaluated, [], f"{check.description}: {f'holds, {evaluated} evaluated' if evaluated else 'nothing to evaluate yet'}")
    outside = {row["subject"] for row in verdict.result["unexpected_index_list"]}
    failed = [subject for subject in subjects if subject.subject in outside]
    measures = ", ".join(f"{subject.subject} {subject.measure:.3g}" for subject in failed[:3])
    keys = [key for subject in failed for key in subject.sample or []]
    such_as = f", such as {', '.join(keys[:3])}" if keys else ""
    counts = f"{sum(subject.failed for subject in failed)} of {evaluated}"
    return result("failed", evaluated, failed, f"{check.description}: {counts} fail{such_as} ({measures}; allowed: {_limits(check)})")


def _crash(verdict: ExpectationValidationResult | Crash | None) -> Crash | None:
    """GX shows an exception as `success=False` with `exception_info`: of one metric flat, of several by metric."""
    if verdict is None:
        return Crash("Great Expectations did not evaluate it")
    if isinstance(verdict, Crash):
        return verdict
    info = verdict.exception_info or {}
    for raised in (info, *info.values()):
        if isinstance(raised, dict) and raised.get("raised_exception"):
            return Crash(str(raised["exception_message"]).splitlines()[0])
    return None
