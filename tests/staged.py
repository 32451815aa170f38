"""Some of the models, built by dbt in this process: what a test needs that asks little of a refresh, in less time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from dbt.adapters.duckdb.connections import DuckDBConnectionManager

from orchestration.transform import project

if TYPE_CHECKING:
    from dbt.artifacts.schemas.results import NodeResult


def build(database: Path, models: Iterable[str], variables: Mapping[str, Any]) -> list[NodeResult]:
    """Build these models (dbt's names of nodes, +name for all that it reads) and seeds into `database`, a build.duckdb.
    Fails when a model does. Gives what dbt says of each."""
    arguments = ["build", "--select", *models, "--resource-type", "model", "seed", "--vars", json.dumps(variables)]
    arguments += ["--target-path", str(database.parent / "dbt"), "--no-write-json"]
    with mock.patch.dict(os.environ, {"CHURN_BUILD_DB": str(database)}):
        try:
            results = project._invoke(arguments, project.ROOT, project.load_manifest()).results
        finally:
            DuckDBConnectionManager.close_all_connections()
    failed = [f"{one.node.name}: {one.message}" for one in results if one.status != "success"]
    assert not failed, failed  # pytest looks into no module that holds no test
    return results
