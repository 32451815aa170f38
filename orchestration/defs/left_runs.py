"""Finds the runs of commands that were killed while the UI is open: they would hold up the queue for ever."""

import dagster as dg
from dagster._core.storage.dagster_run import ACTIVE_RUN_STATUSES

from orchestration.defs import folder
from orchestration.defs.refresh import refresh_job
from orchestration.defs.run_history import fail_left_runs
from orchestration.errors import Busy
from orchestration.warehouse.folder import Warehouse


@dg.sensor(job=refresh_job, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def left_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Marks the run of a `churn refresh` that was killed as failed, within a minute."""
    if not context.instance.get_runs(dg.RunsFilter(statuses=ACTIVE_RUN_STATUSES), limit=1):
        return dg.SkipReason("No run is unfinished.")
    try:
        with Warehouse(folder("CHURN_WAREHOUSE")).locked():
            fail_left_runs(context.instance, of_commands=True)
    except Busy:
        return dg.SkipReason("A refresh is running.")
    return dg.SkipReason("Runs of commands that were killed are marked as failed.")
