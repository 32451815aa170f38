"""MetricFlow says what SQL on the marts says: each metric, each grain, the company and every segment,
and groups of them.

Its fiscal year starts in February, customers return within a quarter and a year, and some invoices are credited.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration import ROOT
from orchestration.transform.project import TARGET, prepare_manifest
from tests.churn import churn

AS_OF = date(2025, 11, 20)
GRAINS = {"monthly": "month", "quarterly": "quarter", "yearly": "year"}
SEGMENTS = ["country", "acquisition_channel", "customer_segment", "first_plan"]
# Each metric as a quotient of sums over rows of the marts; lost sales are a product and a quotient.
RATIOS = {
    "churn_rate": "sum(customers_lost) / nullif(sum(customers_at_start), 0)",
    "voluntary_churn_rate": "sum(customers_lost_voluntary) / nullif(sum(customers_at_start), 0)",
    "involuntary_churn_rate": "sum(customers_lost_involuntary) / nullif(sum(customers_at_start), 0)",
    "customer_retention_rate": "sum(customers_kept) / nullif(sum(customers_at_start), 0)",
    "mrr_churn_rate": "sum(mrr_churned)::double / nullif(sum(mrr_at_start), 0)",
    "gross_revenue_retention": (
        "sum(mrr_at_start - mrr_churned - mrr_contracted)::double / nullif(sum(mrr_at_start), 0)"
    ),
    "net_revenue_retention": (
        "sum(mrr_at_start - mrr_churned - mrr_contracted + mrr_expanded)::double / nullif(sum(mrr_at_start), 0)"
    ),
    "average_sales_per_customer": "sum(sales_of_customers_at_start)::double / nullif(sum(customers_at_start), 0)",
    "lost_sales": "sum(customers_lost) * sum(sales_of_customers_at_start)::double / nullif(sum(customers_at_start), 0)",
}
KEYS = "period_grain, period_start, is_complete, segment_type, segment"
MARTS = f"""(
    select {KEYS}, customers_at_start, customers_lost, customers_lost_voluntary, customers_lost_involuntary,
        customers_kept,
        mrr_at_start, mrr_churned, mrr_contracted, mrr_expanded, sales_of_customers_at_start
    from marts.churn_rates join marts.revenue_retention using ({KEYS})
    join (select {KEYS}, sales_of_customers_at_start from marts.lost_revenue) using ({KEYS})
)"""
# The rates and amounts as the marts themselves have them, rounded where they are.
COLUMNS = {
    "churn_rate": ("churn_rates", "churn_rate", 1e-12),
    "customer_retention_rate": ("churn_rates", "retention_rate", 1e-12),
    "gross_revenue_retention": ("revenue_retention", "gross_revenue_retention", 1e-12),
    "net_revenue_retention": ("revenue_retention", "net_revenue_retention", 1e-12),
    "average_sales_per_customer": ("lost_revenue", "average_sales_per_customer", 0.0050001),
    "lost_sales": ("lost_revenue", "lost_sales", 0.0050001),
}

Ask = Callable[..., dict[tuple, tuple]]


def write_company(folder: Path) -> None:
    """160 subscribers by arithmetic: they leave, return within the quarter or later, grow and shrink, pay,
    and are credited."""
    cards, rows, notes, invoices = [], [], [], []
    for n in range(160):
        customer, started = f"c{n}", date(2023, 10, 1) + timedelta(days=4 * n)
        cards.append(
            [customer, ("BG", "PH", "")[n % 3], ("small", "large")[n % 2], ("ads", "friend", "shop", "")[n % 4]]
        )
        stays = (20, 75, 160, 330, 2000)[n % 5]
        lives = [(started, stays)] + (
            [(started + timedelta(days=stays + (9, 40, 150)[n % 3]), (15, 2000)[n % 2])] if n % 4 == 0 else []
        )
        for part, (begins, days) in enumerate(lives):
            ends = begins + timedelta(days=days)
            rows.append([f"s{n}-{part}", customer, f"p{n % 2}", begins, ends if ends <= AS_OF else "", 10 + n % 30])
            if n % 6 == 1:  # another price from the second month on
                rows[-1][4] = min(ends, begins + timedelta(days=40))
                if days > 40:
                    rows.append(
                        [
                            f"t{n}-{part}",
                            customer,
                            "p1",
                            begins + timedelta(days=40),
                            ends if ends <= AS_OF else "",
                            7 + n % 20,
                        ]
                    )
            if ends <= AS_OF and n % 3:
                notes.append([f"d{n}-{part}", customer, ends, ("high price", "moved away", "competitor")[n % 7 % 3]])
            day = begins
            while day < min(ends, AS_OF):
                invoices.append([f"i{n}-{day:%y%m%d}", customer, day, 10 + n % 30])
                if day.day % 9 == 0:
                    invoices.append([f"r{n}-{day:%y%m%d}", customer, day, -3.33])
                day += timedelta(days=28)
    tables = {
        "crm/customers": (["customer_id", "country", "segment", "acquisition_channel"], cards),
        "crm/departures": (["departure_id", "customer_id", "noted_at", "reason"], notes),
        "billing/subscriptions": (
            ["subscription_id", "customer_id", "plan_id", "started_on", "ended_on", "unit_price"],
            [row for row in rows if row[3] <= AS_OF],
        ),
        "billing/invoices": (["invoice_id", "customer_id", "issued_at", "amount"], invoices),
    }
    for name, (header, lines) in tables.items():
        file = folder / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([header, *lines])


def without_metricflow() -> None:
    """Forbid its import: a refresh has no use for it, and it takes a second.
    (dbt looks into each dbt_… package, also the empty one of `mf`.)"""
    for name in ("dbt_metricflow.cli", "metricflow", "metricflow_semantics"):
        assert name not in sys.modules
        sys.modules[name] = None


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("semantic")
    write_company(folder / "extracts")
    (folder / "extracts" / "extracts.yml").write_text("policies: {fiscal_year_start_month: 2}\n")
    done = churn(
        "refresh",
        "--extracts",
        folder / "extracts",
        "--warehouse",
        folder / "warehouse",
        "--as-of",
        AS_OF,
        prepare=without_metricflow,
    )
    assert done.code == 0, done.err
    return folder / "warehouse"


@pytest.fixture(scope="module")
def ask(warehouse: Path) -> Iterator[Ask]:
    """What `mf query` answers, {values grouped by: values of the metrics}, without starting the command each time."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt_metricflow.cli.cli_configuration import CLIConfiguration
    from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

    prepare_manifest()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "CHURN_DB": warehouse / "churn.duckdb",
            "DBT_PROFILES_DIR": ROOT,
            "DBT_PROJECT_DIR": ROOT,
            "DBT_LOG_PATH": TARGET / "logs",
        }.items():
            patch.setenv(name, str(value))
        configuration = CLIConfiguration()
        configuration.setup(configure_file_logging=False)

        def asking(
            metrics: list[str], group_by: tuple[str, ...] = (), where: tuple[str, ...] = ()
        ) -> dict[tuple, tuple]:
            request = MetricFlowQueryRequest.create(
                metric_names=metrics, group_by_names=group_by or None, where_constraints=where or None
            )
            rows = [tuple(map(plain, row)) for row in configuration.mf.query(request).result_df.rows]
            return {row[: len(group_by)]: row[len(group_by) :] for row in rows}

        yield asking
        DuckDBConnectionManager.close_all_connections()


