"""What `churn pull` and `--publish-to` say before anything is fetched or sent; tests/connect tests what they do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from orchestration import ROOT, pulling
from orchestration.contract.mapping import Mapping, load_mapping
from orchestration.definitions import code_location
from orchestration.defs.run_history import alive, fail_left_runs, run_history
from orchestration.errors import PullRefused, UserError
from orchestration.loading.discovery import find_extracts
from orchestration.pulling.secrets import Secrets
from orchestration.readers.alerts.conditions import conditions
from orchestration.warehouse.destination import Destination, by_dlt, postgres
from orchestration.warehouse.folder import Warehouse
from tests.outcome import outcome_of


def declaring(folder: Path, text: str):
    (folder / "extracts.yml").write_text(text, encoding="utf-8")
    return load_mapping(folder)


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pulling, by_dlt, postgres):
        monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_packages")
def test_without_its_packages_a_pull_says_how_to_install_them(tmp_path):
    mapping = declaring(tmp_path, "pull: {stripe: }\n")
    with pytest.raises(PullRefused, match="needs packages that are not installed: run `make connect`"):
        pulling.sources_to_pull(mapping)


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("address", ["postgresql://churn:secret@db/analytics", "snowflake://secret@account/analytics"])
def test_without_its_packages_a_publish_to_a_database_says_how_to_install_them(tmp_path, address):
    with pytest.raises(UserError, match="run `make connect`") as refusal:
        Destination.of(Warehouse(tmp_path), address)
    assert "secret" not in str(refusal.value)
    assert Destination.of(Warehouse(tmp_path), None) is None


def test_only_sources_that_are_declared_are_pulled(tmp_path, monkeypatch):
    monkeypatch.setattr(pulling, "find_spec", lambda name: True)
    with pytest.raises(PullRefused, match=r"declares nothing to pull. Write the sources under pull:"):
        pulling.sources_to_pull(load_mapping(tmp_path))
    mapping = declaring(tmp_path, "pull: {stripe: , shop: {kind: shopify, site: alfa}}\n")
    with pytest.raises(PullRefused, match="declares no source 'strip' to pull; the nearest valid name is 'stripe'"):
        pulling.sources_to_pull(mapping, ["strip"])
    assert [source.name for source in pulling.sources_to_pull(mapping)] == ["stripe", "shop"]
    assert [source.name for source in pulling.sources_to_pull(mapping, ["shop"])] == ["shop"]


def test_a_refresh_from_sources_that_were_never_pulled_is_refused(tmp_path):
    mapping = declaring(tmp_path, "pull:\n  stripe:\n")
    with pytest.raises(UserError, match=r"line 2: nothing has been pulled from stripe yet. Run `churn pull` first"):
        find_extracts(tmp_path, mapping)


def test_a_secret_is_that_of_the_environment_of_the_folder_or_of_the_home(tmp_path, monkeypatch):
    [pull] = declaring(tmp_path, "pull: {erp: {kind: sql, tables: [a]}}\n").pulls
    for name in ("folder", "home"):
        (tmp_path / name / ".dlt").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    in_folder, in_home = (tmp_path / name / ".dlt" / "secrets.toml" for name in ("folder", "home"))
    with pytest.raises(UserError) as refusal:
        Secrets(pull)["credentials"]
    assert str(refusal.value) == (
        "its credentials isn't set. It was looked for as SOURCES__ERP__CREDENTIALS in the environment, and as"
        f" credentials under [sources.erp] in {in_folder} and {in_home}."
    )
    in_home.write_text('[sources.erp]\ncredentials = "of the home"\n')
    assert Secrets(pull)["credentials"] == "of the home"
    in_folder.write_text('[sources.other]\ncredentials = "of another"\n')
    assert Secrets(pull)["credentials"] == "of the home"
    in_folder.write_text('[sources.erp]\ncredentials = "of the folder"\n')
    assert Secrets(pull)["credentials"] == "of the folder"
    monkeypatch.setenv("SOURCES__ERP__CREDENTIALS", "of the environment")
    assert Secrets(pull)["credentials"] == "of the environment"
    monkeypatch.delenv("SOURCES__ERP__CREDENTIALS")
    in_folder.write_text("[sources.erp]\ncredentials = secret\n")
    with pytest.raises(UserError, match=f"^{in_folder} is not valid TOML.$"):
        Secrets(pull)["credentials"]


def test_a_run_that_is_alive_is_not_taken_for_one_that_was_left(tmp_path):
    with run_history(tmp_path) as instance:
        run = instance.create_run_for_job(code_location(Mapping()).resolve_job_def("refresh"))
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "refresh", message="started")
        instance.report_dagster_event(event, run.run_id)
        with alive(instance, run.run_id):
            fail_left_runs(instance)
            assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED
        fail_left_runs(instance)
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert list(tmp_path.glob(".*.lock")) == []


def test_a_repository_of_the_project_keeps_no_secrets():
    assert "/.dlt/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.usefixtures("without_packages")
def test_a_run_whose_pull_fails_says_so_and_refreshes_nothing(tmp_path, monkeypatch):
    mapping = declaring(tmp_path, "pull:\n  stripe:\n  shop: {kind: shopify, site: alfa}\n")
    (tmp_path / "extracts.yml").write_text("pull: {stripe: }\nof_ann: EUR\n", encoding="utf-8")
    monkeypatch.setenv("CHURN_EXTRACTS", str(tmp_path))
    monkeypatch.setenv("CHURN_WAREHOUSE", str(tmp_path / "warehouse"))

    def run() -> dict[str, str]:
        """What Dagster shows of the steps that failed; no other may have been begun."""
        with run_history(tmp_path / "warehouse" / "dagster") as instance:
            job = code_location(mapping).resolve_job_def("pull_and_refresh")
            result = job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        assert not result.success
        failed = {event.step_key: event.step_failure_data for event in result.all_events if event.is_step_failure}
        started = {event.step_key for event in result.all_events if event.event_type_value == "STEP_START"}
        assert started == set(failed) == {"pulls__stripe", "pulls__shop"}
        return {name: data.user_failure_data.description for name, data in failed.items()}

    # a mistake in extracts.yml, which may quote anything, is named by its place
    said = run()
    assert said["pulls__stripe"].startswith("pull stripe: the extracts must be corrected first: mapping (extracts.yml,")
    assert "ann" not in said["pulls__stripe"].replace(str(tmp_path), "")
    assert outcome_of(tmp_path / "warehouse")["problems"][0]["mapping"] == "extracts.yml, line 2"

    (tmp_path / "extracts.yml").write_text("pull: {stripe: }\n", encoding="utf-8")
    said = run()
    assert said["pulls__stripe"].startswith("A pull needs packages that are not installed: run `make connect`")
    # it was declared when Dagster was started
    assert said["pulls__shop"].startswith("extracts.yml declares no source 'shop' to pull; valid names are stripe.")
    ended = outcome_of(tmp_path / "warehouse")
    assert (ended["status"], ended["exit_code"], ended["problems"][0]["code"]) == ("failed", 2, "pull")
    assert ended["message"] in said.values()
    [told] = conditions(Warehouse(tmp_path / "warehouse"), mapping.alerts, date(2026, 1, 1), ended)
    assert told.kind == "failure" and ended["message"] in told.text
