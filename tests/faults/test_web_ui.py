"""No other web page drives `churn ui`, no code of the current folder runs, and a killed refresh holds nothing up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from orchestration import ROOT
from orchestration.definitions import defs
from orchestration.defs.left_runs import left_runs
from orchestration.defs.refresh import refresh_resource
from orchestration.defs.run_history import LAUNCH_TIME, REFRESH_TAG, fail_left_runs, run_history
from orchestration.defs.web_ui import OwnPagesOnly
from orchestration.warehouse.folder import Warehouse

OWN = {"Host": "127.0.0.1:3000", "Origin": "http://127.0.0.1:3000"}
CHURN = Path(sys.executable).with_name("churn")
# Modules that Python, Dagster or Great Expectations would import from the current folder.
TRAPS = ("random", "great_expectations", "dagster_webserver", "pandas", "orchestration")


def answer(method: str, path: str, headers: dict[str, str], kind: str = "http") -> int:
    """The status with which the guard answers a request, 200 if it passes it on; of a WebSocket 1008 when refused."""
    sent: list[dict] = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict:
        return {"type": "http.request"}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(OwnPagesOnly(application)(scope, receive, send))
    return sent[0].get("status") or sent[0]["code"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"Host": "localhost:3000"}, 200),
        ("GET", "/", {"Host": "[::1]:3000"}, 200),
        ("POST", "/graphql", OWN, 200),
        ("POST", "/graphql", {"Host": "127.0.0.1:3000"}, 200),  # a program of this machine
        ("GET", "/graphql", {**OWN, "Accept": "text/html,*/*"}, 200),  # the page with the editor
        ("GET", "/", {}, 403),
        ("GET", "/", {"Host": "rebound.example.org:3000"}, 403),
        ("GET", "/", {"Host": "localhost.example.org"}, 403),
        ("GET", "/", {"Host": "evil@127.0.0.1:3000"}, 403),
        ("POST", "/graphql", {**OWN, "Origin": "http://example.org"}, 403),
        ("POST", "/graphql", {**OWN, "Origin": "null"}, 403),
        ("POST", "/graphql", {**OWN, "Origin": "http://127.0.0.1:8080"}, 403),
        ("POST", "/report_asset_materialization/x", {**OWN, "Origin": "http://example.org"}, 403),
        ("GET", "/graphql", OWN, 405),
        ("GET", "/graphql/", OWN, 405),
        ("HEAD", "/graphql", OWN, 405),
    ],
)
def test_only_own_pages_are_answered(method, path, headers, status):
    assert answer(method, path, headers) == status


def test_a_websocket_of_another_page_is_refused():
    assert answer("", "/graphql", OWN, "websocket") == 200
    assert answer("", "/graphql", {**OWN, "Origin": "http://example.org"}, "websocket") == 1008


def test_a_run_does_not_choose_folders():
    fields = refresh_resource.config_schema.as_field().config_type.fields
    assert sorted(fields) == ["as_of", "full_refresh", "policies"]


def started(instance: dg.DagsterInstance, of_command: bool = True) -> str:
    """The id of a run of the refresh that has begun; whoever ran it is gone."""
    tags = {REFRESH_TAG: "20251231T050000.000000Z"} if of_command else {}
    run = instance.create_run_for_job(defs.resolve_job_def("refresh"), tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "refresh", message="started"), run.run_id
    )
    assert status(instance, run.run_id) == "STARTED"
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status.value


def test_whoever_holds_the_warehouse_fails_the_runs_of_killed_processes(tmp_path):
    with run_history(tmp_path / "dagster") as instance:
        own, command, ui = started(instance), started(instance), started(instance, of_command=False)
        fail_left_runs(instance, own)
        assert [status(instance, run) for run in (own, command, ui)] == ["STARTED", "FAILURE", "FAILURE"]
        failures = [record.event_log_entry.message for record in instance.get_records_for_run(command).records]
        assert "ended before it had finished" in failures[-1]


def test_the_open_ui_fails_the_run_of_a_killed_command_only_when_the_warehouse_is_free(tmp_path, monkeypatch):
    warehouse = Warehouse(tmp_path / "warehouse")
    monkeypatch.setenv("CHURN_WAREHOUSE", str(warehouse.folder))
    with run_history(warehouse.dagster) as instance:
        context = dg.build_sensor_context(instance=instance)
        command, starting = started(instance), started(instance, of_command=False)
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDS, str(warehouse.folder)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert holder.stdout and holder.stdout.readline() == "held\n"
        assert "running" in left_runs(context).skip_message
        assert status(instance, command) == "STARTED"
        holder.kill()
        holder.wait()
        left_runs(context)
        assert (status(instance, command), status(instance, starting)) == ("FAILURE", "STARTED")


def test_a_command_that_was_interrupted_and_then_killed_is_failed_while_the_ui_is_open(tmp_path, monkeypatch):
    warehouse = Warehouse(tmp_path / "warehouse")
    monkeypatch.setenv("CHURN_WAREHOUSE", str(warehouse.folder))
    with run_history(warehouse.dagster) as instance:
        command = started(instance)
        instance.report_run_canceling(instance.get_run_by_id(command))
        left_runs(dg.build_sensor_context(instance=instance))
        assert status(instance, command) == "FAILURE"


def test_a_run_that_is_being_launched_is_left_alone_for_some_minutes(tmp_path, monkeypatch):
    with run_history(tmp_path / "dagster") as instance:
        job = defs.resolve_job_def("refresh")
        created, starting = (instance.create_run_for_job(job).run_id for _ in range(2))
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, "refresh", message="starting")
        instance.report_dagster_event(event, starting)
        fail_left_runs(instance)
        assert [status(instance, run) for run in (created, starting)] == ["NOT_STARTED", "STARTING"]
        later = time.time() + LAUNCH_TIME
        monkeypatch.setattr("orchestration.defs.run_history.time.time", lambda: later)
        fail_left_runs(instance)
        assert [status(instance, run) for run in (created, starting)] == ["FAILURE", "FAILURE"]


_HOLDS = """
import sys, time
from pathlib import Path
from orchestration.warehouse.folder import Warehouse
with Warehouse(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory) -> Iterator[tuple[str, Path, str]]:
    """The address of a running `churn ui`, the folder where it was called, and a run that was left there before."""
    folder = tmp_path_factory.mktemp("ui") / "it's [1]"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'executed')!r}, 'a').write({name!r})")
    with run_history(folder / "warehouse" / "dagster") as instance:
        left = started(instance)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [CHURN, "ui", "--extracts", "extracts", "--warehouse", "warehouse", "--port", str(port)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info")
                break
            except OSError:
                assert server.poll() is None, server.stderr and server.stderr.read()
                time.sleep(0.2)
        yield f"127.0.0.1:{port}", folder, left
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate()


def asked(address: str, query: str, **headers: str) -> dict:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"http://{address}/graphql", body, {"Content-Type": "application/json", **headers})
    return json.load(urllib.request.urlopen(request))["data"]


