"""The refresh job: everything from the extracts to the published file, in one process."""

import os
from collections.abc import Iterator
from datetime import date

import dagster as dg

from orchestration.defs import folder
from orchestration.defs.run_history import fail_left_runs
from orchestration.engines import SETTINGS
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import Refresh, refreshing

refresh_job = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Load, build, check and publish: all tables and checks of one run.",
    executor_def=dg.in_process_executor,
)


@dg.resource(
    config_schema={
        "as_of": dg.Field(
            dg.Noneable(str), default_value=None, description="Last day of the data, YYYY-MM-DD; yesterday when empty."
        ),
        "policies": dg.Field([str], default_value=[], description="NAME=VALUE."),
        "full_refresh": dg.Field(bool, default_value=False, description="Rebuild everything after raw."),
    }
)
def refresh_resource(context: dg.InitResourceContext) -> Iterator[Refresh]:
    """A refresh that Dagster itself starts; the command line brings its own. Which folders and servers it uses is
    said when the UI is started, never by a run: whoever reaches the UI could read and write anywhere otherwise."""
    config = context.resource_config
    with refreshing(
        folder("CHURN_EXTRACTS"),
        folder("CHURN_WAREHOUSE"),
        Progress(),
        as_of=config["as_of"] and date.fromisoformat(config["as_of"]),
        policies=config["policies"],
        full_refresh=config["full_refresh"],
        anew=bool(context.dagster_run and context.dagster_run.asset_selection),  # whoever picks assets wants them made
        engine={name: os.environ.get(f"CHURN_{name.upper()}") for name in SETTINGS},
        publish_to=os.environ.get("CHURN_PUBLISH_TO"),
    ) as refresh:
        assert context.instance  # Dagster gives one to every run
        fail_left_runs(context.instance, context.run_id)
        refresh.retries = True
        yield refresh
