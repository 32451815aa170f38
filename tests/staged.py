"""Some of the models, of SQL that dbt compiles and DuckDB runs without it: what a test needs that asks what the models
say, and not how a refresh builds them, in a third of the time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.transform import project
from orchestration.warehouse.quoting import quote

if TYPE_CHECKING:
    from dbt.contracts.graph.nodes import ManifestNode


def build(database: Path, models: Iterable[str], variables: Mapping[str, Any]) -> None:
    """Build these models and seeds (dbt's names, +name for all that it reads) into `database`, a build.duckdb."""
    with duckdb.connect(str(database)) as con:
        execute(con, compiled(models, variables))


def compiled(
    models: Iterable[str], variables: Mapping[str, Any], but: str = "resource_type:test"
) -> list[ManifestNode]:
    """The nodes with their SQL, each after what it reads; `but` is what dbt would exclude."""
    arguments = ["compile", "--select", *models, "--exclude", but, "--vars", json.dumps(variables, default=str)]
    arguments += ["--indirect-selection", "empty", "--no-introspect", "--no-populate-cache", "--no-write-json"]
    # a second thread would only wait for the first: nothing is asked of a database
    arguments += ["--threads", "1"]
    with TemporaryDirectory() as folder:
        outcome = project._invoke([*arguments, "--target-path", folder], project.ROOT, project.load_manifest())
    failed = [f"{one.node.name}: {one.message}" for one in outcome.results if one.status != "success"]
    assert not failed, failed  # pytest looks into no module that holds no test
    return [one.node for one in outcome.results if one.node.resource_type in ("model", "seed")]


def execute(con: duckdb.DuckDBPyConnection, nodes: Iterable[ManifestNode]) -> None:
    """Make the nodes' tables and views in the database of this name, and append to those that are kept."""
    for node in nodes:
        relation, kind = f"{node.schema}.{node.alias}", node.config.materialized
        con.execute(f"create schema if not exists {node.schema}")
        if kind == "incremental":  # its SQL is that of every refresh but the first: the table is there
            con.execute(f"insert into {relation} by name {_query(node)}")
        else:
            con.execute(f"create or replace {'view' if kind == 'view' else 'table'} {relation} as {_query(node)}")


def _query(node: ManifestNode) -> str:
    if node.resource_type == "model":
        return node.compiled_code
    types = json.dumps(node.config.column_types).replace('"', "'")
    return f"from read_csv({quote(project.ROOT / node.original_file_path)}, header = true, types = {types})"