def plain(cell: Any) -> Any:
    """Days as dates, numbers as doubles."""
    return cell.date() if isinstance(cell, datetime) else float(cell) if isinstance(cell, int | Decimal) else cell


def found(warehouse: Path, keys: int, sql: str) -> dict[tuple, tuple]:
    """The rows of a query by its first columns."""
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        rows = [tuple(map(plain, row)) for row in con.execute(sql).fetchall()]
    return {row[:keys]: row[keys:] for row in rows}


def assert_same(answer: dict[tuple, tuple], expected: dict[tuple, tuple], tolerance: float = 1e-9) -> None:
    assert answer.keys() == expected.keys()
    for key, values in expected.items():
        assert answer[key] == pytest.approx(values, rel=1e-12, abs=tolerance), key


def named(suffix: str) -> list[str]:
    return [f"{name}_{suffix}" for name in RATIOS]


@pytest.mark.parametrize(("suffix", "grain"), GRAINS.items())
def test_the_whole_company(ask: Ask, warehouse: Path, suffix: str, grain: str) -> None:
    answer = ask(named(suffix), ("metric_time__month",))
    expected = (
        f"select period_start, {', '.join(RATIOS.values())} from {MARTS} where period_grain = '{grain}'"
        " and segment_type = 'all' and customers_at_start > 0 group by all"
    )
    assert len(answer) > 1
    assert_same(answer, found(warehouse, 1, expected))
    for name, (mart, column, tolerance) in COLUMNS.items():
        rows = found(
            warehouse,
            1,
            f"select period_start, {column} from marts.{mart}_{suffix} where period_start in (select period_start"
            f" from marts.churn_rates_{suffix} where customers_at_start > 0)",
        )
        assert_same(ask([f"{name}_{suffix}"], ("metric_time__month",)), rows, tolerance)


