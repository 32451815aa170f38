"""Runs of Dagster's, as its UI launches them: of any selection of assets, interrupted, and tried again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import pytest

import expectations
from expectations import judge_process
from orchestration.definitions import defs
from orchestration.defs import running
from orchestration.defs.run_history import run_history
from orchestration.errors import EnvironmentFailure, UserError
from orchestration.refresh import steps
from orchestration.refresh.session import Refresh
from tests.faults.test_refresh import AS_OF, write_extracts
from tests.outcome import outcome_of

Launch = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def warehouse(tmp_path, monkeypatch) -> Path:
    """The folder of a warehouse that is not there yet, and its extracts, as the UI gets to know them."""
    write_extracts(tmp_path / "extracts")
    monkeypatch.setenv("CHURN_EXTRACTS", str(tmp_path / "extracts"))
    monkeypatch.setenv("CHURN_WAREHOUSE", str(tmp_path / "warehouse"))
    return tmp_path / "warehouse"


@pytest.fixture
def launch(warehouse) -> Iterator[Launch]:
    """Materializes assets in a run that brings no refresh of its own."""
    with run_history(warehouse / "dagster") as instance:

        def launch(*keys: str) -> dg.ExecuteInProcessResult:
            return defs.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(key.split("/")) for key in keys] or None,
                raise_on_error=False,
                run_config={
                    "resources": {"refresh": {"config": {"as_of": AS_OF}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )

        yield launch


class Stubs:
    """The steps of a refresh without their work, and which of them were done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.before: Callable[[str], Any] = lambda step: None
        monkeypatch.setattr(judge_process, "judge_beside", lambda: nullcontext(None))
        for name in ("load", "build", "judge"):
            monkeypatch.setattr(steps, name, getattr(self, name))

    def _do(self, refresh: Refresh, step: str, whole: bool = True) -> None:
        with refresh.stage(step):
            self.before(step)
            self.done.append(step if whole else f"part of {step}")
            if whole:
                refresh.done.add(step)

    def load(self, refresh: Refresh) -> None:
        self._do(refresh, "load")

    def build(self, refresh: Refresh, gate: str, models: list[str] | None = None) -> list[SimpleNamespace]:
        self._do(refresh, f"build {gate}", models is None)
        staged = {"stg_billing__invoices", "stg_billing__payments"}
        built = [
            SimpleNamespace(node=SimpleNamespace(unique_id=name), status="success", execution_time=0.1)
            for name, node in steps.manifest()["nodes"].items()
            if node["name"] in (staged if gate == "raw" else models or ())
        ]
        refresh.built |= {steps._table(steps.manifest()["nodes"][one.node.unique_id]) for one in built}
        return built

    def judge(self, refresh: Refresh, gate: str, checks: set[tuple[str, str]] | None = None) -> list:
        self._do(refresh, f"judge {gate}", checks is None)
        return [
            expectations.CheckResult(
                check.check_name, gate, check.table_name, check.severity, "passed", 1, 0, [], "holds"
            )
            for check in expectations.declared_checks(steps.contract())
            if check.gate == gate and (checks is None or (check.check_name, check.table_name) in checks)
        ]


