"""Pulls as Dagster's schedule and UI run them: from a fake Stripe, with a refresh behind them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import date

import dagster as dg
import duckdb
import pytest

pytest.importorskip("dlt", reason="dlt is not installed: make connect")

from orchestration import pulling
from orchestration.contract.mapping import load_mapping
from orchestration.definitions import code_location
from orchestration.defs import running
from orchestration.defs.run_history import fail_left_runs, run_history
from tests.connect.fake_stripe import KEY, LISTS, Account, Faults, serving
from tests.outcome import outcome_of

FIRST, LAST, DAY = date(2025, 1, 1), date(2026, 2, 28), date(2026, 3, 1)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
Launch = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def account() -> Account:
    return Account(6, 60, FIRST, LAST)


@pytest.fixture
def instance(tmp_path) -> Iterator[dg.DagsterInstance]:
    with run_history(tmp_path / "warehouse" / "dagster") as instance:
        yield instance


@pytest.fixture
def launch(tmp_path, monkeypatch, instance) -> Launch:
    """Runs the job of the schedule, or materializes some assets, where Stripe is at this address."""
    monkeypatch.setattr(pulling, "today", lambda time_zone: DAY)
    monkeypatch.setattr(running, "WAIT", 0)
    for name, value in {
        "CHURN_EXTRACTS": str(tmp_path),
        "CHURN_WAREHOUSE": str(tmp_path / "warehouse"),
        "SOURCES__STRIPE__API_KEY": KEY,
        "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.01",
        "RUNTIME__REQUEST_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    def launch(address: str, *keys: str, config: dict | None = None) -> dg.ExecuteInProcessResult:
        (tmp_path / "extracts.yml").write_text(f"pull:\n  stripe: {{url: '{address}'}}\n", encoding="utf-8")
        defs = code_location(load_mapping(tmp_path))
        job = defs.resolve_implicit_global_asset_job_def() if keys else defs.resolve_job_def("pull_and_refresh")
        return job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(key.split("/")) for key in keys] or None,
            raise_on_error=False,
            run_config=QUIET | (config or {}),
        )

    return launch


def events(result: dg.ExecuteInProcessResult, kind: str) -> list[str]:
    return [event.step_key for event in result.all_events if event.event_type_value == kind]


def test_the_job_of_the_schedule_pulls_and_then_refreshes_from_what_was_pulled(tmp_path, account, launch, instance):
    with serving(account) as address:
        result = launch(address, config={"resources": {"refresh": {"config": {"as_of": f"{LAST}"}}}})
    assert result.success
    [pulled] = result.asset_materializations_for_node("pulls__stripe")
    assert pulled.metadata["day"].value == "2026-03-01"
    assert pulled.metadata["pulled"].value == {name: len(account.objects[name]) for name in LISTS}
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert f"stripe: {len(account.objects['customers'])} customers" in said
    assert outcome_of(tmp_path / "warehouse")["status"] == "published"
    with duckdb.connect(str(tmp_path / "warehouse" / "churn.duckdb"), read_only=True) as con:
        [(customers,)] = con.execute("select count(*) from marts.dim_customers").fetchall()
    assert customers == len(account.objects["customers"])
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {".db", ".duckdb"} <= {path.suffix for path in files}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_server_at_fault_is_asked_again_and_then_nothing_is_refreshed(tmp_path, account, launch):
    with serving(account, Faults({2: 500})) as address:
        assert launch(address, "pulls/stripe").success
    before = sorted(tmp_path.glob("pulls/stripe/2*/*"))
    assert len(before) == len(LISTS)
    assert not (tmp_path / "warehouse" / "refresh.json").exists()  # a try that is followed by another is no failure
    faults = Faults(dict.fromkeys(range(99), 503))
    with serving(account, faults) as address:
        result = launch(address)
    assert not result.success
    assert faults.requests == 1 + running.RETRIES
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data.description == (
        "stripe: customers: the server answered 503, also when asked again and again."
        " Nothing of this pull was kept; earlier ones are as they were."
    )
    assert set(events(result, "STEP_START")) == {"pulls__stripe"}
    ended = outcome_of(tmp_path / "warehouse")
    assert (ended["status"], ended["exit_code"], ended["problems"]) == ("failed", 4, [])
    assert ended["message"].startswith("stripe: customers: the server answered 503")
    assert sorted(tmp_path.glob("pulls/stripe/2*/*")) == before
    assert not (tmp_path / "warehouse" / "churn.duckdb").exists()


def test_an_interrupt_in_mid_pull_cancels_the_run_and_leaves_nothing_to_read(tmp_path, account, launch, instance):
    faults, meanwhile = Faults(stops_at=4), []

    def interrupt() -> None:
        assert faults.stands_still.wait(60)
        # as a refresh of the command line does, which holds the warehouse while this run pulls
        fail_left_runs(instance)
        meanwhile.extend(run.status for run in instance.get_runs())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with serving(account, faults) as address:
        result = launch(address)
    thread.join()
    assert meanwhile == [dg.DagsterRunStatus.STARTED]
    assert instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.CANCELED
    assert [path for path in (tmp_path / "pulls" / "stripe").iterdir() if path.is_dir()] == []
    assert not (tmp_path / "warehouse" / "refresh.json").exists()
