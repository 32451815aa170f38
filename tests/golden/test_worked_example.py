"""The worked example of the definitions, from its extract to the published marts by the command that people run; and,
on the warehouse that it leaves, the dbt unit tests, the worked examples of every mart: dbt can only fake their inputs
where the real tables exist."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.marts import described, yamls

ROOT = Path(__file__).resolve().parents[2]
CHURN = Path(sys.executable).with_name("churn")
DBT = Path(sys.executable).with_name("dbt")

SUBSCRIPTIONS = """subscription_id,customer_id,started_on,ended_on,unit_price,currency
a,A,2023-12-15,,10,EUR
b,B,2024-01-01,2024-03-01,20,EUR
c,C,2024-01-10,2024-02-10,30,EUR
c,C,2024-04-05,,30,EUR
d,D,2024-02-05,2024-02-20,40,EUR
e,E,2023-11-20,2024-02-15,50,EUR
e,E,2024-02-15,,80,EUR
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worked_example")
    (folder / "billing").mkdir()
    (folder / "billing" / "subscriptions.csv").write_text(SUBSCRIPTIONS, encoding="utf-8")
    arguments = ["--extracts", folder, "--warehouse", folder / "warehouse", "--as-of", "2024-04-30"]
    done = subprocess.run([CHURN, "refresh", *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "warehouse"


def rows(warehouse: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def test_customers_of_each_month(warehouse: Path) -> None:
    assert rows(
        warehouse,
        """
        select period_start, customers_at_start, customers_lost, customers_kept, customers_new, customers_returned,
            customers_passed_through, customers_at_end, round(churn_rate, 4)
        from marts.churn_rates_monthly where period_start >= '2024-01-01' order by period_start
        """,
    ) == [
        (date(2024, 1, 1), 2, 0, 2, 2, 0, 0, 4, 0),
        (date(2024, 2, 1), 4, 1, 3, 0, 0, 1, 3, 0.25),
        (date(2024, 3, 1), 3, 1, 2, 0, 0, 0, 2, 0.3333),
        (date(2024, 4, 1), 2, 0, 2, 0, 1, 0, 3, 0),
    ]


def test_mrr_of_each_month(warehouse: Path) -> None:
    assert rows(
        warehouse,
        """
        select mrr_at_start, mrr_new, mrr_reactivated, mrr_expanded, mrr_churned, mrr_at_end
        from marts.revenue_retention_monthly where period_start >= '2024-01-01' order by period_start
        """,
    ) == [(60, 50, 0, 0, 0, 110), (110, 0, 0, 30, 30, 110), (110, 0, 0, 0, 20, 90), (90, 0, 30, 0, 0, 120)]


def test_the_first_quarter(warehouse: Path) -> None:
    assert rows(
        warehouse,
        """
        select customers_at_start, customers_lost, customers_new, customers_passed_through, customers_at_end
        from marts.churn_rates_quarterly where period_start = '2024-01-01'
        """,
    ) == [(2, 0, 0, 3, 2)]


@pytest.mark.parametrize(
    ("cohort", "size", "active", "at_close"),
    [("2024-01-01", 2, [2, 2, 0, 1], [2, 1, 0, 1]), ("2024-02-01", 1, [1, 0, 0], [0, 0, 0])],
)
def test_cohorts(warehouse: Path, cohort: str, size: int, active: list[int], at_close: list[int]) -> None:
    found = rows(
        warehouse,
        "select cohort_size, customers_active, customers_at_close from marts.cohort_retention_monthly"
        f" where cohort_start = '{cohort}' order by age",
    )
    assert found == [(size, *cell) for cell in zip(active, at_close, strict=True)]


def test_every_mart_has_an_example_that_a_reader_can_follow() -> None:
    """A dbt unit test of the mart itself, whose description walks through its numbers;
    pseudonyms are hashes of the loader's."""
    explained = {test["model"] for text in yamls() for test in text.get("unit_tests", []) if test.get("description")}
    assert set(described()) - explained == {"pseudonyms"}


def test_dbt_unit_tests_pass(warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_BUILD_DB", str(warehouse / "build.duckdb"))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path))
    project = ["--project-dir", ROOT, "--profiles-dir", ROOT, "--vars", "{as_of: '2024-04-30'}"]
    done = subprocess.run(
        [DBT, "test", "--select", "test_type:unit", *project], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout
    assert "unit test" in done.stdout, "no unit test ran"
