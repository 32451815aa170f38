"""The one adapter to Great Expectations: counts in, verdicts and Data Docs out. Importing it takes seconds.

GX judges small pandas frames of counts. Through SQLAlchemy on DuckDB its results are gone when it fetches them
(great_expectations #10738, #11579, #12084), and one hand-written scan counts several times faster.
"""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from operator import attrgetter
from pathlib import Path

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations import ExpectColumnValuesToBeBetween

from expectations import data_docs
from expectations.checks import CheckSpec, Counted, Crash, Judged, Verdict


def judge(counted: Counted, refresh_id: str, docs_dir: Path | None) -> Judged:
    """GX's verdict on each check that could be counted; a suite and a validation run per table."""
    context = _context(docs_dir)
    source = context.data_sources.add_pandas("counts")
    verdicts: dict[CheckSpec, Verdict | Crash] = {}
    by_table = attrgetter("table_name")
    for table_name, group in groupby(sorted(counted, key=by_table), key=by_table):
        checks = {check.check_name: check for check in group}
        # one column per check, one row per subject; without the column of a crashed check GX shows a crash too
        measured = {name: counted[check] for name, check in checks.items() if not isinstance(counted[check], Crash)}
        rows = [
            {"subject": subject.subject, name: subject.measure}
            for name, subjects in measured.items()
            for subject in subjects
        ]
        frame = pd.DataFrame(rows, columns=["subject", *measured]).astype(dict.fromkeys(measured, "float64"))
        suite = context.suites.add(
            gx.ExpectationSuite(name=table_name, expectations=[_expectation(check) for check in checks.values()])
        )
        batch = source.add_dataframe_asset(table_name).add_batch_definition_whole_dataframe("subjects")
        validation = context.validation_definitions.add(
            gx.ValidationDefinition(name=table_name, data=batch, suite=suite)
        )
        try:
            outcome = validation.run(
                batch_parameters={"dataframe": frame},
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["subject"]},
                run_id=RunIdentifier(run_name=refresh_id),
            )
        except Exception as error:
            verdicts |= dict.fromkeys(checks.values(), Crash(type(error).__name__))
            continue
        verdicts |= {
            checks[result.expectation_config.meta["check_name"]]: _verdict(result) for result in outcome.results
        }
    if docs_dir:
        context.build_data_docs()
    return verdicts


def _context(docs_dir: Path | None) -> EphemeralDataContext:
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


def _expectation(check: CheckSpec) -> ExpectColumnValuesToBeBetween:
    return ExpectColumnValuesToBeBetween(
        column=check.check_name,
        min_value=check.minimum,
        max_value=check.maximum,
        severity=check.severity,
        description=f"{check.severity}: {check.description} ({check.limits})",
        meta={"check_name": check.check_name},
    )


def _verdict(result: ExpectationValidationResult) -> Verdict | Crash:
    """GX shows an exception as `success=False` with `exception_info`: of one metric flat, of several by metric."""
    info = result.exception_info or {}
    for raised in (info, *info.values()):
        if isinstance(raised, dict) and raised.get("raised_exception"):
            return Crash(str(raised["exception_message"]).splitlines()[0])
    return Verdict(
        bool(result.success), frozenset(row["subject"] for row in result.result.get("unexpected_index_list") or [])
    )
