"""The Dagster code location. Loading it reads the project's manifest and nothing else."""

import dagster as dg

from orchestration.defs.alerts import alerts
from orchestration.defs.extracts import extracts
from orchestration.defs.left_runs import left_runs
from orchestration.defs.publish import published
from orchestration.defs.quality import marts_gate, raw_gate
from orchestration.defs.refresh import refresh_job, refresh_resource
from orchestration.defs.schedule import daily
from orchestration.defs.sensor import new_extracts
from orchestration.defs.transform import marts, staging

defs = dg.Definitions(
    assets=[extracts, staging, marts, published],
    asset_checks=[raw_gate, marts_gate],
    jobs=[refresh_job],
    schedules=[daily()],
    sensors=[new_extracts, left_runs, *alerts()],
    resources={"refresh": refresh_resource},
    executor=dg.in_process_executor,
)
