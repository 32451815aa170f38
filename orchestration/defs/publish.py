"""Publishing: the asset that readers see."""

import dagster as dg

from orchestration.refresh import steps
from orchestration.warehouse import publishing


@dg.asset(
    key=["published", "churn"],
    group_name="published",
    deps=[
        dg.AssetKey([relation.schema, relation.name])
        for relation in publishing.relations(steps.manifest())
        if not relation.sql
    ],
    kinds={"duckdb", "parquet"},
    required_resource_keys={"refresh"},
)
def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """churn.duckdb, private.duckdb and the exports,
    written beside and renamed over the last version when every critical check passed."""
    refresh = context.resources.refresh
    counts = steps.publish(refresh)
    with refresh.explaining("headline"):
        numbers = refresh.headline.metadata()
    return dg.MaterializeResult(
        metadata={"refresh_id": refresh.id, "as_of": refresh.as_of.isoformat(), "rows": counts, **numbers}
    )
