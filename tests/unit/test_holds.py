"""A failing test of the kind `holds` names the laws that are broken, each with a key, and counts rows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from orchestration import ROOT
from orchestration.engines import DuckDB
from orchestration.refresh import steps
from orchestration.transform import project
from orchestration.warehouse.folder import Warehouse

LAW = "customers_at_start = customers_kept + customers_lost"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SimpleNamespace]:
    """The compiled nodes of the tests, by name."""
    arguments = ["compile", "--select", "laws_of_churn_rates", "laws_of_unmapped_reasons", "--no-introspect"]
    arguments += ["--no-populate-cache", "--no-write-json", "--target-path", str(tmp_path_factory.mktemp("compiled"))]
    results = project._invoke(arguments, ROOT, project.load_manifest()).results
    return {result.node.name: result.node for result in results}


def failing(node: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(node=node, status="fail")


def test_each_broken_law_is_named_with_a_key_and_rows_are_counted(compiled, tmp_path: Path) -> None:
    node = compiled["laws_of_churn_rates"]
    with duckdb.connect(tmp_path / "build.duckdb") as con:
        con.execute(
            """
            create schema marts;
            create table marts.churn_rates as
            select 'month' as period_grain, period_start, 'all' as segment_type, 'all' as segment,
                9 as customers_at_start, 8 as customers_kept, lost as customers_lost, 0 as customers_new,
                0 as customers_returned, at_end as customers_at_end, 0 as customers_lost_voluntary,
                0 as customers_lost_involuntary, lost as customers_lost_unknown
            from (values
                (date '2024-01-01', 1, 8), (date '2024-02-01', 2, 8), (date '2024-03-01', 2, null)
            ) as periods (period_start, lost, at_end)
            """
        )
        assert steps.broken_laws(DuckDB(Warehouse(tmp_path)), con, failing(node)) == (
            f"{LAW} (for example month 2024-02-01 all all);"
            " customers_at_end = customers_kept + customers_new + customers_returned"
            " (for example month 2024-03-01 all all)"
        )
        assert con.execute(f"select {node.config.fail_calc} from ({node.compiled_code})").fetchone() == (2,)
        con.execute("delete from marts.churn_rates where customers_lost = 2")
        assert con.execute(f"select {node.config.fail_calc} from ({node.compiled_code})").fetchone() == (0,)
        assert steps.broken_laws(DuckDB(Warehouse(tmp_path)), con, SimpleNamespace(node=node, status="pass")) == ""


def test_no_key_of_a_table_with_personal_data_is_named(compiled, tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "build.duckdb") as con:
        con.execute(
            "create schema restricted; create table restricted.unmapped_reasons as"
            " select 'Marked Person' as normalised, 0 as count, 0.5 as similarity"
        )
        assert (
            steps.broken_laws(DuckDB(Warehouse(tmp_path)), con, failing(compiled["laws_of_unmapped_reasons"]))
            == "count > 0"
        )
