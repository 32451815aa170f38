"""The daily refresh, for companies whose systems deliver at night: at the hour and in the time zone of extracts.yml."""

import os
from pathlib import Path

import dagster as dg

from orchestration.contract.mapping import Mapping, unattended_mapping
from orchestration.defs.refresh import refresh_job


def daily() -> dg.ScheduleDefinition:
    """As extracts.yml says when the code location is loaded."""
    extracts = os.environ.get("CHURN_EXTRACTS")
    mapping = unattended_mapping(Path(extracts)) if extracts else Mapping()
    at = mapping.schedule
    return dg.ScheduleDefinition(
        name="daily",
        job=refresh_job,
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone=mapping.time_zone,
        description=(
            f"Every day at {at:%H:%M} in {mapping.time_zone}: schedule and time_zone of extracts.yml when this code"
            " location was loaded."
        ),
    )
