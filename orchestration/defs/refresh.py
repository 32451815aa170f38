"""The jobs: everything from the extracts to the published file in one process, and the same after pulls."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from functools import cache

import dagster as dg

from orchestration.contract.pulls import FOLDER
from orchestration.defs import folder
from orchestration.defs.run_history import alive, fail_left_runs
from orchestration.engines import SETTINGS
from orchestration.errors import UserError
from orchestration.refresh.outcome import withheld
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import Refresh, explained, refreshing
from orchestration.warehouse.folder import Warehouse

refresh_job = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(FOLDER),
    description="Load, build, check and publish: all tables and checks of one run.",
    executor_def=dg.in_process_executor,
)
pull_and_refresh_job = dg.define_asset_job(
    "pull_and_refresh",
    selection=dg.AssetSelection.all(),
    description="Pull every source of extracts.yml, then refresh if all of them could be pulled.",
    executor_def=dg.in_process_executor,
)


@dg.resource(
    config_schema={
        "as_of": dg.Field(
            dg.Noneable(str),
            default_value=None,
            description="Last day that the extracts cover, YYYY-MM-DD; when empty, the newest day in the extracts, at"
            " most yesterday.",
        ),
        "policies": dg.Field([str], default_value=[], description="NAME=VALUE."),
        "full_refresh": dg.Field(bool, default_value=False, description="Rebuild everything after raw."),
    }
)
def refresh_resource(context: dg.InitResourceContext) -> Iterator[Callable[[], Refresh]]:
    """What begins a refresh that Dagster itself starts, when the first step needs it: pulls of the same run write what
    it reads. The command line brings its own. Which folders and servers it uses is said when the UI is started, never
    by a run: whoever reaches the UI could read and write anywhere otherwise."""
    config = context.resource_config
    extracts, warehouse = folder("CHURN_EXTRACTS"), folder("CHURN_WAREHOUSE")
    as_of = config["as_of"] and date.fromisoformat(config["as_of"])
    instance, run_id = context.instance, context.run_id
    assert instance and run_id  # Dagster gives them to every run
    with alive(instance, run_id), ExitStack() as stack:

        @cache
        def begin() -> Refresh:
            progress = Progress()
            try:
                refresh = stack.enter_context(
                    refreshing(
                        extracts,
                        warehouse,
                        progress,
                        as_of=as_of,
                        policies=config["policies"],
                        full_refresh=config["full_refresh"],
                        # whoever picks assets wants them made
                        anew=bool(context.dagster_run and context.dagster_run.asset_selection),
                        engine={name: os.environ.get(f"CHURN_{name.upper()}") for name in SETTINGS},
                        publish_to=os.environ.get("CHURN_PUBLISH_TO"),
                    )
                )
            except UserError as error:
                raise withheld(error, progress.outcome) from None
            except Exception as error:
                raise explained(error, "refresh", Warehouse(warehouse)) from None
            fail_left_runs(instance, run_id)
            refresh.retries = True
            return refresh

        yield begin
