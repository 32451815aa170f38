"""The one adapter to Great Expectations: counts in, verdicts out. Importing it takes seconds.

GX judges one small pandas frame of measures, a column for all checks that share their limits: it takes some fifty
milliseconds for each expectation, and there are more than a hundred checks. Through SQLAlchemy on DuckDB its results
are gone when it fetches them (great_expectations #10738, #11579, #12084), and one hand-written scan counts several
times faster.
"""

from __future__ import annotations

import os
from collections import defaultdict

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations import ExpectColumnValuesToBeBetween
from great_expectations.expectations.metadata_types import FailureSeverity

from expectations.checks import CheckSpec, Counted, Crash, Judged, Verdict


def judge(counted: Counted) -> Judged:
    """GX's verdict on each check that could be counted."""
    measured = {check: subjects for check, subjects in counted.items() if not isinstance(subjects, Crash)}
    sharing: dict[str, list[CheckSpec]] = defaultdict(list)
    for check in measured:
        sharing[f"{check.severity}: {check.limits}"].append(check)
    rows = [
        {"check": check.check_name, "table": check.table_name, "subject": subject.subject, limits: subject.measure}
        for limits, checks in sharing.items()
        for check in checks
        for subject in measured[check]
    ]
    frame = pd.DataFrame(rows, columns=["check", "table", "subject", *sharing]).astype(
        dict.fromkeys(sharing, "float64")
    )
    try:
        results = _validated(frame, sharing)
    except Exception as error:
        return {check: Crash(type(error).__name__) for checks in sharing.values() for check in checks}
    return {
        check: _verdict(result, check)
        for result in results
        if result.expectation_config
        for check in sharing[result.expectation_config.kwargs["column"]]
    }


def _validated(frame: pd.DataFrame, sharing: dict[str, list[CheckSpec]]) -> list[ExpectationValidationResult]:
    """GX's result of each column of limits."""
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )
    suite = gx.ExpectationSuite(
        name="checks",
        expectations=[
            ExpectColumnValuesToBeBetween(
                column=limits,
                min_value=checks[0].minimum,
                max_value=checks[0].maximum,
                severity=FailureSeverity(checks[0].severity),
            )
            for limits, checks in sharing.items()
        ],
    )
    batch = context.data_sources.add_pandas("measures").add_dataframe_asset("measures")
    validation = gx.ValidationDefinition(
        name="checks",
        data=batch.add_batch_definition_whole_dataframe("all"),
        suite=context.suites.add(suite),
    )
    outcome = context.validation_definitions.add(validation).run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["check", "table", "subject"],
        },
    )
    return outcome.results


def _verdict(result: ExpectationValidationResult, check: CheckSpec) -> Verdict | Crash:
    """GX shows an exception as `success=False` with `exception_info`: of one metric flat, of several by metric."""
    info = result.exception_info or {}
    for raised in (info, *info.values()):
        if isinstance(raised, dict) and raised.get("raised_exception"):
            return Crash(str(raised["exception_message"]).splitlines()[0])
    unexpected = result.result.get("unexpected_index_list") or []
    return Verdict(
        frozenset(
            row["subject"] for row in unexpected if (row["check"], row["table"]) == (check.check_name, check.table_name)
        )
    )
