"""Telling people what they should look at, while Dagster's daemon runs. Off until the environment says whom to tell
(docs/alerts.md)."""

import os

import dagster as dg

from orchestration.defs import folder
from orchestration.readers.alerts import sending

INTERVAL = 300  # seconds


def alerts() -> list[dg.SensorDefinition]:
    """The sensor, running from the start, if there is anybody to tell."""
    return [tell] if os.environ.get(sending.VARIABLE) else []


@dg.sensor(name="alerts", minimum_interval_seconds=INTERVAL, default_status=dg.DefaultSensorStatus.RUNNING)
def tell() -> dg.SkipReason:
    """Tells each change once: a failed refresh, also one that was killed; stale extracts; numbers that are not
    plausible."""
    sent = sending.send_due(folder("CHURN_EXTRACTS"), folder("CHURN_WAREHOUSE"))
    return dg.SkipReason("; ".join(sent) or "Nothing has changed.")
