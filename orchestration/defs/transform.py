"""The dbt project: every seed and model an asset, every data test an asset check."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from expectations import Gate
from orchestration.defs import OWNERS
from orchestration.defs.glimpse import glimpse
from orchestration.defs.running import running
from orchestration.refresh import steps
from orchestration.refresh.session import Refresh
from orchestration.transform.project import NOT_MARTS, RAW_MODELS

if TYPE_CHECKING:
    from dbt.artifacts.schemas.results import NodeResult


def demand(test: Mapping[str, Any]) -> str:
    """What a data test of the project demands, as a sentence: what its kind says, or the comments of its SQL;
    where there is neither, its description, else its name."""
    if kind := test.get("test_metadata"):
        match kind["name"], kind["kwargs"]:
            case "holds", {"laws": laws}:
                return "In every row: " + "; ".join(laws) + "."
            case "unique_combination", _:
                return "No two rows share their key, and no part of it is empty."
            case "accepted_values", {"column_name": column, "values": values}:
                return f"{column} is one of {', '.join(map(str, values))}."
            case "relationships", {"column_name": column, "to": to}:
                return f"Every {column} is one of {to}."
    else:
        lines = test["raw_code"].splitlines()
        if comment := " ".join(line.removeprefix("--").strip() for line in lines if line.startswith("--")):
            return comment
    return test.get("description") or f"The test {test['name']} finds no row."


class Translator(DagsterDbtTranslator):
    """Asset key = schema.table, group = schema."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey(
            [dbt_resource_props["schema"], dbt_resource_props.get("alias") or dbt_resource_props["identifier"]]
        )

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props["schema"]

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the YAML says; dagster-dbt would append the SQL, which the documentation page has."""
        return dbt_resource_props["description"]

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return OWNERS

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and spec._replace(description=demand(manifest["nodes"][unique_id]))


_TRANSLATOR = Translator()
_SHARED: dict[str, Any] = {
    "manifest": steps.manifest(),
    "dagster_dbt_translator": _TRANSLATOR,
    "required_resource_keys": {"refresh"},
}


@dbt_assets(name="staging", select=RAW_MODELS, **_SHARED)
def staging(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Casts, deduplicates and quarantines, and looks for what a person must correct before anything else is built."""
    yield from _build(context, "raw")


@dbt_assets(name="marts", exclude=NOT_MARTS, **_SHARED)
def marts(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Builds the interval facts and the marts on them."""
    yield from _build(context, "marts")


def _build(context: dg.AssetExecutionContext, gate: Gate) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    with running(context) as refresh:
        results = _results(context, refresh, gate)
        with refresh.warehouse.connect() as con:
            counts = steps.row_counts(con)
            for result in results:
                node = steps.manifest()["nodes"][result.node.unique_id]
                if node["resource_type"] == "test":
                    key = get_asset_check_key_for_test(
                        steps.manifest(), _TRANSLATOR, result.node.unique_id, project=None
                    )
                    if key and key in context.selected_asset_check_keys:
                        yield _checked(key, result, refresh.found.get(steps.test_key(result)))
                elif result.status == "success":
                    asset = _TRANSLATOR.get_asset_key(node)
                    if asset in context.selected_asset_keys:
                        schema, table = asset.path
                        metadata = _seen(con, schema, table, counts, result.execution_time)
                        yield dg.MaterializeResult(asset_key=asset, metadata=metadata)
        steps.refuse_failed(refresh)


def _results(context: dg.AssetExecutionContext, refresh: Refresh, gate: Gate) -> "list[NodeResult]":
    """What came of the gate's models, or of those of them that were asked for."""
    if gate == "raw":  # a matter of seconds, and what stops a refresh is found there
        steps.need_loaded(refresh)
        return steps.build(refresh, gate)
    steps.need_staged(refresh)
    if not context.is_subset:
        return steps.build(refresh, gate)
    asked = {key.asset_key for key in context.selected_asset_check_keys} | context.selected_asset_keys
    return steps.build_tables(refresh, {".".join(key.path) for key in asked})


def _checked(key: dg.AssetCheckKey, result: "NodeResult", found: str | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.status == "pass",
        severity=dg.AssetCheckSeverity.WARN if result.status == "warn" else dg.AssetCheckSeverity.ERROR,
        description="Passed."
        if result.status == "pass"
        else f"{result.failures or 0} rows break it{f': {found}' if found else ''}."
        if result.failures
        else "Could not be evaluated.",
        metadata={"failed": result.failures or 0},
    )


def _seen(
    con: duckdb.DuckDBPyConnection, schema: str, table: str, counts: Mapping[str, int], seconds: float
) -> dict[str, Any]:
    """What the web UI shows of a table that was built."""
    metadata: dict[str, Any] = {"seconds": seconds}
    if (rows := counts.get(f"{schema}.{table}")) is not None:
        metadata["dagster/row_count"] = rows
    if schema == "marts" and (table_of_numbers := glimpse(con, schema, table)):
        metadata["glimpse"] = dg.MetadataValue.md(table_of_numbers)
    return metadata
