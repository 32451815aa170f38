"""Failures are told by e-mail and webhook when the environment says to whom, and by nobody else."""

from __future__ import annotations

import json
import smtplib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from orchestration.defs.alerts import alerts
from orchestration.errors import UserError


@pytest.fixture
def failure():
    """The context of a sensor that looks at a failed run of the job `refresh`."""

    @dg.op
    def extracts():
        raise RuntimeError("billing.invoices: no such file")

    @dg.job(name="refresh")
    def refresh():
        extracts()

    with dg.DagsterInstance.ephemeral() as instance:
        result = refresh.execute_in_process(instance=instance, raise_on_error=False)
        [event] = [event for event in result.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE]
        context = dg.build_run_status_sensor_context("alert", event, instance, result.dagster_run)
        yield context.for_run_failure()


def test_off_by_default(monkeypatch):
    for name in ("CHURN_ALERT_EMAIL", "CHURN_ALERT_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    assert alerts() == []


def test_an_email_of_which_half_is_said_is_refused(monkeypatch):
    monkeypatch.setenv("CHURN_ALERT_EMAIL", "a@example.org")
    monkeypatch.setenv("CHURN_SMTP_HOST", "mail.example.org")
    with pytest.raises(UserError, match="set CHURN_SMTP_FROM, CHURN_SMTP_PASSWORD too"):
        alerts()


def test_a_webhook_hears_what_failed_and_why(monkeypatch, failure):
    heard = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(
                (self.headers["Content-Type"], json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setenv("CHURN_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
        [sensor] = alerts()
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        sensor(failure)
    [(kind, message)] = heard
    assert kind == "application/json"
    assert "The churn refresh failed" in message["text"]
    assert "extracts: " in message["text"]
    assert "billing.invoices: no such file" in message["text"]


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.org/s3cret",
        "file:///etc/s3cret",
        "https://user:s3cret@example.org/",
        "https://example.org:s3cret/",
        "https://example.org/a s3cret",
        "https://[s3cret/",
    ],
)
def test_a_url_that_cannot_be_called_is_refused_and_not_shown(monkeypatch, url):
    monkeypatch.setenv("CHURN_ALERT_WEBHOOK", url)
    with pytest.raises(UserError, match="CHURN_ALERT_WEBHOOK isn't a URL") as refusal:
        alerts()
    assert "s3cret" not in str(refusal.value)


def test_an_email_goes_to_everyone_named(monkeypatch, failure):
    sent = []

    class Server:
        def __init__(self, host, port, **_):
            self.place = (host, port)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def starttls(self, **_):
            pass

        def login(self, user, password):
            self.user = (user, password)

        def sendmail(self, sender, to, message):
            sent.append((self.place, self.user, sender, to, message))

    monkeypatch.setattr(smtplib, "SMTP", Server)
    for name, value in {
        "CHURN_ALERT_EMAIL": "a@example.org, b@example.org",
        "CHURN_SMTP_FROM": "churn@example.org",
        "CHURN_SMTP_HOST": "mail.example.org",
        "CHURN_SMTP_PORT": "2525",
        "CHURN_SMTP_PASSWORD": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    [sensor] = alerts()
    sensor(failure)
    [(place, user, sender, to, message)] = sent
    assert place == ("mail.example.org", 2525)
    assert user == ("churn@example.org", "secret")
    assert sender == "churn@example.org"
    assert to == ["a@example.org", "b@example.org"]
    assert "billing.invoices: no such file" in message
