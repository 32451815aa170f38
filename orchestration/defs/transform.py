"""The dbt project: every seed and model an asset, every data test an asset check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from orchestration import steps
from orchestration.dbt_project import RAW_MODELS


class Translator(DagsterDbtTranslator):
    """Asset key = schema.table, group = schema."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props.get("alias") or dbt_resource_props["identifier"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props["schema"]


_TRANSLATOR = Translator()
_SHARED = {"manifest": steps.manifest(), "dagster_dbt_translator": _TRANSLATOR, "required_resource_keys": {"refresh"}}


@dbt_assets(name="staging", select=RAW_MODELS, **_SHARED)
def staging(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Casts, deduplicates and quarantines, and looks for what a person must mend before anything else is built."""
    yield from _build(context, "raw")


@dbt_assets(name="marts", exclude=RAW_MODELS, **_SHARED)
def marts(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Builds the interval facts and the marts on them."""
    yield from _build(context, "marts")


def _build(context: dg.AssetExecutionContext, gate: str) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    refresh = context.resources.refresh
    results = steps.build(refresh, gate)
    counts = steps.row_counts(refresh)
    for result in results:
        node = steps.manifest()["nodes"][result.node.unique_id]
        if node["resource_type"] == "test":
            key = get_asset_check_key_for_test(steps.manifest(), _TRANSLATOR, result.node.unique_id, project=None)
            if key in context.selected_asset_check_keys:
                yield dg.AssetCheckResult(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=result.status == "pass",
                    severity=dg.AssetCheckSeverity.WARN if result.status == "warn" else dg.AssetCheckSeverity.ERROR,
                    metadata={"failed": result.failures or 0},
                )
        elif result.status == "success":
            key = _TRANSLATOR.get_asset_key(node)
            rows = counts.get(".".join(key.path))
            yield dg.MaterializeResult(
                asset_key=key, metadata={"seconds": result.execution_time} | ({} if rows is None else {"dagster/row_count": rows})
            )
    steps.refuse_failed(refresh)
