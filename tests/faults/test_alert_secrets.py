"""Who may post alerts stays in the environment: the webhook's URL and the mail password are written nowhere."""

from __future__ import annotations

import os
import smtplib
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

from orchestration import ROOT
from orchestration.defs.alerts import alerts
from orchestration.defs.run_history import run_history
from tests.faults.test_personal_data import found_in, traces
from tests.faults.test_refresh import write_extracts

MARKS = ("hook-s3cret", "pass-s3cret", "user-s3cret")
SETTINGS = {
    "CHURN_ALERT_WEBHOOK": "http://127.0.0.1:9/services/hook-s3cret?token=hook-s3cret",  # where nobody listens
    "CHURN_ALERT_EMAIL": "a@example.org",
    "CHURN_SMTP_HOST": "127.0.0.1",
    "CHURN_SMTP_PORT": "9",
    "CHURN_SMTP_FROM": "churn@example.org",
    "CHURN_SMTP_USER": "user-s3cret",
    "CHURN_SMTP_PASSWORD": "pass-s3cret-ё",  # smtplib fails to encode it
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> tuple[Path, str]:
    """Home, temporary folder and warehouse of a refresh that a gate refused, and what it said."""
    place = tmp_path_factory.mktemp("secrets")
    write_extracts(place / "extracts", bad_rows=100)
    for name in ("HOME", "TMPDIR"):
        (place / name).mkdir()
    # The command itself: a fork has made its definitions before the environment named anybody.
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("churn"), "refresh", "--extracts", place / "extracts"),
            *("--warehouse", place / "warehouse", "--as-of", "2024-06-30"),
        ],
        env=os.environ
        | SETTINGS
        | {name: str(place / name) for name in ("HOME", "TMPDIR")}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    return place, done.stdout + done.stderr


def test_a_failed_refresh_writes_no_secret(refused):
    place, said = refused
    assert traces(said, MARKS) == []
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {".db", ".duckdb"} <= {path.suffix for path in files}
    assert {str(path): found for path in files if (found := found_in(path, MARKS))} == {}


def test_an_alert_that_cannot_be_sent_tells_no_secret(refused, monkeypatch):
    """What a sensor raises is what Dagster keeps of it and shows in the UI."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    kept = []
    with run_history(refused[0] / "warehouse" / "dagster") as instance:
        [run] = instance.get_runs()
        [event] = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        context = dg.build_run_status_sensor_context("alert", event.dagster_event, instance, run).for_run_failure()
        for sensor in alerts():
            kept.append(failing(sensor, context))
        monkeypatch.setattr(smtplib, "SMTP", Server)
        kept.append(failing(alerts()[0], context))
        # urllib quotes a URL with a control character
        monkeypatch.setenv("CHURN_ALERT_WEBHOOK", "http://127.0.0.1/hook-s3cret\x7f")
        kept.append(failing(alerts()[1], context))
    assert traces("".join(kept), MARKS) == []
    assert "did not take the alert (URLError)" in kept[1]
    assert "UnicodeEncodeError" in kept[2]


class Server(smtplib.SMTP):
    """A mail server that asks for a password, without a connection."""

    def __init__(self, *_: object, **__: object) -> None:
        self.esmtp_features = {"auth": "PLAIN LOGIN CRAM-MD5"}
        self.helo_resp = self.ehlo_resp = b"hello"
        self.sock = None

    def starttls(self, **_: object) -> None:
        """Nothing to encrypt."""

    def docmd(self, *_: object) -> tuple[int, bytes]:
        return 334, b"aGVsbG8="

    def quit(self) -> None:
        """Nothing to close."""

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


def failing(sensor: dg.SensorDefinition, context: dg.RunFailureSensorContext) -> str:
    try:
        sensor(context)
    except Exception:
        return serializable_error_info_from_exc_info(sys.exc_info()).to_string()
    raise AssertionError("it could be sent")
