"""Publishing: the asset that readers see."""

from datetime import timedelta

import dagster as dg

from orchestration.defs import OWNERS
from orchestration.defs.running import running
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
    owners=OWNERS,
    # of a daily refresh: it is late after an hour, and has failed to come when the next one is due
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=25), fail_window=timedelta(hours=48)),
    required_resource_keys={"refresh"},
)
def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """churn.duckdb, private.duckdb and the exports,
    written beside and renamed over the last version when every critical check passed."""
    with running(context) as refresh:
        counts = steps.publish(refresh)
        numbers = refresh.headline.metadata()
        return dg.MaterializeResult(
            metadata={"refresh_id": refresh.id, "as_of": refresh.day.isoformat(), "rows": counts, **numbers}
        )