@pytest.fixture
def stubs(monkeypatch) -> Stubs:
    return Stubs(monkeypatch)


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def checked(result: dg.ExecuteInProcessResult) -> set[str]:
    return {f"{check.asset_key.to_user_string()} {check.check_name}" for check in result.get_asset_check_evaluations()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the UI shows of the step that failed."""
    [event] = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


def test_a_mart_is_built_with_what_it_needs_and_nothing_else(warehouse, launch):
    result = launch("marts/churn_rates")
    assert result.success
    assert materialized(result) == {"marts/churn_rates"}
    assert {"marts/churn_rates laws_of_churn_rates", "marts/churn_rates plausible_churn_rate"} <= checked(result)
    assert {check.split()[0] for check in checked(result)} == {"marts/churn_rates"}
    with duckdb.connect(str(warehouse / "build.duckdb")) as con:
        marts = con.execute("select table_name from duckdb_tables() where schema_name = 'marts' order by 1").fetchall()
        status = con.execute("select status from quality.refresh_history").fetchall()
    # a check of churn_rates reads the spells
    assert (marts, status) == ([("churn_rates",), ("fct_customer_spells",)], [("built",)])
    ended = outcome_of(warehouse)
    assert (ended["status"], ended["exit_code"], ended["message"], ended["headline"]) == ("built", 0, None, None)
    assert not (warehouse / "churn.duckdb").exists()


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        (("raw/billing__invoices",), ["load"]),
        (("staging/stg_billing__invoices",), ["load", "build raw", "part of judge raw"]),
        (
            ("raw/billing__invoices", "marts/churn_rates"),
            # the second part is what the checks of churn_rates read besides
            ["load", "build raw", "part of build marts", "part of build marts", "part of judge marts"],
        ),
    ],
)
def test_a_selection_does_what_it_needs_once(stubs, launch, asked, done):
    result = launch(*asked)
    assert result.success
    assert materialized(result) == set(asked)
    assert {check.split()[0] for check in checked(result)} <= set(asked)
    assert stubs.done == done


def test_what_is_published_is_published_whole(stubs, warehouse, launch):
    result = launch("published/churn", "marts/dim_employees")
    assert failure(result) == (
        "Nothing was published: a version consists of all tables and checks of one run, so materialize all assets"
        " together, or launch the job refresh."
    )
    assert outcome_of(warehouse)["status"] == "refused"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_run_and_leaves_the_catalogue_as_it_was(stubs, warehouse, launch, number):
    assert launch("marts/dim_employees").success
    with run_history(warehouse / "dagster") as instance:
        key = dg.AssetKey(["marts", "dim_employees"])
        before = instance.get_latest_materialization_event(key)
        stubs.before = lambda step: step == "build marts" and signal.raise_signal(number)
        result = launch("marts/dim_employees")
        assert instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.CANCELED
        assert instance.get_latest_materialization_event(key) == before
    ended = outcome_of(warehouse)
    assert (ended["status"], ended["exit_code"], ended["message"]) == ("interrupted", 130, "Interrupted.")


def test_a_fault_of_the_machine_is_tried_again(stubs, warehouse, launch, monkeypatch):
    monkeypatch.setattr(running, "WAIT", 0)
    faults = iter([EnvironmentFailure("No space left on device.")])
    stubs.before = lambda step: raise_next(faults) if step == "build raw" else None
    assert launch("staging/stg_billing__invoices").success
    assert outcome_of(warehouse)["status"] == "built"


def test_a_fault_of_the_machine_that_stays_and_one_of_the_extracts_fail(stubs, warehouse, launch, monkeypatch):
    monkeypatch.setattr(running, "WAIT", 0)
    faults = iter([EnvironmentFailure("No space left on device.")] * 9)
    stubs.before = lambda step: raise_next(faults)
    assert not launch("raw/billing__invoices").success
    assert len(list(faults)) == 9 - 1 - running.RETRIES
    assert outcome_of(warehouse)["message"] == "No space left on device."
    mistakes = iter([UserError("Ann", code="dates", file="a.csv")] * 2)
    stubs.before = lambda step: raise_next(mistakes)
    result = launch("raw/billing__invoices")
    assert len(list(mistakes)) == 1
    assert "dates (a.csv)" in failure(result) and "Ann" not in failure(result)
    assert (outcome_of(warehouse)["status"], outcome_of(warehouse)["exit_code"]) == ("failed", 2)


def test_a_run_is_no_second_refresh(stubs, warehouse, launch):
    """Schedule, sensor and whoever clicks launch the job `refresh`; the command line is tried in test_cli.py."""
    assert {schedule.job_name for schedule in defs.get_repository_def().schedule_defs} == {"refresh"}
    program = (
        "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
        " print(flush=True); time.sleep(60)"
    )
    warehouse.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", program, warehouse / ".lock"], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "\n"
        result = launch("raw/billing__invoices")
        holder.kill()
    assert not result.success and stubs.done == []
    assert any("is being written by another process" in str(event.event_specific_data) for event in result.all_events)
    assert not (warehouse / "refresh.json").exists()  # it is the other's
    assert launch("raw/billing__invoices").success  # a dead process holds nothing


def raise_next(errors: Iterator[Exception]) -> None:
    if error := next(errors, None):
        raise error