@pytest.mark.parametrize("segment_type", SEGMENTS)
@pytest.mark.parametrize(("suffix", "grain"), GRAINS.items())
def test_every_segment(ask: Ask, warehouse: Path, suffix: str, grain: str, segment_type: str) -> None:
    answer = ask(named(suffix), ("metric_time__month", f"customer__{segment_type}"))
    expected = (
        f"select period_start, segment, {', '.join(RATIOS.values())} from {MARTS} where period_grain = '{grain}'"
        f" and segment_type = '{segment_type}' and customers_at_start > 0 group by all"
    )
    assert len({segment for _, segment in answer}) > 1
    assert_same(answer, found(warehouse, 2, expected))


@pytest.mark.parametrize(("suffix", "grain"), GRAINS.items())
def test_several_segments_and_several_periods_together(ask: Ask, warehouse: Path, suffix: str, grain: str) -> None:
    """Sums are divided, never rates averaged."""
    rows = f"from {MARTS} where period_grain = '{grain}'"
    two = ask(named(suffix), ("metric_time__month",), ("{{ Dimension('customer__country') }} in ('BG', 'PH')",))
    assert_same(
        two,
        found(
            warehouse,
            1,
            f"select period_start, {', '.join(RATIOS.values())} {rows} and segment_type = 'country'"
            " and segment in ('BG', 'PH') group by 1 having sum(customers_at_start) > 0",
        ),
    )
    complete = ask(named(suffix), ("customer__customer_segment",), ("{{ Dimension('period__is_complete') }}",))
    assert_same(
        complete,
        found(
            warehouse,
            1,
            f"select segment, {', '.join(RATIOS.values())} {rows} and segment_type = 'customer_segment'"
            " and is_complete group by 1",
        ),
    )
    assert_same(
        ask(named(suffix)), found(warehouse, 0, f"select {', '.join(RATIOS.values())} {rows} and segment_type = 'all'")
    )
    months = ask(["churn_rate_monthly"], ("metric_time__year",))
    assert_same(
        months,
        found(
            warehouse,
            1,
            f"select date_trunc('year', period_start), {RATIOS['churn_rate']} from {MARTS}"
            " where period_grain = 'month' and segment_type = 'all' group by 1 having sum(customers_at_start) > 0",
        ),
    )


