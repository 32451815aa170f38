"""dbt's documentation in a real browser without a network: it opens from the folder, finds a column,
draws what it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WILSON = "Lower end of Wilson's 95 % interval of the churn rate."


@pytest.fixture
def page(browser: Any, warehouse: Path) -> Iterator[Any]:
    """The page; whatever it complains of or requests fails the test."""
    address, complaints = (warehouse / "docs" / "index.html").as_uri(), []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: request.url.startswith((address, "data:")) or complaints.append(f"requested {request.url}"),
    )
    page.goto(address)
    page.get_by_role("heading", name="The warehouse, table by table").wait_for()
    yield page
    context.close()
    assert complaints == []


def test_a_reader_finds_what_a_column_means(page: Any) -> None:
    page.locator("input:visible").first.fill("Lower end of Wilson")
    page.get_by_role("heading", name="churn_rates model").click()
    page.get_by_text("churn_rate_low", exact=True).locator("visible=true").first.click()
    page.get_by_text(WILSON, exact=True).locator("visible=true").first.wait_for()
    assert "churn.marts.churn_rates" in page.locator("body").inner_text()


def test_lineage_shows_who_reads_a_mart(page: Any) -> None:
    page.goto(f"{page.url.partition('#')[0]}#!/exposure/exposure.churn_warehouse.workbook")
    page.get_by_role("link", name="loyalty_scorecard").first.wait_for()
    page.locator(".launcher").click()
    page.locator("canvas").locator("visible=true").first.wait_for()
