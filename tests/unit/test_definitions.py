"""What Dagster sees: asset keys, jobs, schedules and sensors, compared with definitions.txt beside this file.

After a change that is meant: .venv/bin/python -m tests.unit.test_definitions
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestration.transform.project import prepare_manifest

SNAPSHOT = Path(__file__).with_name("definitions.txt")


def described() -> str:
    """One line an asset (key, group), a job, schedule or sensor."""
    from orchestration.definitions import defs

    repository = defs.get_repository_def()
    graph = repository.asset_graph
    lines = [
        f"asset {key.to_user_string()} in {graph.get(key).group_name}"
        for key in graph.get_all_asset_keys()
        if graph.get(key).is_materializable
    ]
    lines += [f"job {job.name}" for job in repository.get_all_jobs() if not job.name.startswith("__")]
    lines += [
        f"schedule {schedule.name} of {schedule.job_name} at {schedule.cron_schedule} {schedule.execution_timezone}"
        for schedule in repository.schedule_defs
    ]
    lines += [f"sensor {sensor.name} of {sensor.job_name}" for sensor in repository.sensor_defs]
    return "\n".join(sorted(lines)) + "\n"


def test_assets_jobs_schedules_and_sensors_are_the_known_ones():
    assert described() == SNAPSHOT.read_text(encoding="utf-8")


def test_every_asset_is_named_and_grouped_by_its_schema():
    for line in described().splitlines():
        if line.startswith("asset "):
            key, group = line.removeprefix("asset ").split(" in ")
            assert key.split("/") == [group, key.split("/")[-1]]


def test_every_asset_has_an_owner_a_kind_and_a_description_without_sql():
    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    for node in (graph.get(key) for key in graph.get_all_asset_keys() if graph.get(key).is_materializable):
        assert node.owners == ["team:analytics"], node.key
        assert any(tag.startswith("dagster/kind/") for tag in node.tags), node.key
        assert node.description, node.key
        assert not re.search(r"Raw SQL|```|\{\{|select ", node.description), node.key


def test_the_published_version_is_late_when_a_day_has_gone_by_without_one():
    from orchestration.defs.publish import published

    [policy] = [spec.freshness_policy for spec in published.specs]
    assert (policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()) == (
        timedelta(hours=25),
        timedelta(hours=48),
    )


def of_company(folder: Path, text: str):
    """The repository that Dagster gets to know, of a company with this extracts.yml."""
    from orchestration.contract.mapping import unattended_mapping
    from orchestration.definitions import code_location

    (folder / "extracts.yml").write_text(text)
    return code_location(unattended_mapping(folder)).get_repository_def()


def test_the_schedule_is_the_companys(tmp_path):
    repository = of_company(tmp_path, "time_zone: Asia/Manila\nschedule: 22:05\nwrong: yes\n")
    [schedule] = repository.schedule_defs
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 22 * * *", "Asia/Manila")
    assert schedule.description.startswith("Every day at 22:05 in Asia/Manila")
    assert schedule.job_name == "refresh"


def test_each_source_to_pull_is_an_asset_before_raw_which_the_schedule_pulls_and_a_refresh_leaves_alone(tmp_path):
    import dagster as dg

    # with a mistake somewhere: what is pulled must not depend on whether the file was right when Dagster was started
    repository = of_company(tmp_path, "pull:\n  stripe:\n  erp: {kind: sql, tables: [a]}\n  Ü: {}\nwrong: yes\n")
    graph = repository.asset_graph
    pulls = {key for key in graph.get_all_asset_keys() if graph.get(key).group_name == "pulls"}
    assert pulls == {dg.AssetKey(["pulls", "stripe"]), dg.AssetKey(["pulls", "erp"])}
    for key in graph.get_all_asset_keys():
        if graph.get(key).group_name == "raw":
            assert graph.get(key).parent_keys == pulls
    for key in pulls:
        assert graph.get(key).owners == ["team:analytics"] and graph.get(key).description
    assert graph.get(dg.AssetKey(["pulls", "erp"])).kinds == {"dlt", "sql"}
    refresh, both = (
        {key.to_user_string() for key in repository.get_job(name).asset_layer.selected_asset_keys}
        for name in ("refresh", "pull_and_refresh")
    )
    assert both - refresh == {"pulls/stripe", "pulls/erp"} and "published/churn" in refresh
    [schedule] = repository.schedule_defs
    assert schedule.job_name == "pull_and_refresh"
    assert schedule.description.startswith("Pulls stripe, erp, then refreshes. Every day at 05:00 in UTC")


def test_a_folder_that_is_not_named_is_said_in_a_sentence(monkeypatch):
    from orchestration.defs import folder
    from orchestration.errors import UserError

    monkeypatch.delenv("CHURN_WAREHOUSE", raising=False)
    with pytest.raises(UserError, match="^CHURN_WAREHOUSE is not set. Start Dagster with `churn ui`"):
        folder("CHURN_WAREHOUSE")


def test_loading_opens_no_database_and_no_connection(tmp_path):
    prepare_manifest()
    code = (
        "import socket, duckdb\n"
        "def refuse(*_, **__): raise AssertionError('opened')\n"
        "duckdb.connect = socket.socket.connect = refuse\n"
        "from orchestration.definitions import defs\n"
        "defs.resolve_job_def('pull_and_refresh')\n"
        "import sys\n"
        "assert not {'apprise', 'dlt'} & sys.modules.keys()"
    )
    (tmp_path / "extracts.yml").write_text("pull:\n  stripe:\n")
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "CHURN_EXTRACTS": str(tmp_path)}, check=True)


def test_the_gates_stand_between_the_stages():
    from orchestration.definitions import defs

    job = defs.resolve_job_def("refresh")
    upstream = {
        node.name: {
            dependency.node for definition in inputs.values() for dependency in definition.get_node_dependencies()
        }
        for node, inputs in job.graph.dependencies.items()
    }
    assert {"staging", "raw_gate"} <= upstream["marts"]
    assert {"raw_gate", "marts_gate"} <= upstream["published__churn"]


def test_a_run_with_nothing_new_succeeds_and_makes_nothing():
    import dagster as dg

    from orchestration.definitions import defs
    from orchestration.refresh.nothing_new import NothingNew
    from orchestration.warehouse.folder import PastRefresh

    last = PastRefresh("20260101T050000.000000Z", datetime(2026, 1, 1, 5), date(2025, 12, 31), date(2025, 12, 31))
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def("refresh")
        unchanged = NothingNew(last, ["as_of is long ago"])
        refresh = SimpleNamespace(unchanged=unchanged, explaining=lambda doing: nullcontext())
        done = job.execute_in_process(instance=instance, resources={"refresh": lambda: refresh})
        said = [entry.user_message for entry in instance.all_logs(done.run_id)]
    assert done.success
    assert "There is nothing new since 2026-01-01 05:00 UTC; readers keep that version." in said
    assert "as_of is long ago" in said
    assert done.get_asset_materialization_events() == []
    skipped = {event.step_key for event in done.all_events if event.event_type == dg.DagsterEventType.STEP_SKIPPED}
    assert skipped == {"staging", "raw_gate", "marts", "marts_gate", "published__churn"}


def test_a_run_that_extracts_yml_forbids_fails_in_a_sentence_that_quotes_nothing(tmp_path, monkeypatch):
    from orchestration.definitions import defs
    from orchestration.defs.run_history import run_history

    (tmp_path / "extracts.yml").write_text("of_ann: EUR\n")
    monkeypatch.setenv("CHURN_EXTRACTS", str(tmp_path))
    monkeypatch.setenv("CHURN_WAREHOUSE", str(tmp_path / "warehouse"))
    (tmp_path / "warehouse").mkdir()
    with run_history(tmp_path / "warehouse" / "dagster") as instance:
        job = defs.resolve_job_def("refresh")
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        kept = [str(entry) for entry in instance.all_logs(result.run_id)]
    [failed] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failed.user_failure_data.description.startswith(
        "the extracts must be corrected first: mapping (extracts.yml, line 1). The whole text is in"
    )
    assert [entry for entry in kept if "of_ann" in entry] == []


class TestSensor:
    """New content starts a refresh until one of that content has succeeded."""

    @pytest.fixture
    def look(self, tmp_path, monkeypatch):
        import dagster as dg

        from orchestration.defs.sensor import new_extracts

        (tmp_path / "billing").mkdir()
        (tmp_path / "billing" / "invoices.csv").write_text("invoice_id\n1\n")
        monkeypatch.setenv("CHURN_EXTRACTS", str(tmp_path))
        with dg.DagsterInstance.ephemeral() as instance:

            def look(cursor: str | None = None):
                with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
                    return new_extracts.evaluate_tick(context)

            look.instance, look.file = instance, tmp_path / "billing" / "invoices.csv"
            yield look

    def ran(self, look, requested, status, hours_ago=0):
        import dagster as dg

        run = look.instance.create_run_for_job(dg.job(name="refresh")(lambda: None), tags=requested.tags, status=status)
        if hours_ago:
            from dagster._core.storage.runs.schema import RunsTable

            with look.instance.run_storage.connect() as con:
                created = datetime.fromtimestamp(datetime.now(UTC).timestamp() - 3600 * hours_ago, UTC).replace(
                    tzinfo=None
                )
                con.execute(RunsTable.update().where(RunsTable.c.run_id == run.run_id).values(create_timestamp=created))

    def test_the_cursor_moves_only_after_success(self, look):
        import dagster as dg

        [requested] = look().run_requests
        self.ran(look, requested, dg.DagsterRunStatus.STARTED)
        waiting = look()
        assert (waiting.run_requests, waiting.cursor) == ([], None)
        self.ran(look, requested, dg.DagsterRunStatus.SUCCESS)
        done = look()
        assert done.run_requests == []
        assert done.cursor
        assert look(done.cursor).run_requests == []
        look.file.write_text("invoice_id\n2\n")
        [again] = look(done.cursor).run_requests
        assert again.tags != requested.tags

    def test_a_failed_refresh_is_retried_an_hour_later(self, look):
        import dagster as dg

        [requested] = look().run_requests
        self.ran(look, requested, dg.DagsterRunStatus.FAILURE)
        assert look().run_requests == []
        look.file.write_text("invoice_id\n3\n")
        [corrected] = look().run_requests
        self.ran(look, corrected, dg.DagsterRunStatus.FAILURE, hours_ago=2)
        [retried] = look().run_requests
        assert retried.tags == corrected.tags

    def test_a_failure_of_a_clock_that_was_ahead_is_retried(self, look):
        import dagster as dg

        [requested] = look().run_requests
        self.ran(look, requested, dg.DagsterRunStatus.FAILURE, hours_ago=-24)
        assert [retried.tags for retried in look().run_requests] == [requested.tags]

    def test_what_stands_in_the_way_is_named_and_nothing_quoted(self, look, monkeypatch, tmp_path):
        (tmp_path / "extracts.yml").write_text("of_ann: EUR\n")
        said = look().skip_message
        assert said.startswith("the extracts must be corrected first: mapping (extracts.yml, line 1). ")
        assert "of_ann" not in said
        monkeypatch.setenv("CHURN_EXTRACTS", "/nowhere/at/all")
        assert "no_extracts" in look().skip_message


if __name__ == "__main__":
    SNAPSHOT.write_text(described(), encoding="utf-8")