@pytest.mark.parametrize(("suffix", "grain"), GRAINS.items())
def test_two_segments_at_once(ask: Ask, warehouse: Path, suffix: str, grain: str) -> None:
    """No mart crosses segment types: against the facts, each question asked of each customer by itself."""

    def active(day: str) -> str:
        return (
            "exists (from marts.fct_customer_spells as spell where spell.customer_id = c.customer_id"
            f" and spell.started_on < {day} and (spell.ended_on is null or spell.ended_on >= {day}))"
        )

    def mrr(day: str) -> str:
        return (
            "coalesce((select sum(mrr_change) from marts.fct_mrr_movements as moved"
            f" where moved.customer_id = c.customer_id and moved.occurred_on < {day}), 0)"
        )

    expected = f"""
        with periods as (from marts.churn_rates_{suffix}),
        base as (
            select period_start, coalesce(country, '(unknown)') as country, customer_segment,
                {active("period_end")} as stayed, {mrr("period_start")} as before, {mrr("period_end")} as after,
                (
                    select coalesce(sum(amount), 0)
                    from (select customer_id, issued_on, amount from marts.fct_purchases
                        union all select customer_id, issued_on, amount from marts.fct_credit_notes) as i
                    where i.customer_id = c.customer_id and i.issued_on < period_start
                        and i.issued_on >= period_start - to_months({{'month': 1, 'quarter': 3, 'year': 12}}['{grain}'])
                        and i.issued_on >= (select min(period_start) from periods)
                ) as sales
            from periods, marts.dim_customers as c
            where {active("period_start")}
        )
        select period_start, country, customer_segment, count(*) filter (not stayed) / count(*),
            sum(if(before > 0, after, 0))::double / nullif(sum(before), 0),
            count(*) filter (not stayed) * sum(sales)::double / count(*)
        from base group by all
    """
    answer = ask(
        [f"{name}_{suffix}" for name in ("churn_rate", "net_revenue_retention", "lost_sales")],
        ("metric_time__month", "customer__country", "customer__customer_segment"),
    )
    assert len({key[1:] for key in answer}) == 6
    assert_same(answer, found(warehouse, 3, expected))


def test_the_view_holds_one_row_a_customer_and_period(warehouse: Path) -> None:
    [(rows, keys)] = found(
        warehouse,
        0,
        "select count(*), count(distinct (customer_id, period_grain, period_start)) from semantic.customer_periods",
    ).values()
    assert rows == keys > 1000


def test_the_time_spine_holds_every_day(warehouse: Path) -> None:
    [(days, distinct, first, last)] = found(
        warehouse, 0, "select count(*), count(distinct day), min(day), max(day) from semantic.days"
    ).values()
    assert (days, last) == (distinct, AS_OF)
    assert days == (last - first).days + 1


def test_the_command_asks_the_published_file(warehouse: Path, tmp_path: Path) -> None:
    """As docs/bi.md has it, and MetricFlow's own validation of models and metrics against the tables."""
    done = churn(
        "mf",
        "--warehouse",
        warehouse,
        "query",
        "--metrics",
        "churn_rate_yearly",
        "--group-by",
        "metric_time",
        "--csv",
        tmp_path / "out.csv",
    )
    assert done.code == 0, done.err
    header, *rows = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert header == ["metric_time__month", "churn_rate_yearly"]
    expected = found(
        warehouse,
        0,
        "select list(period_start order by period_start) from marts.churn_rates_yearly where customers_at_start > 0",
    )
    assert sorted(row[0][:10] for row in rows) == [str(day) for day in expected[()][0]]
    valid = churn("mf", "--warehouse", warehouse, "validate-configs")
    assert valid.code == 0, valid.out
    assert "ERRORS: 0" in valid.out, valid.out


def test_a_warehouse_without_a_publish_is_told(tmp_path: Path) -> None:
    done = churn("mf", "--warehouse", tmp_path, "query", "--metrics", "churn_rate_monthly")
    assert (done.code, done.out) == (2, "")
    assert "Nothing is published" in done.err
