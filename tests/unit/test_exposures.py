"""dbt's exposures name the models that their code reads, no more and no less:
its queries are recorded on empty tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration import ROOT
from orchestration.contract.mapping import AlertRules
from orchestration.readers.alerts.conditions import conditions, customers_lost
from orchestration.readers.mailing_list import write_mailing_list
from orchestration.readers.report.page import write_report
from orchestration.readers.workbook import write_workbook
from orchestration.refresh.steps import manifest
from orchestration.warehouse.folder import JOURNALS, Warehouse
from orchestration.warehouse.publishing import relations


def alert(folder: Path) -> None:
    """Look at a company that has lost everybody in the last of thirteen months, for a reason."""
    with duckdb.connect(str(folder / "churn.duckdb")) as con:
        for mart in ("churn_rates", "churn_reasons", "lost_revenue"):
            con.execute(f"create view marts.{mart}_monthly as from marts.{mart}")
        month = "date '2024-01-01' + to_months(range::integer)"
        con.execute(
            "insert into marts.churn_rates by name select 10 as customers_at_start, true as is_complete,"
            f" if(range = 12, 10, 0) as customers_lost, {month} as period_start, {month} as period_end from range(13)"
        )
        con.execute(
            "insert into marts.churn_reasons by name select 'other' as reason_code, 'Other' as reason,"
            " 10 as customers_lost, date '2025-01-01' as period_start"
        )
    found = conditions(Warehouse(folder), AlertRules(lost_sales_over=Decimal(0)), date(2025, 2, 3), None)
    assert [one.kind for one in found] == ["churn of 2025-01", "reason other of 2025-01"]
    with duckdb.connect(str(folder / "churn.duckdb")) as con:
        con.execute(customers_lost(date(2025, 1, 1), date(2025, 2, 1)))


READERS: dict[str, Callable[[Path], object]] = {
    "report": lambda folder: write_report(folder / "churn.duckdb", folder / "report", "EUR"),
    "alerts": alert,
    "workbook": lambda folder: write_workbook(folder, folder / "churn.xlsx"),
    "mailing_list": lambda folder: write_mailing_list(folder, "email", folder / "list.csv"),
}
TABLE = re.compile(r"\b(marts|quality|restricted|semantic)\.([a-z_]+?)(?:_monthly|_quarterly|_yearly)?\b")


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A published warehouse without a row, but for the refresh that it is of."""
    nodes = {
        (node["schema"], node["alias"]): node
        for node in manifest()["nodes"].values()
        if node["resource_type"] == "model"
    }
    for file, private in (("churn.duckdb", False), ("private.duckdb", True)):
        with duckdb.connect(str(tmp_path / file)) as con:
            for relation in relations(manifest()):
                if relation.private == private and not relation.sql:
                    columns = ", ".join(
                        f'"{column["name"]}" {column["data_type"]}'
                        for column in nodes[relation.schema, relation.name]["columns"].values()
                    )
                    con.execute(f"create schema if not exists {relation.schema}; create table {relation} ({columns})")
                    for column in relation.columns:
                        con.execute(f"comment on column {relation}.\"{column}\" is 'What it is.'")
            for journal in JOURNALS:
                journal.create(con)
            con.execute(
                "insert into quality.refresh_history values ('r1', now(), now(), date '2025-01-31', 'published',"
                " '{}', 'v', null)"
            )
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """The schemas and tables that the queries of this process name from here on."""
    found: set[tuple[str, str]] = set()
    connect = duckdb.connect

    class Recording:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.con = connect(*arguments, **options)

        def execute(self, sql: str, *parameters: Any) -> Any:
            found.update(TABLE.findall(sql))
            return self.con.execute(sql, *parameters)

        def __enter__(self) -> Recording:
            return self

        def __exit__(self, *failure: object) -> None:
            self.con.close()

    monkeypatch.setattr(duckdb, "connect", Recording)
    return found


def declared(exposure: str) -> set[tuple[str, str]]:
    [found] = [entry for entry in manifest()["exposures"].values() if entry["name"] == exposure]
    return {
        (manifest()["nodes"][node]["schema"], manifest()["nodes"][node]["alias"])
        for node in found["depends_on"]["nodes"]
    }


@pytest.mark.parametrize("exposure", READERS)
def test_an_exposure_names_what_its_code_reads(exposure: str, warehouse: Path, read: set[tuple[str, str]]) -> None:
    READERS[exposure](warehouse)
    journals = {("quality", journal.name) for journal in JOURNALS}
    assert declared(exposure) == read - journals


def test_the_superset_exposure_names_what_its_datasets_read() -> None:
    datasets = [
        yaml.safe_load(file.read_text(encoding="utf-8")) for file in (ROOT / "superset").rglob("datasets/*.yaml")
    ]
    sources = [dataset.get("sql") or f"{dataset['schema']}.{dataset['table_name']}" for dataset in datasets]
    assert declared("superset") == {table for source in sources for table in TABLE.findall(source)}


def test_every_exposure_is_tested_and_says_whose_it_is() -> None:
    exposures = manifest()["exposures"].values()
    assert {exposure["name"] for exposure in exposures} == {*READERS, "superset"}
    assert all(exposure["owner"]["name"] and exposure["description"] and exposure["label"] for exposure in exposures)
