"""Why six customers left, calculated by hand.

as_of 2024-06-30, monthly subscriptions in EUR, each month invoiced on its first day.

| who  | [started_on, ended_on) × amount  | what is known of the end                               | complaint, answer |
|------|----------------------------------|--------------------------------------------------------|-------------------|
| Ana  | [01-01, 04-01) 20                | note 04-03: "TOO  expensive!"  = the alias             | minor, 11 hours   |
| Bob  | [01-01, 04-15) 30                | billing: "bad servise", 10/11 similar to "bad service" | serious, 50 hours |
| Cid  | [01-01, 05-01) 10                | note 05-02: "gone to live with grandma", near nothing  | –                 |
| Dora | [01-01, 05-10) 40                | note 05-10: "Moved away", which no offer changes       | –                 |
| Eve  | [01-01, 04-20) 25, [06-01, –) 25 | nothing                                                | –                 |
| Fay  | [01-01, –) 50                    | –                                                      | –                 |

Ana's last day is 31 March: she is there at the opening of 1 April, and lost in April.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from tests.properties.harness import Warehouse
from tests.reference.company import Alias, Case, Company, Customer, Departure, Invoice, Outreach, Reason, Subscription

SPELLS = [
    ("Ana", 20, date(2024, 1, 1), date(2024, 4, 1), None),
    ("Bob", 30, date(2024, 1, 1), date(2024, 4, 15), "bad servise"),
    ("Cid", 10, date(2024, 1, 1), date(2024, 5, 1), None),
    ("Dora", 40, date(2024, 1, 1), date(2024, 5, 10), None),
    ("Eve", 25, date(2024, 1, 1), date(2024, 4, 20), None),
    ("Eve", 25, date(2024, 6, 1), None, None),
    ("Fay", 50, date(2024, 1, 1), None, None),
]
COMPANY = Company(
    as_of=date(2024, 6, 30),
    customers=[
        Customer(
            "Ana",
            name="Ana A.",
            phone="0888 123 456",
            email="ana@example.com",
            contact_allowed=True,
            preferred_channel="sms",
            country="BG",
        ),
        Customer("Bob", name="Bob B.", phone="0888 222 222", contact_allowed=False, country="BG"),
        Customer(
            "Cid",
            name="=Cid",
            email="cid@example.com",
            phone="n/a",
            contact_allowed=True,
            preferred_channel="viber",
            country="BG",
        ),
        Customer(
            "Dora", name="Dora D.", phone="0888 444 444", email="dora@example.com", contact_allowed=True, country="BG"
        ),
        Customer("Eve", contact_allowed=True, phone="0888 555 555"),
        Customer("Fay"),
    ],
    subscriptions=[
        Subscription(f"s{number}", start, customer, ended_on=end, unit_price=Decimal(amount), end_reason=reason)
        for number, (customer, amount, start, end, reason) in enumerate(SPELLS)
    ],
    invoices=[
        Invoice(f"{customer}-{month}", customer, datetime(2024, month, 1, 9), Decimal(amount))
        for customer, amount, start, end, _ in SPELLS
        for month in range(1, 7)
        if start <= date(2024, month, 1) < (end or date(2024, 7, 1))
    ],
    departures=[
        Departure("d1", "Ana", datetime(2024, 4, 3), "TOO  expensive!"),
        Departure("d2", "Cid", datetime(2024, 5, 2), "gone to live with grandma"),
        Departure("d3", "Dora", datetime(2024, 5, 10), "Moved away"),
    ],
    cases=[
        Case("c1", "Ana", datetime(2024, 3, 10, 9), first_response_at=datetime(2024, 3, 10, 20), kind="complaint"),
        Case(
            "c2",
            "Bob",
            datetime(2024, 4, 1, 9),
            first_response_at=datetime(2024, 4, 3, 11),
            kind="complaint",
            severity="serious",
        ),
    ],
    outreach=[
        # Eve is back 31 days after the first message; 90 days are not over at as_of.
        Outreach("o1", "Eve", datetime(2024, 5, 1, 10), "sms", "spring", replied_at=datetime(2024, 5, 2)),
        Outreach("o2", "Eve", datetime(2024, 5, 8, 10), "sms", "spring"),
        # Cid tells why after the message; Fay was never lost; Dora answered by e-mail, so e-mail it is.
        Outreach("o3", "Cid", datetime(2024, 5, 1, 11), "sms", "spring"),
        Outreach("o4", "Fay", datetime(2024, 5, 1, 11), "sms", "spring"),
        Outreach("o5", "Dora", datetime(2024, 6, 20), "email", replied_at=datetime(2024, 6, 21)),
    ],
    reasons=(
        Reason("high_price", "High price", "price", "actionable", "voluntary"),
        Reason("poor_service", "Poor service", "service", "actionable", "voluntary"),
        Reason("moved_away", "Moved away", "circumstances", "objective", "involuntary"),
    ),
    aliases=(
        Alias("too expensive", "high_price"),
        Alias("bad service", "poor_service"),
        Alias("moved away", "moved_away"),
    ),
)


@pytest.fixture(scope="module")
def marts(tmp_path_factory) -> dict[str, list[dict]]:
    names = [
        "churn_rates",
        "churn_reasons",
        "lost_customers",
        "win_back_results",
        "win_back_contacts",
        "unmapped_reasons",
    ]
    return Warehouse(tmp_path_factory.mktemp("reasons"), names).build(COMPANY)


def _table(rows: list[dict], *columns: str) -> set[tuple]:
    found = [tuple(row[column] for column in columns) for row in rows]
    assert len(set(found)) == len(found)
    return set(found)


def test_reasons_of_each_month_beside_the_month_before(marts) -> None:
    months = [row for row in marts["churn_reasons"] if row["period_grain"] == "month" and row["segment_type"] == "all"]
    april, may, june = date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 1)
    # sales are those of the month before: Ana's, Bob's and Eve's March, Cid's and Dora's April; Cid and Dora wait at
    # the opening of May, as do the reasons of April with nobody lost
    assert _table(
        months,
        "period_start",
        "reason_code",
        "customers_lost",
        "share_of_lost",
        "customers_lost_before",
        "change",
        "lost_customers_sales",
        "interviewed",
    ) == {
        (april, "high_price", 1, 1 / 3, 0, 1, 20, 1),
        (april, "poor_service", 1, 1 / 3, 0, 1, 30, 0),
        (april, "not_asked", 1, 1 / 3, 0, 1, 25, 0),
        (may, "high_price", 0, 0, 1, -1, 0, 0),
        (may, "poor_service", 0, 0, 1, -1, 0, 0),
        (may, "not_asked", 0, 0, 1, -1, 0, 0),
        (may, "unmapped", 1, 0.5, 0, 1, 10, 1),
        (may, "moved_away", 1, 0.5, 0, 1, 40, 1),
        (june, "unmapped", 0, None, 1, -1, 0, 0),
        (june, "moved_away", 0, None, 1, -1, 0, 0),
    }
    assert {row["reason"] for row in months if row["reason_group"] == "unknown"} == {"(not asked)", "(unmapped)"}


def test_a_quarter_counts_who_is_lost_over_the_whole_of_it(marts) -> None:
    quarters = [
        row for row in marts["churn_reasons"] if row["period_grain"] == "quarter" and row["segment_type"] == "all"
    ]
    # Eve is there at both ends of the second quarter; sales are those of the first
    assert _table(
        quarters, "period_start", "reason_code", "customers_lost", "share_of_lost", "lost_customers_sales"
    ) == {
        (date(2024, 4, 1), "high_price", 1, 0.25, 60),
        (date(2024, 4, 1), "poor_service", 1, 0.25, 90),
        (date(2024, 4, 1), "unmapped", 1, 0.25, 30),
        (date(2024, 4, 1), "moved_away", 1, 0.25, 120),
    }


def test_lost_customers_in_the_order_to_win_them_back(marts) -> None:
    # Ana 60 × 0.95 (minor, prompt), Bob 120 × 0.34 (serious, heard), Cid 40 × 0.34 (the lowest rate),
    # Dora 0 (objective)
    columns = (
        "win_back_rank",
        "customer_id",
        "lost_on",
        "tenure_days",
        "spells",
        "sales_last_365_days",
        "reason_code",
        "complaint_severity",
        "complaint_answered_promptly",
        "best_channel",
        "expected_recoverable_sales",
    )
    assert _table(marts["lost_customers"], *columns) == {
        (1, "Ana", date(2024, 4, 1), 91, 1, 60, "high_price", "minor", True, "sms", 57),
        (2, "Bob", date(2024, 4, 15), 105, 1, 120, "poor_service", "serious", False, "sms", Decimal("40.80")),
        (3, "Cid", date(2024, 5, 1), 121, 1, 40, "unmapped", None, None, "email", Decimal("13.60")),
        (4, "Dora", date(2024, 5, 10), 130, 1, 200, "moved_away", None, None, "email", 0),
    }


def test_the_mailing_list_has_consent_and_one_address_each(marts) -> None:
    # Bob did not consent; Cid prefers Viber, but "n/a" is no phone number
    assert _table(marts["win_back_contacts"], "customer_id", "name", "channel", "address") == {
        ("Ana", "Ana A.", "sms", "0888 123 456"),
        ("Cid", "=Cid", "email", "cid@example.com"),
        ("Dora", "Dora D.", "email", "dora@example.com"),
    }


def test_unmapped_texts_are_kept_for_a_person(marts) -> None:
    [row] = marts["unmapped_reasons"]
    assert (row["text"], row["normalised"], row["count"]) == (
        "gone to live with grandma",
        "gone to live with grandma",
        1,
    )
    assert row["nearest_alias"] in ("too expensive", "bad service", "moved away")
    assert 0 < row["similarity"] < 0.85


def test_what_the_messages_brought(marts) -> None:
    columns = (
        "campaign",
        "channel",
        "contacted",
        "replied",
        "reasons_learnt",
        "contacted_lost",
        "observed_30d",
        "returned_30d",
        "observed_90d",
        "returned_90d",
        "return_rate_30d",
        "return_rate_90d",
        "revenue_recovered",
    )
    # Cid is still there at the opening of 1 May, the day of the message: only Eve was lost. She brought June's 25.
    assert _table(marts["win_back_results"], *columns) == {
        ("spring", "sms", 3, 1, 1, 1, 1, 0, 0, 0, 0, None, 25),
        ("(unknown)", "email", 1, 1, 0, 1, 0, 0, 0, 0, None, None, 0),
    }
