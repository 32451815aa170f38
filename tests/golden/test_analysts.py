"""What analysts get beside the marts: the queries of `analyses/` and the workbook,
on a small company's published warehouse.

Its 150 customers live by arithmetic, not by chance; a late file makes the second refresh restate closed months.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from python_calamine import CalamineWorkbook

from orchestration.transform.project import DOCS
from tests.churn import churn, published, write_csv

ROOT = Path(__file__).resolve().parents[2]
DBT = Path(sys.executable).with_name("dbt")
ANALYSES = sorted(path.stem for path in (ROOT / "analyses").glob("*.sql"))
AS_OF = date(2025, 12, 15)

Row = dict[str, Any]


def days(count: int) -> timedelta:
    return timedelta(days=count)


def write_company(folder: Path) -> None:
    """Subscribers, won in six waves, of whom four fifths leave after so many days;
    some complain, some come back after a message."""
    cards, rows, invoices, cases, surveys, notes, messages = ([] for _ in range(7))
    for n in range(150):
        customer, started = f"c{n:03}", date(2024, 1, 1) + days(120 * (n // 25) + n % 25)
        ended = started + days((45, 100, 200, 400, 900)[n % 5])
        ended = ended if ended <= AS_OF else None
        card = {
            "customer_id": customer,
            "created_at": started,
            "name": f"Person {n}",
            "email": f"{customer}@shop.example",
        }
        card |= {
            "contact_allowed": "no" if n % 7 == 0 else "yes",
            "preferred_channel": "email",
            "country": ("BG", "PH", "")[n % 3],
        }
        cards.append(
            card
            | {"segment": ("small", "large")[n % 2], "acquisition_channel": "ads", "account_manager_id": f"e{n % 3}"}
        )
        row = {
            "subscription_id": f"s{n}",
            "customer_id": customer,
            "started_on": started,
            "ended_on": ended,
            "unit_price": 10 + n % 30,
            "currency": "EUR",
        }
        rows.append(row)
        if n % 6 == 0:  # a part more from the third month on
            rows.append(row | {"subscription_id": f"more{n}", "started_on": started + days(35), "unit_price": 5})
        if ended:
            if n % 2:
                notes.append(
                    {
                        "departure_id": f"d{n}",
                        "customer_id": customer,
                        "noted_at": ended,
                        "reason": ("high price", "moved away", "competitor")[n % 3],
                    }
                )
            sent = ended + days(20)
            if sent <= AS_OF:
                messages.append(
                    {
                        "outreach_id": f"o{n}",
                        "customer_id": customer,
                        "sent_at": sent,
                        "channel": "email",
                        "campaign": ("spring", "autumn")[n % 2],
                    }
                )
            if n % 4 == 0 and sent + days(15) <= AS_OF:
                rows.append(row | {"started_on": sent + days(15), "ended_on": None})
        day = started
        while day <= min(ended or AS_OF, AS_OF):
            invoice = {
                "invoice_id": f"i{n}-{day:%y%m%d}",
                "customer_id": customer,
                "issued_at": day,
                "amount": 10 + n % 30,
                "cost": 4,
            }
            invoices.append(invoice | {"currency": "EUR", "status": "paid", "employee_id": f"e{n % 3}"})
            day += days(30)
        if n % 3 != 1:
            opened = datetime.combine((ended or AS_OF) - days(25), datetime.min.time()) + timedelta(hours=9)
            case = {
                "case_id": f"k{n}",
                "customer_id": customer,
                "opened_at": opened,
                "first_response_at": opened + timedelta(hours=60 if n % 2 else 2),
            }
            cases.append(
                case
                | {
                    "resolved_at": opened + days(4),
                    "kind": "complaint",
                    "severity": ("serious", "minor")[n % 2],
                    "employee_id": f"e{n % 3}",
                }
            )
        surveys.append(
            {
                "response_id": f"r{n}",
                "customer_id": customer,
                "kind": "nps",
                "score": n % 11,
                "answered_at": started + days(30),
            }
        )
    cards.append(cards[0] | {"customer_id": ""})
    invoices.append(invoices[0] | {"invoice_id": "bad", "amount": "ten"})
    write_csv(
        folder / "crm" / "employees.csv",
        ({"employee_id": f"e{n}", "name": f"Employee {n}", "team": ("North", "South")[n % 2]} for n in range(3)),
    )
    tables = {"customers": cards, "cases": cases, "surveys": surveys, "departures": notes, "outreach": messages}
    for table, records in tables.items():
        write_csv(folder / "crm" / f"{table}.csv", records)
    write_csv(folder / "billing" / "subscriptions.csv", rows)
    write_csv(
        folder / "billing" / "invoices.csv",
        (invoice for invoice in invoices if str(invoice["issued_at"]) <= str(AS_OF)),
    )


def write_late_file(folder: Path) -> None:
    late = {
        "subscription_id": "late",
        "customer_id": "late",
        "started_on": "2025-01-15",
        "ended_on": "2025-06-10",
        "unit_price": 40,
        "currency": "EUR",
    }
    write_csv(folder / "billing" / "subscriptions_late.csv", [late])


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysts")
    for deliver in (write_company, write_late_file):
        deliver(folder / "extracts")
        warehouse = published(folder, AS_OF)
    return warehouse


@pytest.fixture(scope="module")
def compiled(warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled queries. dbt names the database after its file and opens it for none of them."""
    target = tmp_path_factory.mktemp("target")
    environment = {**os.environ, "CHURN_BUILD_DB": "churn.duckdb", "DBT_LOG_PATH": str(target)}
    options = [
        "--no-introspect",
        "--no-populate-cache",
        "--project-dir",
        ROOT,
        "--profiles-dir",
        ROOT,
        "--target-path",
        target,
    ]
    done = subprocess.run(
        [DBT, "compile", "--select", "path:analyses", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return target / "compiled" / "churn_warehouse" / "analyses"


@pytest.fixture(scope="module")
def answer(warehouse: Path, compiled: Path):
    """The rows that a query finds."""

    def run(name: str) -> list[Row]:
        sql = (compiled / f"{name}.sql").read_text(encoding="utf-8")
        file, sql = (
            ("private", sql.replace('"churn".', '"private".')) if name == "quarantine_by_reason" else ("churn", sql)
        )
        return found(warehouse / f"{file}.duckdb", sql)

    return run


def comments(warehouse: Path, mart: str) -> dict[str, str]:
    """What each column of a mart means."""
    return {
        row["column_name"]: row["comment"]
        for row in found(warehouse / "churn.duckdb", f"from duckdb_columns() where table_name = '{mart}'")
    }


def found(database: Path, sql: str) -> list[Row]:
    with duckdb.connect(str(database), read_only=True) as con:
        cursor = con.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("name", ANALYSES)
def test_every_query_finds_something_in_each_column(answer, name: str) -> None:
    rows = answer(name)
    assert rows
    empty = {column for column in rows[0] if all(row[column] is None for row in rows)}
    assert empty <= {"after_365_days_low"}


@pytest.mark.parametrize("name", ANALYSES)
def test_every_query_says_what_it_is_for(name: str) -> None:
    header = re.match(r"(-- .*\n)+", (ROOT / "analyses" / f"{name}.sql").read_text(encoding="utf-8")).group()
    assert re.findall(r"^-- (\w+): ", header, re.MULTILINE) == ["Question", "Rows", "Read", "Traps"]
    assert f"analyses/{name}.sql" in (ROOT / "docs" / "query.md").read_text(encoding="utf-8")


def test_the_queries_run_on_the_published_file_without_dbt(warehouse: Path, answer) -> None:
    """As docs/query.md has it: table names instead of ref(), found by the search path."""
    plain = re.sub(
        r"{{ ref\('([a-z_]*)'\) }}", r"\1", (ROOT / "analyses" / "what_moved_churn.sql").read_text(encoding="utf-8")
    )
    assert found(warehouse / "churn.duckdb", f"set search_path = 'marts,quality'; {plain}") == answer(
        "what_moved_churn"
    )


def test_mix_and_rate_explain_all_that_moved(answer) -> None:
    rows = answer("what_moved_churn")
    company = rows[0]
    assert company["segment_type"] == "all" and company["churn_rate_change"]
    kinds = {row["segment_type"] for row in rows}
    assert {"country", "customer_segment"} <= kinds
    for kind in kinds:
        effects = sum(row["mix_effect"] + row["rate_effect"] for row in rows if row["segment_type"] == kind)
        assert effects == pytest.approx(company["churn_rate_change"])
    for row in rows:
        if row["churn_rate_change"] is not None:
            assert row["voluntary_change"] + row["involuntary_change"] + row["unknown_change"] == pytest.approx(
                row["churn_rate_change"]
            )


def test_cohorts_by_how_fast_they_decay(answer, warehouse: Path) -> None:
    rows = answer("fastest_decaying_cohorts")
    assert [row["z_score"] for row in rows] == sorted(row["z_score"] for row in rows)
    assert sum(row["kept_after_3"] * row["cohort_size"] for row in rows) == pytest.approx(
        rows[0]["expected_after_3"] * sum(row["cohort_size"] for row in rows)
    )


def test_the_cost_of_slow_support_adds_up(answer) -> None:
    together, *quarters = answer("cost_of_slow_support")
    assert together["quarter_start"] is None and together["slow"] > 0
    for column in ("slow", "excess_lost", "annual_sales_lost"):
        assert sum(row[column] or 0 for row in quarters) == pytest.approx(float(together[column]), abs=0.05)


def test_every_definition_stands_beside_ours(answer, warehouse: Path) -> None:
    rows = answer("reconcile_with_other_tools")
    ours = found(
        warehouse / "churn.duckdb",
        "from marts.churn_rates_monthly where is_complete order by period_start desc limit 12",
    )
    assert [(row["period_start"], row["lost_over_start"], row["net_change"]) for row in rows] == [
        (row["period_start"], row["churn_rate"], row["net_loss_rate"]) for row in ours
    ]


def test_who_left_after_a_complaint(answer, warehouse: Path) -> None:
    expected = (
        "select customer_id from marts.lost_customers where had_complaint and lost_on >= '2024-12-16'"
        " order by win_back_rank"
    )
    assert [row["customer_id"] for row in answer("left_after_a_complaint")] == [
        row["customer_id"] for row in found(warehouse / "churn.duckdb", expected)
    ]


def test_intervals_of_several_quarters_hold_the_rate(answer) -> None:
    for name, rate in (
        ("who_keeps_first_time_customers", "return_rate"),
        ("campaigns_that_won_back", "return_rate_90d"),
    ):
        for row in answer(name):
            places = [0, row[f"{rate}_low"], row[rate], row[f"{rate}_high"], 1]
            assert [round(place, 9) for place in places] == sorted(round(place, 9) for place in places)


def test_the_interval_of_one_quarter_is_the_marts(warehouse: Path) -> None:
    """The queries compute Wilson's interval for sums of rows; of one row it is what the mart says."""
    sql = (ROOT / "analyses" / "who_keeps_first_time_customers.sql").read_text(encoding="utf-8")
    sql = (
        sql.replace("where observed >= 10", "")
        .replace("{{ ref('staff_retention') }}", "one")
        .replace("{{ ref('dim_employees') }}", "marts.dim_employees")
    )
    one = "from marts.staff_retention where observed_90d > 0 order by observed_90d desc, employee_id limit 1"
    [mart] = found(warehouse / "churn.duckdb", one)
    [row] = found(
        warehouse / "churn.duckdb", sql.replace("with employees as (", f"with one as ({one}), employees as (")
    )
    assert (row["return_rate_low"], row["return_rate_high"]) == pytest.approx(
        (mart["return_rate_90d_low"], mart["return_rate_90d_high"])
    )


def test_tenths_hold_all_the_revenue_at_risk(answer, warehouse: Path) -> None:
    rows = answer("concentration_of_revenue_at_risk")
    [whole] = found(
        warehouse / "churn.duckdb",
        "select count(*) as customers, sum(revenue_at_risk) as revenue from marts.at_risk_customers",
    )
    assert (sum(row["customers"] for row in rows), sum(row["revenue_at_risk"] for row in rows)) == (
        whole["customers"],
        whole["revenue"],
    )
    assert rows[-1]["share_so_far"] == pytest.approx(1)


def test_the_late_file_explains_the_months_that_it_changed(answer) -> None:
    rows = answer("what_restatements_changed")
    assert [row["period_start"] for row in rows] == [date(2025, month, 1) for month in range(6, 0, -1)]
    assert all("extracts" in row["cause"] and "billing/subscriptions_late.csv" in row["files"] for row in rows)
    assert rows[0]["customers_lost_change"] == 1 and rows[0]["mrr_churned_change"] == Decimal(40)


def test_what_was_unusable(answer) -> None:
    assert {
        (row["table_name"], row["worst_file"]) for row in answer("files_and_quarantine") if row["rows_quarantined"]
    } == {
        ("billing.invoices", "billing/invoices.csv"),
        ("crm.customers", "crm/customers.csv"),
    }
    assert {
        (row["table_name"], row["column_name"], row["rows_quarantined"]) for row in answer("quarantine_by_reason")
    } == {
        ("billing.invoices", "amount", 1),
        ("crm.customers", "customer_id", 1),
    }


def test_the_documentation_lies_beside_the_marts(warehouse: Path) -> None:
    page = warehouse / "docs" / "index.html"
    assert page.read_bytes() == DOCS.read_bytes()
    assert page.resolve().parents[1] == (warehouse / "exports").resolve().parent


@pytest.fixture(scope="module")
def workbook(warehouse: Path) -> Path:
    file = warehouse.parent / "churn.xlsx"
    done = churn("export", "--warehouse", warehouse, "--xlsx", file)
    assert (done.code, done.out) == (0, f"Written to {file}\n"), done.err
    return file


def sheet(workbook: Path, name: str) -> list[list[Any]]:
    """Its rows from the header on, dates and numbers as Python has them; an empty cell is ''."""
    return CalamineWorkbook.from_path(str(workbook)).get_sheet_by_name(name).to_python(skip_empty_area=False)[3:]


def as_cell(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    return pytest.approx(float(value), rel=1e-12) if isinstance(value, Decimal | int | float) else value


@pytest.mark.parametrize(
    ("name", "mart"), [("Churn", "churn_rates"), ("Lost sales", "lost_revenue"), ("Reasons", "churn_reasons")]
)
def test_the_sheets_hold_what_the_marts_hold(workbook: Path, warehouse: Path, name: str, mart: str) -> None:
    head, *cells = sheet(workbook, name)
    columns = [label.lower().replace(" ", "_") for label in head]
    order = ", customers_lost desc, reason_code" if mart == "churn_reasons" else ""
    rows = found(
        warehouse / "churn.duckdb",
        f"from marts.{mart} where segment_type = 'all'"
        f" order by list_position(['year', 'quarter', 'month'], period_grain), period_start{order}",
    )
    assert len(rows) > 24
    assert cells[: len(rows)] == [[as_cell(row[column]) for column in columns] for row in rows]
    means = comments(warehouse, mart)
    assert [line[0].partition(": ")[2] for line in cells[len(rows) + 2 :]] == [means[column] for column in columns]


@pytest.mark.parametrize("grain", ["month", "quarter"])
def test_the_triangle_holds_rates_and_leaves_running_cells_empty(workbook: Path, warehouse: Path, grain: str) -> None:
    head, *lines = sheet(workbook, f"Retention by {grain}")
    marts = found(
        warehouse / "churn.duckdb",
        f"from marts.cohort_retention where cohort_grain = '{grain}' and segment_type = 'all'",
    )
    rates = {(row["cohort_start"], row["age"]): as_cell(row["retention_rate"]) for row in marts}
    sizes = {row["cohort_start"]: row["cohort_size"] for row in marts}
    shown = {line[0]: line for line in lines if isinstance(line[0], date)}
    assert {start: line[1] for start, line in shown.items()} == sizes
    for start, line in shown.items():
        assert line[2:] == [rates.get((start, age), "") for age in head[2:]]
    running = [row for row in marts if not row["is_complete"]]
    assert running and all(shown[row["cohort_start"]][2 + row["age"]] == "" for row in running)


def test_the_headline_is_the_scorecard_of_the_last_complete_periods(workbook: Path, warehouse: Path) -> None:
    head, *lines = sheet(workbook, "Headline")
    assert head[:6] == [
        "Measure",
        "Month from 2025-11-01",
        "Change",
        "Quarter from 2025-07-01",
        "Change",
        "Year from 2024-01-01",
    ]
    [month] = found(
        warehouse / "churn.duckdb", "from marts.loyalty_scorecard_monthly where period_start = '2025-11-01'"
    )
    shown = {line[0]: line for line in lines}
    for measure in ("churn_rate", "nps", "first_response_hours", "lost_sales"):
        label = measure.replace("_", " ").capitalize().replace("Nps", "NPS")
        assert shown[label][1:3] == [as_cell(month[measure]), as_cell(month[f"{measure}_change"])]
        assert shown[label][7] == comments(warehouse, "loyalty_scorecard")[measure]
    assert shown["Data until"][1] == "2025-12-15" and shown["Policy lapse_days"][1] == "90"


def test_the_workbook_can_be_handed_around(workbook: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(workbook.stat().st_mode) == 0o666 & ~umask
    with zipfile.ZipFile(workbook) as parts:
        content = {
            name: parts.read(name).decode("utf-8") for name in parts.namelist() if name.endswith((".xml", ".rels"))
        }
    assert not [
        name
        for name, text in content.items()
        if "Person " in text or "@shop.example" in text or re.search(r">c\d{3}<", text)
    ]
    assert not [name for name, text in content.items() if name.startswith("xl/worksheets/sheet") and "<f>" in text]
    assert [path.name for path in workbook.parent.iterdir() if path.name.startswith(".")] == []


def test_the_same_version_gives_the_same_workbook(workbook: Path, warehouse: Path, tmp_path: Path) -> None:
    assert churn("export", "--warehouse", warehouse, "--xlsx", tmp_path / "again.xlsx").code == 0
    assert (tmp_path / "again.xlsx").read_bytes() == workbook.read_bytes()


def test_texts_that_look_like_formulas_are_texts(warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "churn.duckdb").write_bytes((warehouse / "churn.duckdb").read_bytes())
    with duckdb.connect(str(tmp_path / "churn.duckdb")) as con:
        con.execute("update marts.churn_reasons set reason = '=HYPERLINK(\"http://evil.example\")'")
    assert churn("export", "--warehouse", tmp_path, "--xlsx", tmp_path / "evil.xlsx").code == 0
    head, first, *_ = sheet(tmp_path / "evil.xlsx", "Reasons")
    assert first[head.index("Reason")] == '\'=HYPERLINK("http://evil.example")'


def test_a_company_without_activity_has_an_empty_workbook(warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "churn.duckdb").write_bytes((warehouse / "churn.duckdb").read_bytes())
    with duckdb.connect(str(tmp_path / "churn.duckdb")) as con:
        for mart in ("churn_rates", "lost_revenue", "churn_reasons", "cohort_retention", "loyalty_scorecard"):
            con.execute(f"delete from marts.{mart}")
    assert churn("export", "--warehouse", tmp_path, "--xlsx", tmp_path / "empty.xlsx").code == 0
    assert sheet(tmp_path / "empty.xlsx", "Churn")[0][0] == "Period grain"


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("churn.xlsx", "Nothing is published in"),
        ("churn.csv", "written as .xlsx"),
        ("nowhere/churn.xlsx", "there is no folder"),
    ],
)
def test_what_cannot_be_exported_ends_in_a_sentence(warehouse: Path, tmp_path: Path, file: str, told: str) -> None:
    done = churn("export", "--warehouse", tmp_path if "published" in told else warehouse, "--xlsx", tmp_path / file)
    assert done.code == 2 and told in done.err
    assert list(tmp_path.iterdir()) == []
