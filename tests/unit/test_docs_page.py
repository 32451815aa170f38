"""The page of dbt's documentation: what is in it and what is not. That it works is tested in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.contract.policies import POLICIES
from orchestration.contract.tables import contract
from orchestration.refresh.steps import manifest
from orchestration.transform.docs_page import write_docs
from orchestration.transform.project import DOCS, ROOT
from orchestration.warehouse.publishing import relations


@pytest.fixture(scope="module")
def page() -> str:
    """As it was written when the project was parsed."""
    manifest()
    return DOCS.read_text(encoding="utf-8")


def data(page: str, name: str) -> dict[str, Any]:
    """What stands in the page instead of a file."""
    start = page.index(f'{name}:{{"') + len(name) + 1
    return json.JSONDecoder().raw_decode(page, start)[0]


def test_every_published_table_is_described_with_its_columns(page: str) -> None:
    nodes, catalog = data(page, "manifest")["nodes"], data(page, "catalog")["nodes"]
    found = {
        (node["schema"], node["alias"]): (node, catalog[name])
        for name, node in nodes.items()
        if node["resource_type"] == "model"
    }
    for relation in relations(manifest()):
        node, entry = found[relation.schema, relation.name]
        assert node["description"] == relation.description != ""
        assert {name: column["description"] for name, column in node["columns"].items()} == relation.columns
        assert [column["type"] for column in entry["columns"].values()] == [
            column["data_type"] for column in node["columns"].values()
        ]
        assert node["database"] == ("private" if relation.private else "churn")


def test_every_model_is_described_with_its_columns_and_its_sql(page: str) -> None:
    models = [node for node in data(page, "manifest")["nodes"].values() if node["resource_type"] == "model"]
    schemas = {"staging", "intermediate", "marts", "quality", "restricted", "history", "semantic"}
    assert {node["schema"] for node in models} == schemas
    for node in models:
        assert node["description"], node["name"]
        assert node["compiled_code"], node["name"]
        assert node["columns"], node["name"]
        assert [name for name, column in node["columns"].items() if not column["description"]] == [], node["name"]


def test_columns_are_described_by_keys_that_dbt_knows(page: str) -> None:
    """Else a description that is cut by a colon or a comma ends as a key of its own, and nobody is told."""
    known = {"name", "description", "data_type", "data_tests", "config", "meta", "granularity"}
    for file in (ROOT / "models").rglob("*.yml"):
        declared = yaml.safe_load(file.read_text(encoding="utf-8"))
        tables = [table for source in declared.get("sources", []) for table in source["tables"]]
        for model in declared.get("models", []) + tables:
            for column in model.get("columns", []):
                assert column.keys() <= known, f"{file.name}: {model['name']}.{column['name']}"


def test_staging_tables_have_the_columns_of_the_contract(page: str) -> None:
    nodes = data(page, "manifest")["nodes"]
    for table in contract().values():
        for layer in ("base", "stg"):
            columns = list(nodes[f"model.churn_warehouse.{layer}_{table.raw}"]["columns"])
            assert columns[: len(table.columns)] == list(table.columns)
            assert columns[len(table.columns) :][:4] == ["file", "row_number", "load_id", "delivery_number"]


def test_descriptions_end_with_the_policies_of_the_model(page: str) -> None:
    published = {relation.name: relation.description for relation in relations(manifest())}
    named = {
        node["name"]: node["config"]["meta"]["policies"]
        for node in data(page, "manifest")["nodes"].values()
        if "policies" in node["config"]["meta"]
    }
    assert len(named) > 20
    for model, policies in named.items():
        assert set(policies) <= set(POLICIES)
        assert published[model].endswith(f". Policies: {', '.join(policies)}.")


def test_it_knows_who_reads_and_what_is_measured(page: str) -> None:
    shown = data(page, "manifest")
    assert {entry["name"] for entry in shown["exposures"].values()} >= {"report", "workbook", "mailing_list"}
    assert (
        "semantic_model.churn_warehouse.customer_periods"
        in shown["child_map"]["model.churn_warehouse.customer_periods"]
    )
    assert "metric.churn_warehouse.churn_rate_monthly" in shown["metrics"]


def test_nothing_of_this_machine_is_in_it(page: str) -> None:
    assert str(ROOT) not in page
    assert not re.search(r'"user_id": (?!null)', page)


def test_no_text_can_end_its_script(tmp_path: Path) -> None:
    node = next(node for node in manifest()["nodes"].values() if node["alias"] == "churn_rates")
    hostile = "</script><script>alert(1)</script><!--"
    shown = {**manifest(), "nodes": {node["unique_id"]: {**node, "description": hostile}}}
    write_docs(shown, tmp_path / "docs" / "index.html")
    text = (tmp_path / "docs" / "index.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert data(text, "manifest")["nodes"][node["unique_id"]]["description"] == hostile
