"""The daily refresh, for companies whose systems deliver at night."""

import dagster as dg

from orchestration.defs.refresh import refresh_job

daily = dg.ScheduleDefinition(
    name="daily",
    job=refresh_job,
    cron_schedule="0 5 * * *",
    description="Every morning at five, when the day before is over.",
)
