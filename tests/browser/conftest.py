"""A company and its published warehouse, and a browser that may not use the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.churn import published, write_csv

# In the middle of a month, a quarter and a year: their cells are not over.
AS_OF = date(2025, 11, 20)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def _invoices(n: int, started: date, ended: date | None) -> Iterator[dict[str, Any]]:
    day = started
    while day < min(ended or AS_OF, AS_OF):
        yield {
            "invoice_id": f"i{n}-{day:%y%m%d}",
            "customer_id": f"c{n}",
            "issued_at": day,
            "amount": 10 + n % 30,
            "cost": 4,
            "currency": "EUR",
            "employee_id": f"e{n % 4}",
        }
        day += timedelta(days=28)


def write_company(folder: Path) -> None:
    """120 subscribers, of whom every second leaves; every extract that a section of the report is about."""
    lives = []
    for n in range(120):
        started = date(2024, 1, 3) + timedelta(days=5 * n)
        ended = started + timedelta(days=(70, 130, 260, 900)[n % 4])
        lives.append((n, started, ended if ended <= AS_OF else None))
    lost = [(n, ended) for n, _, ended in lives if ended]
    tables = {
        # A value that would end the element which holds the page's data
        "crm/customers": (
            {
                "customer_id": f"c{n}",
                "name": f"Ivan Planted{n}",
                "email": f"planted{n}@shop.example",
                "country": ("BG", "PH", "</script>", "")[n % 4],
                "acquisition_channel": "ads",
                "contact_allowed": "yes",
                "preferred_channel": "email",
            }
            for n, _, _ in lives
        ),
        "crm/employees": ({"employee_id": f"e{n}", "name": f"Employee Planted{n}", "team": "North"} for n in range(4)),
        "crm/departures": (
            {
                "departure_id": f"d{n}",
                "customer_id": f"c{n}",
                "noted_at": ended,
                "reason": ("high price", "moved away", "competitor", "zzz qqq")[n % 7 % 4],
            }
            for n, ended in lost
            if n % 3
        ),
        "crm/cases": (
            {
                "case_id": f"k{n}",
                "customer_id": f"c{n}",
                "opened_at": f"{ended - timedelta(days=20)} 09:00:00",
                "first_response_at": f"{ended - timedelta(days=18)} 09:00:00",
                "kind": "complaint",
                "severity": "serious",
            }
            for n, ended in lost
            if n % 2
        ),
        "crm/surveys": (
            {
                "response_id": f"r{n}",
                "customer_id": f"c{n}",
                "kind": "nps",
                "score": n % 11,
                "answered_at": started + timedelta(days=30),
            }
            for n, started, _ in lives
            if started < date(2025, 10, 1)
        ),
        "crm/outreach": (
            {
                "outreach_id": f"o{n}",
                "customer_id": f"c{n}",
                "sent_at": ended + timedelta(days=5),
                "channel": ("email", "sms")[n % 2],
                "campaign": "spring",
            }
            for n, ended in lost
            if ended < date(2025, 11, 1)
        ),
        "billing/subscriptions": [
            *(
                {
                    "subscription_id": f"s{n}",
                    "customer_id": f"c{n}",
                    "started_on": started,
                    "ended_on": ended,
                    "unit_price": 10 + n % 30,
                    "currency": "EUR",
                }
                for n, started, ended in lives
            ),
            *(
                {
                    "subscription_id": f"b{n}",
                    "customer_id": f"c{n}",
                    "started_on": ended + timedelta(days=40),
                    "ended_on": None,
                    "unit_price": 12,
                    "currency": "EUR",
                }
                for n, ended in lost
                if n % 8 == 0
            ),
        ],
        "billing/invoices": [row for n, started, ended in lives for row in _invoices(n, started, ended)],
    }
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows)


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    write_company(folder / "extracts")
    return published(folder, AS_OF)


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse of a company that delivers its purchases and nothing else."""
    folder = tmp_path_factory.mktemp("shop")
    rows = [
        row
        for n in range(30)
        for row in _invoices(n, date(2025, 1, 3) + timedelta(days=6 * n), date(2025, 9, 1) if n % 3 else None)
    ]
    write_csv(
        folder / "extracts" / "billing" / "invoices.csv",
        [
            {name: row[name] for name in ("invoice_id", "customer_id", "issued_at", "amount", "currency")}
            for row in rows
        ],
    )
    return published(folder, AS_OF)


@pytest.fixture(scope="package")
def dormant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse of a company whose lost subscribers had bought nothing: only those who stay are invoiced."""
    folder = tmp_path_factory.mktemp("dormant")
    lives = [(n, date(2024, 1, 3) + timedelta(days=9 * n), date(2025, 3, 5) if n % 4 == 0 else None) for n in range(30)]
    write_csv(
        folder / "extracts" / "billing" / "subscriptions.csv",
        [
            {
                "subscription_id": f"s{n}",
                "customer_id": f"c{n}",
                "started_on": started,
                "ended_on": ended,
                "unit_price": 10,
                "currency": "EUR",
            }
            for n, started, ended in lives
        ],
    )
    write_csv(
        folder / "extracts" / "billing" / "invoices.csv",
        [
            {name: row[name] for name in ("invoice_id", "customer_id", "issued_at", "amount", "currency")}
            for n, started, ended in lives
            if ended is None
            for row in _invoices(n, started, ended)
        ],
    )
    return published(folder, AS_OF)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its own sandbox needs rights that containers do not give; the only page is ours.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()
