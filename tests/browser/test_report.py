"""The report in a real browser: it renders, says what the marts say, asks the network for nothing,
and can be used by everyone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

LANGUAGES = ["en", "bg", "ru", "fil"]
WIDTHS = {"phone": 390, "desktop": 1280}
SECTIONS = [
    "headline",
    "churn",
    "cohorts",
    "mrr",
    "lost_sales",
    "reasons",
    "survival",
    "staff",
    "win_back",
    "risk",
    "quality",
]


@pytest.fixture
def visit(browser):
    """Open a warehouse's report; whatever the page complains of or requests fails the test."""
    contexts, complaints = [], []

    def visiting(warehouse: Path, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **{"locale": "en-GB", **options})
        contexts.append(context)
        address = (warehouse / "report" / "index.html").as_uri()
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: request.url.startswith((address, "data:")) or complaints.append(f"requested {request.url}"),
        )
        page.goto(address)
        page.wait_for_selector("body[data-ready=yes]")
        return page

    yield visiting
    for context in contexts:
        context.close()
    assert complaints == []


def choose(page: Any, label: str, value: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).select_option(value)
    page.wait_for_selector("body[data-ready=yes]")


def check(page: Any, group: str, choice: str) -> None:
    page.get_by_role("group", name=group, exact=True).get_by_role("radio", name=choice, exact=True).check(force=True)
    page.wait_for_selector("body[data-ready=yes]")


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_renders_whole(warehouse, visit, language, width):
    page = visit(warehouse, width, locale=language)
    assert page.locator("html").get_attribute("lang") == language
    assert page.evaluate("[...document.querySelectorAll('section')].map((section) => section.id)") == SECTIONS
    assert page.locator(".chart").count() == page.locator(".chart svg").count() > 10
    assert page.locator(".nothing").count() == 0
    assert "{" not in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = page.evaluate("""
        [...document.querySelectorAll('.chart text')].filter((text) => {
            const [inner, outer] = [text, text.closest('.chart')].map((part) => part.getBoundingClientRect());
            const isOutside = inner.left < outer.left - 1 || inner.right > outer.right + 1;
            return inner.width && isOutside || text.textContent.endsWith('…');
        }).map((text) => text.textContent)
    """)
    assert cut == []


def test_every_language_is_whole_and_is_remembered(warehouse, visit):
    page = visit(warehouse)
    titles = set()
    for language in LANGUAGES:
        page.locator("#controls select").last.select_option(language)
        page.wait_for_selector("body[data-ready=yes]")
        titles.add(page.title())
        page.reload()
        page.wait_for_selector("body[data-ready=yes]")
        assert page.locator("html").get_attribute("lang") == language
    assert len(titles) == len(LANGUAGES)
    assert page.evaluate("new Set(Object.values(texts).map((one) => Object.keys(one).sort().join())).size") == 1


def test_numbers_are_the_readers_and_words_the_pages(warehouse, visit):
    page = visit(warehouse, locale="de-DE")
    assert page.evaluate("number(1234567)") == "1.234.567"
    assert page.evaluate("periodName('month', '2025-03-01')") == "March 2025"


# what is chosen, the column that is shown then, and its rate
MEASURES = [
    ("active", "customers_active", "retention_rate"),
    ("purchasing", "customers_purchasing", "purchase_rate"),
    ("mrr", "mrr_at_close", "mrr_retention_rate"),
    ("revenue", "revenue", "revenue_per_customer"),
]


@pytest.mark.parametrize("grain", ["month", "quarter", "year"])
def test_the_heat_map_is_the_mart(warehouse, visit, grain):
    page = visit(warehouse)
    check(page, "By", grain.capitalize())
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        for segment_type, segment in (("all", "all"), ("country", "BG"), ("country", "</script>")):
            position = page.evaluate(
                "([type, value]) => segments.findIndex((one) => one.type === type && one.value === value)",
                [segment_type, segment],
            )
            choose(page, "Customers", str(position))  # draws everything again, so all measures are looked at
            for measure, column, rate in MEASURES:
                choose(page, "What", measure)
                for choice, expected in (
                    ("Number" if measure in ("active", "purchasing") else "Amount", column),
                    ("Per customer, so far" if measure == "revenue" else "Share", rate),
                ):
                    check(page, "As", choice)
                    rows = con.execute(
                        f"select cohort_start::varchar, age, is_complete, {expected}::double"
                        " from marts.cohort_retention"
                        " where cohort_grain = ? and segment_type = ? and segment = ?",
                        [grain, segment_type, segment],
                    ).fetchall()
                    assert_cells_show(page, rows, expected, is_rate=expected == rate)


def assert_cells_show(page: Any, rows: list[tuple], column: str, is_rate: bool) -> None:
    """The cells of the heat map are these rows: cohort, age, whether the period is over, value of the column."""
    cells = page.evaluate("""[...document.querySelectorAll('.heat td[data-age]')].map((cell) => [
        cell.dataset.cohort, Number(cell.dataset.age), cell.className, cell.dataset.value ?? null,
        cell.innerText.trim(),
    ])""")
    shown = {(cohort, age): (kind, value, text) for cohort, age, kind, value, text in cells}
    assert set(shown) == {(cohort, age) for cohort, age, *_ in rows}, column
    for cohort, age, complete, value in rows:
        kind, found, text = shown[cohort, age]
        assert kind == ("cell" if complete else "ongoing"), column
        if is_rate and (not complete or value is None):
            assert found is None, column
            assert not any(letter.isdigit() for letter in text), column
        else:  # revenue_per_customer is rounded in the mart
            assert float(found) == pytest.approx(
                value, rel=1e-9, abs=0.00501 if column == "revenue_per_customer" else 1e-9
            ), column