def test_the_ui_serves_its_own_pages_and_no_others(ui):
    address = ui[0]
    assert asked(address, "{version}", Origin=f"http://{address}") == {"version": dg.__version__}
    assert urllib.request.urlopen(f"http://{address}/").headers["X-Frame-Options"] == "DENY"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        asked(address, "{version}", Origin="http://example.org")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"http://{address}/graphql?query=mutation%7BreloadWorkspace%7B__typename%7D%7D")
    with connect(f"ws://{address}/graphql", origin=f"http://{address}", subprotocols=["graphql-ws"]) as own:
        own.send('{"type": "connection_init"}')
        assert json.loads(own.recv()) == {"type": "connection_ack"}
    with pytest.raises(InvalidStatus), connect(f"ws://{address}/graphql", origin="http://example.org"):
        pass


def test_the_ui_runs_no_code_of_the_current_folder(ui):
    address, folder, _ = ui
    locations = asked(address, "{workspaceOrError {... on Workspace {locationEntries {name loadStatus}}}}")
    assert locations["workspaceOrError"]["locationEntries"] == [
        {"name": "orchestration.definitions", "loadStatus": "LOADED"}
    ]
    assert not (folder / "executed").exists()


def test_a_run_left_before_the_ui_was_opened_is_failed(ui):
    address, _, left = ui
    assert asked(address, f'{{runOrError(runId: "{left}") {{... on Run {{status}}}}}}') == {
        "runOrError": {"status": "FAILURE"}
    }


def test_no_name_of_a_folder_turns_telemetry_on(tmp_path):
    """It is off in dagster.yaml, where the folder's name stands too: one with a bracket made the file unreadable."""
    with run_history(tmp_path / """it's "a" place; [1] {{ 2 }} #""" / "dagster") as instance:
        assert not instance.telemetry_enabled
