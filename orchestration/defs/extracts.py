"""The extracts: an asset per contract table and for the registry of loads, made together whichever are asked for,
because a load is all or nothing. They depend on whatever is pulled."""

from collections.abc import Iterator

import dagster as dg

from orchestration.contract.mapping import Mapping
from orchestration.contract.pulls import FOLDER
from orchestration.defs import OWNERS
from orchestration.defs.running import running
from orchestration.refresh import steps

TABLES = {
    dg.AssetKey([source["schema"], source["identifier"]]): source
    for source in steps.manifest()["sources"].values()
    if source["source_name"] == "raw"
}


def extracts(mapping: Mapping) -> dg.AssetsDefinition:
    """The tables of the contract, after what extracts.yml has pulled."""

    @dg.multi_asset(
        name="extracts",
        specs=[
            # skippable: where there is nothing new it makes nothing, and Dagster skips whatever depends on it
            dg.AssetSpec(
                key,
                deps=[dg.AssetKey([FOLDER, pull.name]) for pull in mapping.pulls],
                group_name="raw",
                description=source["description"],
                kinds={"duckdb"},
                owners=OWNERS,
                skippable=True,
            )
            for key, source in TABLES.items()
        ],
        can_subset=True,
        required_resource_keys={"refresh"},
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        """Finds new contents, reads them through the mapping and keeps them as delivered."""
        with running(context) as refresh:
            if refresh.unchanged:
                for message in (
                    f"There is {refresh.unchanged}; readers keep that version.",
                    *refresh.unchanged.warnings,
                ):
                    context.log.info(message)
                return
            steps.load(refresh)
            with refresh.warehouse.connect() as con:
                counts = steps.row_counts(con)
            for key in context.selected_asset_keys:
                table = ".".join(key.path)
                # A contract table is a view on the rows of all its loads.
                rows = counts.get(f"{table}_rows", counts.get(table))
                yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows})

    return load
