"""The sources of `pull:` in extracts.yml: an asset each, upstream of `raw`, which does what `churn pull` does."""

import dagster as dg

from orchestration.contract.mapping import Mapping, load_mapping
from orchestration.contract.pulls import FOLDER, KINDS, Pull
from orchestration.defs import OWNERS, folder
from orchestration.defs.running import is_last_try, step
from orchestration.errors import Busy, ChurnError, EnvironmentFailure, UserError
from orchestration.pulling import Pulled, pull_source, sources_to_pull
from orchestration.refresh.outcome import withheld
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import explained, noting_what_forbids_it
from orchestration.warehouse.folder import Warehouse, now


def pulls(mapping: Mapping) -> list[dg.AssetsDefinition]:
    """An asset per source that extracts.yml declares when the code location is loaded."""
    return [_asset(pull) for pull in mapping.pulls]


def _asset(pull: Pull) -> dg.AssetsDefinition:
    @dg.asset(
        key=[FOLDER, pull.name],
        group_name=FOLDER,
        kinds={"dlt", pull.kind} & {"dlt", *KINDS},
        owners=OWNERS,
        required_resource_keys={"refresh"},  # which begins none, but shows that the run is alive
        description=(
            f"What {pull.name} holds on the day of the run, as files in {FOLDER}/{pull.name}/ of the extracts folder. A"
            " pull that fails leaves nothing there. The run goes on to raw only when all of its pulls have succeeded."
        ),
    )
    def pulled(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        def may_retry(failure: ChurnError) -> bool:
            return isinstance(failure, EnvironmentFailure | Busy)

        with step(context, may_retry):
            done = _pull(context, pull.name)
        return dg.MaterializeResult(
            metadata={
                "day": done.folder.name,
                "pulled": dg.MetadataValue.json(done.counts),
                "seconds": round(done.seconds, 1),
            }
        )

    return pulled


def _pull(context: dg.AssetExecutionContext, name: str) -> Pulled:
    """Pull the source as extracts.yml declares it now. A failure is one of the refresh that was to follow, in
    refresh.json and for alerts; the ChurnError that it leaves as quotes nothing of the extracts."""
    extracts, warehouse = folder("CHURN_EXTRACTS"), Warehouse(folder("CHURN_WAREHOUSE"))
    kinds = (UserError, EnvironmentFailure) if is_last_try(context) else (UserError,)
    progress = Progress(quiet=True)
    try:
        with noting_what_forbids_it(warehouse.folder, now(), progress, kinds):
            try:
                mapping = load_mapping(extracts)
                [source] = sources_to_pull(mapping, [name])
                return pull_source(extracts, mapping, source, context.log.info)
            except Exception as error:
                raise explained(error, f"pull {name}", warehouse) from None
    except UserError as error:
        raise withheld(error, progress.outcome, f"pull {name}") from None
