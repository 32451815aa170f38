"""dbt's documentation as one page that needs no server and no network: every table and column, its SQL,
and who reads it.

The page is made when the project is parsed; publishing only copies it. Types are those that the models' contracts
enforce, so no database is asked, and nothing that a refresh read is in it.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The file in which a reader finds a schema; the others are the writer's.
_FILES = {"marts": "churn", "quality": "churn", "semantic": "churn", "restricted": "private"}
# What dbt's page has a browser ask for before the page can say what it means, and an icon that its build left out.
_NOT_ASKED = {'xlink:href="{{': 'ng-attr-href="{{', "${require('./assets/favicons/favicon.ico')}": "data:,"}
_OF_THIS_MACHINE = ("root_path", "compiled_path")
# A line of a staging table's last select that ends in the name of a column.
_SELECTED = re.compile(r'^    (?:.* as |judged_rows\.)?"?(?!case$)(\w+)"?,?$', re.MULTILINE)


def write_docs(manifest: Mapping[str, Any], page: Path) -> None:
    """Write the page of a dbt manifest."""
    # where dbt lies, without the second that its import takes
    task = importlib.util.find_spec("dbt.task")
    assert task and task.origin
    template = Path(task.origin).parent / "docs" / "index.html"
    shown = _shown(manifest)
    text = template.read_text(encoding="utf-8")
    for asked, instead in _NOT_ASKED.items():
        text = text.replace(asked, instead)
    for name, content in (("MANIFEST", shown), ("CATALOG", _catalog(shown))):
        # nothing in a text may end the script that holds it
        text = text.replace(f'"{name}.JSON INLINE DATA"', json.dumps(content).replace("<", "\\u003c"))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def _shown(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as readers see the warehouse: in the files that they open,
    without this machine's paths and dbt's own macros."""
    project = manifest["metadata"]["project_name"]
    nodes = {
        name: {field: value for field, value in node.items() if field not in _OF_THIS_MACHINE}
        for name, node in manifest["nodes"].items()
    }
    for node in nodes.values():
        node["database"] = _FILES.get(node["schema"], "build")
        if node.get("relation_name"):
            node["relation_name"] = f"{node['database']}.{node['schema']}.{node['alias']}"
        if node["resource_type"] == "model" and node["schema"] == "staging":
            node["columns"] = _staging_columns(manifest, node)
    macros = {name: macro for name, macro in manifest["macros"].items() if macro["package_name"] == project}
    return {**manifest, "nodes": nodes, "macros": macros}


def _staging_columns(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The columns of a base_ or stg_ table in the order of its SQL, described by the extract contract or, where the
    staging adds them, by models/staging/delivery_columns.md. Their type is the contract's."""
    project, table = node["package_name"], node["name"].split("_", 1)[1]
    contract = manifest["sources"][f"source.{project}.raw.{table}"]["columns"]
    columns = {}
    for name in _SELECTED.findall(node["compiled_code"].rpartition("select\n")[2].partition("\nfrom ")[0]):
        if name in contract:
            columns[name] = contract[name] | {"data_type": contract[name]["config"]["meta"]["type"]}
        else:
            text = manifest["docs"][f"doc.{project}.staging__{name}"]["block_contents"]
            columns[name] = {"name": name, "description": text, "data_type": None, "meta": {}, "tags": []}
    return columns


def _catalog(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What dbt would ask the database for: kind and declared types of every table and view."""

    def entry(node: Mapping[str, Any]) -> dict[str, Any]:
        kind = "VIEW" if node.get("config", {}).get("materialized") == "view" else "BASE TABLE"
        columns = {
            name: {"name": name, "index": number, "type": column.get("data_type") or "", "comment": None}
            for number, (name, column) in enumerate(node["columns"].items(), start=1)
        }
        place = {
            "database": node["database"],
            "schema": node["schema"],
            "name": node.get("alias") or node["identifier"],
        }
        return {
            "unique_id": node["unique_id"],
            "metadata": {**place, "type": kind, "owner": None, "comment": None},
            "columns": columns,
            "stats": {},
        }

    tables = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] in ("model", "seed")}
    return {
        "metadata": {},
        "nodes": {name: entry(node) for name, node in tables.items()},
        "sources": {name: entry(source) for name, source in manifest["sources"].items()},
        "errors": None,
    }
