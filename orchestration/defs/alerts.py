"""Telling people that a refresh failed, by e-mail or webhook.
Off until the environment says whom to tell (docs/operate.md)."""

import html
import json
import os
import re
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import dagster as dg
from dagster._utils.error import SerializableErrorInfo

from orchestration.defs.refresh import refresh_job
from orchestration.errors import EnvironmentFailure, UserError

TIMEOUT = 30  # seconds


def alerts() -> list[dg.SensorDefinition]:
    """The sensors that the environment asks for, running from the start; none by default."""
    return [*_email(), *_webhook()]


def _email() -> list[dg.SensorDefinition]:
    if not (to := os.environ.get("CHURN_ALERT_EMAIL")):
        return []
    required = ("CHURN_SMTP_HOST", "CHURN_SMTP_FROM", "CHURN_SMTP_PASSWORD")
    if missing := [name for name in required if not os.environ.get(name)]:
        raise UserError(
            f"CHURN_ALERT_EMAIL asks for e-mail when a refresh fails: set {', '.join(missing)} too,"
            " or unset it (docs/operate.md)."
        )
    port = os.environ.get("CHURN_SMTP_PORT")
    return [
        dg.make_email_on_run_failure_sensor(
            name="email_on_failure",
            email_from=os.environ["CHURN_SMTP_FROM"],
            email_to=[address.strip() for address in to.split(",")],
            email_subject_fn=lambda _: "The churn refresh failed",
            email_body_fn=lambda context: f"<pre>{html.escape(told(context))}</pre>",
            smtp_host=os.environ["CHURN_SMTP_HOST"],
            smtp_port=int(port) if port else None,
            smtp_type=os.environ.get("CHURN_SMTP_TYPE", "STARTTLS"),
            smtp_user=os.environ.get("CHURN_SMTP_USER", os.environ["CHURN_SMTP_FROM"]),
            email_password=os.environ["CHURN_SMTP_PASSWORD"],
            monitored_jobs=[refresh_job],
            default_status=dg.DefaultSensorStatus.RUNNING,
        )
    ]


def _webhook() -> list[dg.SensorDefinition]:
    if not (url := os.environ.get("CHURN_ALERT_WEBHOOK")):
        return []
    if not _can_be_called(url):
        raise UserError(
            "CHURN_ALERT_WEBHOOK isn't a URL of the form https://host/path (without user, password or blanks):"
            " correct it, or unset it (docs/operate.md). It isn't shown here, because who knows it can post."
        )

    @dg.run_failure_sensor(
        name="webhook_on_failure", monitored_jobs=[refresh_job], default_status=dg.DefaultSensorStatus.RUNNING
    )
    def webhook_on_failure(context: dg.RunFailureSensorContext) -> None:
        """Posts {"text": …}, which Slack, Mattermost and Teams take as a message."""
        body = json.dumps({"text": told(context)}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                pass
        except Exception as error:
            # Dagster keeps what a sensor raises, and some of these errors quote the URL, which is a secret.
            answer = f"status {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
            raise EnvironmentFailure(f"The webhook of CHURN_ALERT_WEBHOOK did not take the alert ({answer}).") from None

    return [webhook_on_failure]


def _can_be_called(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and parts.scheme in ("http", "https") and "@" not in parts.netloc and not re.search(r"\s", url)


def told(context: dg.RunFailureSensorContext) -> str:
    """What failed and why; no personal data, for Dagster's events hold none."""
    failed = [
        f"{event.step_key}: {_reason(event.step_failure_data.error)}"
        for event in context.get_step_failure_events()
        if event.step_failure_data.error
    ]
    return "\n".join(
        [
            "The churn refresh failed.",
            *(failed or [context.failure_event.message or ""]),
            f"Run {context.dagster_run.run_id}",
        ]
    )


def _reason(error: SerializableErrorInfo) -> str:
    """The message of what was raised, without the name of its class."""
    message = (error.cause or error).message.strip()
    return message.partition(": ")[2] or message
