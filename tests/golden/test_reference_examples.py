"""The reference itself against what others have calculated: the worked example and the example companies."""

from __future__ import annotations

import csv
import json
import tarfile
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.reference import marts
from tests.reference.company import Company, Customer, Employee, Invoice, InvoiceLine, Policies, Subscription
from tests.reference.compare import differences

EXAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "data"

MARTS_OF_EXAMPLES = [
    "average_check",
    "churn_rate_by_definition",
    "churn_rates",
    "cohort_retention",
    "fct_mrr_movements",
    "lost_customers",
    "lost_revenue",
    "revenue_retention",
    "survival_curves",
]

KEYS = {
    "churn_rate_by_definition": ["period_grain", "period_start", "segment_type", "segment", "definition"],
    "cohort_retention": ["cohort_grain", "cohort_start", "age", "segment_type", "segment"],
    "fct_mrr_movements": ["customer_id", "occurred_on"],
    "lost_customers": ["customer_id"],
    "survival_curves": ["segment_type", "segment", "tenure_days"],
}
PERIOD_KEY = ["period_grain", "period_start", "segment_type", "segment"]


def worked_example() -> Company:
    def row(customer: str, start: date, end: date | None, mrr: int) -> Subscription:
        return Subscription(customer, start, customer, ended_on=end, unit_price=Decimal(mrr))

    return Company(
        as_of=date(2024, 4, 30),
        policies=Policies(activity_basis="subscription", segments=()),
        subscriptions=[
            row("A", date(2023, 12, 15), None, 10),
            row("B", date(2024, 1, 1), date(2024, 3, 1), 20),
            row("C", date(2024, 1, 10), date(2024, 2, 10), 30),
            row("C", date(2024, 4, 5), None, 30),
            row("D", date(2024, 2, 5), date(2024, 2, 20), 40),
            row("E", date(2023, 11, 20), date(2024, 2, 15), 50),
            row("E", date(2024, 2, 15), None, 80),
        ],
    )


def test_worked_example_months():
    answer = marts(worked_example(), ["churn_rates", "revenue_retention"])
    customers = ["at_start", "lost", "kept", "new", "returned", "passed_through", "at_end"]
    mrr = ["at_start", "new", "reactivated", "expanded", "churned", "at_end"]
    found = {}
    for churn, money in zip(answer["churn_rates"], answer["revenue_retention"], strict=True):
        if churn["period_grain"] == "month" and churn["period_start"].year == 2024:
            found[churn["period_start"].month] = (
                [churn[f"customers_{name}"] for name in customers],
                churn["churn_rate"],
                [money[f"mrr_{name}"] for name in mrr],
            )
    assert found == {
        1: ([2, 0, 2, 2, 0, 0, 4], 0, [60, 50, 0, 0, 0, 110]),
        2: ([4, 1, 3, 0, 0, 1, 3], 0.25, [110, 0, 0, 30, 30, 110]),
        3: ([3, 1, 2, 0, 0, 0, 2], pytest.approx(1 / 3), [110, 0, 0, 0, 20, 90]),
        4: ([2, 0, 2, 0, 1, 0, 3], 0, [90, 0, 30, 0, 0, 120]),
    }


def test_worked_example_quarter_and_cohorts():
    answer = marts(worked_example(), ["churn_rates", "cohort_retention"])
    [quarter] = [
        row
        for row in answer["churn_rates"]
        if (row["period_grain"], row["period_start"]) == ("quarter", date(2024, 1, 1))
    ]
    assert [quarter[f"customers_{name}"] for name in ("at_start", "lost", "new", "passed_through", "at_end")] == [
        2,
        0,
        0,
        3,
        2,
    ]

    def cohort(month: date, column: str) -> list[int]:
        cells = (
            row for row in answer["cohort_retention"] if row["cohort_grain"] == "month" and row["cohort_start"] == month
        )
        return [row[column] for row in sorted(cells, key=lambda row: row["age"])]

    assert cohort(date(2024, 1, 1), "customers_active") == [2, 2, 0, 1]
    assert cohort(date(2024, 1, 1), "customers_at_close") == [2, 1, 0, 1]
    assert cohort(date(2024, 2, 1), "customers_active") == [1, 0, 0]
    assert cohort(date(2024, 2, 1), "customers_at_close") == [0, 0, 0]


