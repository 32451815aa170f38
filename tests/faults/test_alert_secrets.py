"""Who may post alerts stays in the environment: the URLs of CHURN_ALERT_URLS are written nowhere."""

from __future__ import annotations

import logging
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
URLS = (
    "json://127.0.0.1:9/services/hook-s3cret?token=hook-s3cret",  # where nobody listens
    "mailtos://user-s3cret:pass-s3cret-ё@127.0.0.1:9?from=churn@example.org&to=a@example.org&mode=starttls",
)


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
        | {"CHURN_ALERT_URLS": " ".join(URLS), "PYTHONPATH": str(ROOT)}
        | {name: str(place / name) for name in ("HOME", "TMPDIR")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    return place, done.stdout + done.stderr


def test_a_failed_refresh_writes_no_secret(refused):
    place, said = refused
    assert "1 JSON, 2 E-Mail of CHURN_ALERT_URLS did not take the alert" in said
    assert traces(said, MARKS) == []
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {".db", ".duckdb"} <= {path.suffix for path in files}
    assert {str(path): found for path in files if (found := found_in(path, MARKS))} == {}


def test_an_alert_that_cannot_be_sent_tells_no_secret(refused, monkeypatch):
    """What a sensor raises is what Dagster keeps of it and shows in the UI; what is logged may be kept anywhere."""
    place, _ = refused
    monkeypatch.setenv("CHURN_ALERT_URLS", " ".join(URLS))
    monkeypatch.setenv("CHURN_EXTRACTS", str(place / "extracts"))
    monkeypatch.setenv("CHURN_WAREHOUSE", str(place / "warehouse"))
    logged = Logged()
    monkeypatch.setattr(logging.root, "handlers", [logged])
    monkeypatch.setattr(logging.root, "level", logging.DEBUG)
    with run_history(place / "warehouse" / "dagster") as instance:
        kept = [failing(instance)]
        monkeypatch.setattr(smtplib, "SMTP", Server)
        kept.append(failing(instance))
    assert traces("".join([*kept, *logged.lines]), MARKS) == []
    assert all("1 JSON, 2 E-Mail of CHURN_ALERT_URLS did not take the alert" in text for text in kept)
    assert Server.asked


class Logged(logging.Handler):
    """All that is logged."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Server(smtplib.SMTP):
    """A mail server that asks for a password, without a connection; smtplib fails to encode it."""

    asked = False

    def __init__(self, *_: object, **__: object) -> None:
        self.esmtp_features = {"auth": "PLAIN LOGIN CRAM-MD5"}
        self.helo_resp = self.ehlo_resp = b"hello"
        self.sock = None

    def starttls(self, **_: object) -> None:
        """Nothing to encrypt."""

    def docmd(self, *_: object) -> tuple[int, bytes]:
        Server.asked = True
        return 334, b"aGVsbG8="

    def quit(self) -> None:
        """Nothing to close."""


def failing(instance: dg.DagsterInstance) -> str:
    try:
        alerts()[0](dg.build_sensor_context(instance=instance))
    except Exception:
        return serializable_error_info_from_exc_info(sys.exc_info()).to_string()
    raise AssertionError("it could be sent")
