"""The daily refresh, for companies whose systems deliver at night: at the hour and in the time zone of extracts.yml."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.contract.mapping import Mapping


def daily(mapping: Mapping, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """As extracts.yml says when the code location is loaded."""
    at = mapping.schedule
    pulls = f"Pulls {', '.join(pull.name for pull in mapping.pulls)}, then refreshes. " if mapping.pulls else ""
    return dg.ScheduleDefinition(
        name="daily",
        job=job,
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone=mapping.time_zone,
        description=(
            f"{pulls}Every day at {at:%H:%M} in {mapping.time_zone}: schedule and time_zone of extracts.yml when this"
            " code location was loaded."
        ),
    )
