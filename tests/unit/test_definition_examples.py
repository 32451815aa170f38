"""The examples in docs/definitions.md, computed by the literal reference."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.reference import marts
from tests.reference.company import Case, Company, Invoice, Policies, Subscription, Survey
from tests.reference.service import NINE_TENTHS, quantile

Q1, Q2 = date(2024, 1, 1), date(2024, 4, 1)


def invoice(number: int, customer: str, day: date, amount: str, cost: str | None, employee: str | None) -> Invoice:
    noon = datetime(day.year, day.month, day.day, 12)
    return Invoice(str(number), customer, noon, Decimal(amount), cost and Decimal(cost), employee_id=employee)


@pytest.fixture(scope="module")
def published() -> dict[str, list[dict]]:
    invoices = [
        invoice(1, "F", date(2024, 1, 10), "100", "60", "e1"),
        invoice(2, "F", date(2024, 2, 20), "50", "30", "e2"),
        invoice(3, "G", date(2024, 1, 15), "200", None, "e1"),
        invoice(4, "G", date(2024, 4, 14), "80", None, "e1"),
        invoice(5, "G", date(2024, 5, 2), "-30", None, None),
        invoice(6, "H", date(2024, 3, 5), "40", None, "e2"),
    ]
    opened, answered = datetime(2024, 5, 20, 9), datetime(2024, 5, 20, 11)
    complaint = Case("1", "H", opened, answered, kind="complaint", severity="serious")
    return marts(Company(date(2024, 6, 30), policies=Policies(segments=()), invoices=invoices, cases=[complaint]))


@pytest.mark.parametrize(
    ("mart", "key", "expected"),
    [
        ("fct_customer_spells", {"customer_id": "F"}, {"started_on": date(2024, 1, 10), "ended_on": date(2024, 5, 20)}),
        ("fct_customer_spells", {"customer_id": "G"}, {"started_on": date(2024, 1, 15), "ended_on": None}),
        ("fct_customer_spells", {"customer_id": "H"}, {"started_on": date(2024, 3, 5), "ended_on": date(2024, 6, 3)}),
        (
            "lost_revenue",
            {"period_grain": "quarter", "period_start": Q2},
            {
                "customers_at_start": 3,
                "customers_lost": 2,
                "sales_of_customers_at_start": 390,
                "average_sales_per_customer": 130,
                "lost_sales": 260,
                "lost_sales_annualised": 1040,
                "profit_margin": 0.4,
                "profit": 156,
                "lost_profit": 104,
            },
        ),
        (
            "lost_revenue",
            {"period_grain": "month", "period_start": date(2024, 5, 1)},
            {"customers_lost": 1, "lost_sales": Decimal("26.67")},
        ),
        (
            "customer_value",
            {"customer_id": "F"},
            {"revenue": 150, "profit_margin": 0.4, "gross_profit": 60, "average_check": 75, "tenure_days": 131},
        ),
        (
            "customer_value",
            {"customer_id": "G"},
            {"revenue": 250, "purchase_amount": 280, "average_check": 140, "gross_profit": None},
        ),
        (
            "lifetime_value",
            {"period_grain": "quarter", "period_start": Q2},
            {"lifetime_value": 78, "expected_lifetime_months": 4.5},
        ),
        (
            "average_check",
            {"period_grain": "quarter", "period_start": Q1},
            {"purchases": 4, "purchase_amount": 390, "customers_purchasing": 3, "revenue": 390}
            | {"average_check": Decimal("97.50"), "median_check": 75, "revenue_per_customer": 130},
        ),
        (
            "average_check",
            {"period_grain": "quarter", "period_start": Q2},
            {"purchases": 1, "purchase_amount": 80, "customers_purchasing": 1, "revenue": 50}
            | {"average_check": 80, "median_check": 80, "revenue_per_customer": 50},
        ),
        (
            "cohort_retention",
            {"cohort_grain": "quarter", "age": 1},
            {"cohort_size": 3, "customers_active": 3, "customers_at_close": 1, "close_retention_rate": 1 / 3}
            | {"customers_purchasing": 1, "revenue": 50, "cumulative_revenue": 440}
            | {"revenue_per_customer": Decimal("146.67")},
        ),
        (
            "survival_curves",
            {"tenure_days": 90},
            {"at_risk": 3, "lost": 1, "survival_low": 0.054, "survival_high": 0.945},
        ),
        (
            "survival_curves",
            {"tenure_days": 131},
            {"at_risk": 2, "lost": 1, "survival_low": 0.009, "survival_high": 0.774},
        ),
        (
            "staff_retention",
            {"employee_id": "e1", "period_start": Q1},
            {"first_time_customers": 2, "observed_90d": 2, "return_rate_90d": 1, "return_rate_same_employee_90d": 0.5},
        ),
        (
            "staff_retention",
            {"employee_id": "e2", "period_start": Q1},
            {"first_time_customers": 1, "return_rate_90d": 0},
        ),
        (
            "lost_customers",
            {"customer_id": "F"},
            {"sales_last_365_days": 150, "expected_recoverable_sales": 51, "win_back_rank": 1},
        ),
        (
            "lost_customers",
            {"customer_id": "H"},
            {"complaint_answered_promptly": True, "expected_recoverable_sales": Decimal("20.80"), "win_back_rank": 2},
        ),
        (
            "at_risk_customers",
            {"customer_id": "G"},
            {"signals": "spending_down", "score": 1, "revenue_at_risk": 250},
        ),
        (
            "loyalty_scorecard",
            {"period_grain": "quarter", "period_start": Q2},
            {"repeat_rate": 1, "repeat_rate_change": 2 / 3},
        ),
    ],
)
def test_company_p(published: dict[str, list[dict]], mart: str, key: dict, expected: dict) -> None:
    shows(published[mart], key, expected)


def shows(rows: list[dict], key: dict, expected: dict) -> None:
    """Whether the one row of that key has these values, rates as the document rounds them."""
    [row] = [row for row in rows if key.items() <= row.items()]
    for column, value in expected.items():
        assert row[column] == (pytest.approx(value, abs=0.0005) if isinstance(value, float) else value), column


@pytest.fixture(scope="module")
def company_s() -> dict[str, list[dict]]:
    rows = [
        ("A", date(2023, 12, 15), None, 10),
        ("B", date(2024, 1, 1), date(2024, 3, 1), 20),
        ("C", date(2024, 1, 10), date(2024, 2, 10), 30),
        ("C", date(2024, 4, 5), None, 30),
        ("D", date(2024, 2, 5), date(2024, 2, 20), 40),
        ("E", date(2023, 11, 20), date(2024, 2, 15), 50),
        ("E", date(2024, 2, 15), None, 80),
    ]
    subscriptions = [
        Subscription(customer, start, customer, ended_on=end, unit_price=Decimal(price))
        for customer, start, end, price in rows
    ]
    scores = zip("ABCE", (10, 9, 7, 3), strict=True)
    surveys = [Survey(name, name, "nps", Decimal(score), datetime(2024, 2, 1)) for name, score in scores]
    return marts(
        Company(date(2024, 4, 30), policies=Policies(segments=()), subscriptions=subscriptions, surveys=surveys)
    )


@pytest.mark.parametrize(
    ("definition", "rate"),
    [
        ("lost_over_start", 0.25),
        ("net_change", 0.25),
        ("lost_over_average", 0.2857),
        ("events_over_start", 0.5),
        ("lost_over_start_and_new", 0.4),
        ("daily", 0.45),
    ],
)
def test_february_of_company_s_by_definition(company_s: dict[str, list[dict]], definition: str, rate: float) -> None:
    february = {"period_grain": "month", "period_start": date(2024, 2, 1), "definition": definition}
    shows(company_s["churn_rate_by_definition"], february, {"rate": rate})


@pytest.mark.parametrize(
    ("mart", "key", "expected"),
    [
        (
            "churn_rates",
            {"period_grain": "quarter", "period_start": Q1},
            {"customers_at_start": 2, "customers_lost": 0, "customers_new": 0, "customers_passed_through": 3},
        ),
        (
            "revenue_retention",
            {"period_grain": "month", "period_start": date(2024, 2, 1)},
            {"gross_revenue_retention": 0.7273, "net_revenue_retention": 1, "quick_ratio": 1},
        ),
        (
            "net_promoter_score",
            {"period_grain": "month", "period_start": date(2024, 2, 1)},
            {"nps": 25, "nps_low": pytest.approx(-56.26, abs=0.005), "nps_high": 100},
        ),
        ("fct_customer_spells", {"customer_id": "C", "spell_number": 1}, {"tenure_days": 31, "is_open": False}),
        ("fct_customer_spells", {"customer_id": "C", "spell_number": 2}, {"tenure_days": 26, "is_open": True}),
    ],
)
def test_company_s(company_s: dict[str, list[dict]], mart: str, key: dict, expected: dict) -> None:
    shows(company_s[mart], key, expected)


def test_percentiles_interpolate() -> None:
    assert quantile([Fraction(1), Fraction(3), Fraction(30)], NINE_TENTHS) == pytest.approx(24.6)