def test_filters_change_what_is_shown(warehouse, visit):
    page = visit(warehouse)
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        last = (
            "select customers_at_end from marts.churn_rates where is_complete and period_grain = ?"
            " and segment_type = ? and segment = ? order by period_start desc limit 1"
        )
        for grain, kind, value in (
            ("month", "all", "all"),
            ("quarter", "all", "all"),
            ("quarter", "country", "PH"),
            ("month", "country", "PH"),
        ):
            check(page, "By", grain.capitalize())
            choose(
                page,
                "Customers",
                str(
                    page.evaluate(
                        "([type, value]) => segments.findIndex((one) => one.type === type && one.value === value)",
                        [kind, value],
                    )
                ),
            )
            [(expected,)] = con.execute(last, [grain, kind, value]).fetchall()
            assert page.locator("#headline .value").first.inner_text() == f"{expected:,}"
    before = page.locator("#mrr .lead").inner_text()
    page.locator("#mrr select").select_option(index=3)
    assert page.locator("#mrr .lead").inner_text() != before
    choose(page, "Compare by", "country")
    assert set(page.locator("#survival .meaning").all_inner_texts()) == {
        "BG",
        "PH",
        "</script>",
    }  # nobody of the others has left


def test_the_keyboard_reaches_everything(warehouse, visit):
    page = visit(warehouse)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("radio", name="Month", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-ready=yes]")
    assert page.evaluate("state.grain") == "quarter"
    language = page.locator("#controls select").last
    language.focus()
    language.select_option("bg")
    page.wait_for_selector("body[data-ready=yes]")
    assert page.evaluate("document.activeElement.value") == "bg"


def test_a_shop_is_told_what_to_deliver(shop, visit):
    page = visit(shop, 390)
    wanted = {section: page.locator(f"#{section} .nothing code").all_inner_texts() for section in SECTIONS}
    assert {section: extracts for section, extracts in wanted.items() if extracts} == {
        "mrr": ["billing.subscriptions"],
        "reasons": ["crm.departures"],
        "staff": ["billing.invoices.employee_id"],
        "win_back": ["crm.outreach"],
    }
    assert page.locator(".heat td").count() > 20


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            [
                "1 of 1 customer stayed",
                "1 of 2 customers stayed",
                "5 of 5 customers stayed",
                "21 of 21 customers stayed",
            ],
        ),
        (
            "bg",
            ["остана 1 от 1 клиент", "остана 1 от 2 клиенти", "останаха 5 от 5 клиенти", "останаха 21 от 21 клиенти"],
        ),
        (
            "ru",
            [
                "остался 1 из 1 клиента",
                "остался 1 из 2 клиентов",
                "остались 5 из 5 клиентов",
                "остался 21 из 21 клиента",
            ],
        ),
        (
            "fil",
            [
                "nanatili ang 1 sa 1 customer",
                "nanatili ang 1 sa 2 customer",
                "nanatili ang 5 sa 5 customer",
                "nanatili ang 21 sa 21 customer",
            ],
        ),
    ],
)
def test_counts_by_the_plural_rules_of_the_language(warehouse, visit, language, told):
    page = visit(warehouse, locale=language)
    counts = [(1, 1), (1, 2), (5, 5), (21, 21)]
    shown = page.evaluate(
        "(counts) => counts.map(([kept, start]) => t('headline_lead', { period: 'P', kept, start }))", counts
    )
    assert shown == [f"P: {words}. " for words in told]
    days = {
        "en": ["1 day", "2 days", "5 days", "21 days"],
        "bg": ["1 ден", "2 дни", "5 дни", "21 дни"],
        "ru": ["1 день", "2 дня", "5 дней", "21 день"],
        "fil": ["1 araw", "2 araw", "5 araw", "21 araw"],
    }[language]
    assert page.evaluate("[1, 2, 5, 21].map((days) => t('days_count', { days }))") == days


def test_stale_extracts_show_as_a_banner_in_every_language(warehouse, visit):
    page = visit(warehouse)
    days = page.evaluate("number(data.days_behind)")
    assert page.locator("#stale").inner_text() == (
        f"The data ends on 8 November 2025, {days} days before this refresh: what happened since is not in the numbers."
    )
    seen = set()
    for language in LANGUAGES:
        page.locator("#controls select").last.select_option(language)
        page.wait_for_selector("body[data-ready=yes]")
        seen.add(page.locator("#stale").inner_text())
    assert len(seen) == len(LANGUAGES)
    assert all(days in text for text in seen)


def test_never_says_that_nobody_was_lost_when_customers_were(dormant, visit):
    page = visit(dormant)
    with duckdb.connect(str(dormant / "churn.duckdb"), read_only=True) as con:
        [(lost, sales)] = con.execute(
            "select sum(customers_lost), sum(lost_customers_sales) from marts.lost_revenue where segment_type = 'all'"
        ).fetchall()
    assert lost > 0
    assert sales == 0
    for language in LANGUAGES:
        page.locator("#controls select").last.select_option(language)
        page.wait_for_selector("body[data-ready=yes]")
        for grain in ("month", "quarter", "year"):
            page.locator(f"#controls input[value={grain}]").check(force=True)
            page.wait_for_selector("body[data-ready=yes]")
            told = page.locator("main").inner_text()
            none = page.evaluate("['lost_none', 'survival_none'].map((key) => t(key))")
            assert [text for text in none if text in told] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_serious_for_axe(warehouse, visit, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(warehouse, width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    violations = Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"]) for one in violations if one["impact"] in ("serious", "critical")
    ] == []


def test_prints_without_controls_and_in_light_colours(warehouse, visit):
    page = visit(warehouse, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("#controls").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor") == "rgb(255, 255, 255)"
