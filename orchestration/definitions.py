"""The Dagster code location. Loading it reads the project's manifest and extracts.yml, and nothing else."""

import os
from pathlib import Path

import dagster as dg

from orchestration.contract.mapping import Mapping, unattended_mapping
from orchestration.defs.alerts import alerts
from orchestration.defs.extracts import extracts
from orchestration.defs.left_runs import left_runs
from orchestration.defs.publish import published
from orchestration.defs.pulls import pulls
from orchestration.defs.quality import marts_gate, raw_gate
from orchestration.defs.refresh import pull_and_refresh_job, refresh_job, refresh_resource
from orchestration.defs.schedule import daily
from orchestration.defs.sensor import new_extracts
from orchestration.defs.transform import marts, staging


def code_location(mapping: Mapping) -> dg.Definitions:
    """What Dagster gets to know: where extracts.yml has sources to pull, they are pulled before the daily refresh."""
    job = pull_and_refresh_job if mapping.pulls else refresh_job
    return dg.Definitions(
        assets=[*pulls(mapping), extracts(mapping), staging, marts, published],
        asset_checks=[raw_gate, marts_gate],
        jobs=list({refresh_job.name: refresh_job, job.name: job}.values()),
        schedules=[daily(mapping, job)],
        sensors=[new_extracts, left_runs, *alerts()],
        resources={"refresh": refresh_resource},
        executor=dg.in_process_executor,
    )


_extracts = os.environ.get("CHURN_EXTRACTS")
defs = code_location(unattended_mapping(Path(_extracts)) if _extracts else Mapping())