def mavenflix() -> Company:
    [path] = (EXAMPLES / "mavenflix" / "iso_dates").glob("*.csv")
    rows: dict[tuple, Subscription] = {}  # the later row of a key wins
    for row in csv.DictReader(path.open(encoding="utf-8-sig")):
        start = date.fromisoformat(row["created_date"])
        rows[row["customer_id"], start] = Subscription(
            subscription_id=row["customer_id"],
            customer_id=row["customer_id"],
            started_on=start,
            ended_on=date.fromisoformat(row["canceled_date"]) if row["canceled_date"] else None,
            unit_price=Decimal(row["subscription_cost"]),
            interval=row["subscription_interval"],
            status={"Yes": "active", "No": "incomplete"}[row["was_subscription_paid"]],
        )
    return Company(date(2023, 9, 8), "USD", Policies(segments=()), subscriptions=list(rows.values()))


def chinook() -> Company:
    data = json.loads((EXAMPLES / "chinook" / "ChinookData.json").read_text(encoding="utf-8"))
    return Company(
        date(2025, 12, 31),
        "USD",
        Policies(segments=("country",)),
        customers=[Customer(str(row["CustomerId"]), country=row["Country"]) for row in data["Customer"]],
        employees=[Employee(str(row["EmployeeId"])) for row in data["Employee"]],
        invoices=[
            Invoice(
                str(row["InvoiceId"]),
                str(row["CustomerId"]),
                datetime.fromisoformat(row["InvoiceDate"]),
                Decimal(str(row["Total"])),
            )
            for row in data["Invoice"]
        ],
    )


def online_retail() -> Company:
    lines = []
    with tarfile.open(EXAMPLES / "online_retail" / "by-day-originals.tar.gz") as archive:
        for name in sorted(name for name in archive.getnames() if name.endswith(".csv")):
            text = archive.extractfile(name).read().decode("utf-8")
            lines += [
                InvoiceLine(
                    row["InvoiceNo"],
                    row["CustomerID"],
                    datetime.fromisoformat(row["InvoiceDate"]),
                    quantity=Decimal(row["Quantity"]),
                    unit_price=Decimal(row["UnitPrice"]),
                )
                for row in csv.DictReader(text.splitlines())
                if row["CustomerID"]
            ]
    return Company(date(2011, 12, 9), "GBP", Policies(segments=()), invoice_lines=lines)


def typed(mart_row: dict, text_row: dict) -> dict:
    """The expected cells as the types that the mart has."""

    def cell(column: str, text: str):
        if text == "":
            return None
        value = mart_row[column]
        if column == "is_complete":
            return text == "true"
        if isinstance(value, date):
            return date.fromisoformat(text)
        if isinstance(value, str):
            return text
        return float(text)

    return {column: cell(column, text) for column, text in text_row.items()}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the example companies (../shared/data) are not here")
@pytest.mark.parametrize("load", [mavenflix, chinook, online_retail], ids=lambda load: load.__name__)
def test_example_company(load):
    files = [path for path in (EXAMPLES / load.__name__ / "expected").glob("*.csv") if path.stem != "load_audit"]
    assert files
    names = {path: next(name for name in MARTS_OF_EXAMPLES if path.stem.startswith(name)) for path in files}
    answer = marts(load(), sorted(set(names.values())))
    for path, name in names.items():
        expected = list(csv.DictReader(path.open(encoding="utf-8")))
        pattern = {
            column: next((row[column] for row in answer[name] if row[column] is not None), None)
            for column in expected[0]
        }
        expected = [typed(pattern, row) for row in expected]
        scope = [column for column in ("period_grain", "cohort_grain", "segment_type") if column in pattern]
        shown = Counter(tuple(row[column] for column in scope) for row in expected)
        actual = [row for row in answer[name] if tuple(row[column] for column in scope) in shown]
        assert differences(actual, expected, KEYS.get(name, PERIOD_KEY), tolerance=1e-6) == [], path.name
