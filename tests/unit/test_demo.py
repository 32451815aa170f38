"""The demo company is the same everywhere, believable, and as messy as it says."""

import csv
import gzip
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import duckdb
import pytest

from orchestration.contract.mapping import load_mapping
from orchestration.demo import AS_OF, BAD_ROWS, live, write_extracts
from orchestration.demo.writing import CORRECTED, CORRECTED_ROWS, RESENT
from orchestration.loading.discovery import find_extracts
from tests.unit.test_seeds import REASON_OF, reason_of

QUARTERS = [date(year, month, 1) for year in (2024, 2025) for month in (1, 4, 7, 10)]


@pytest.fixture(scope="module")
def company():
    return live()


@pytest.fixture(scope="module")
def extracts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "extracts"
    write_extracts(folder)
    return folder


def test_the_same_bytes_each_time(extracts, tmp_path):
    write_extracts(tmp_path)
    files = sorted(path.relative_to(extracts) for path in extracts.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [file for file in files if (extracts / file).read_bytes() != (tmp_path / file).read_bytes()] == []


def test_some_five_thousand_customers_in_three_years(company):
    assert len(company.customers) == 5_000
    assert {customer.joined.year for customer in company.customers} == {2023, 2024, 2025}
    assert {subscription.currency for subscription in company.subscriptions} == {"EUR", "USD"}
    assert {customer.language for customer in company.customers} == {"bg", "ru", "fil", "en"}
    moments = (
        [i.issued_at for i in company.invoices]
        + [p.paid_at for p in company.payments]
        + [d.noted_at for d in company.departures]
    )
    assert max(moments).date() <= AS_OF


def test_a_believable_share_of_subscribers_leaves(company):
    """3 to 5.5 % a month, by and large, and those answered slowly leave more."""
    subscribers = [customer for customer in company.customers if customer.buys == "subscription"]
    for start in QUARTERS:
        end = start + timedelta(days=91)
        at_start = [customer for customer in subscribers if customer.is_active(start)]
        lost = sum(not customer.is_active(end) for customer in at_start)
        assert 0.08 < lost / len(at_start) < 0.18


def test_reasons_move_over_time(company):
    def share(reason, start, end):
        codes = [d.reason_code for d in company.departures if start <= d.left_on < end]
        return codes.count(reason) / len(codes)

    assert share("competitor", date(2025, 7, 1), date(2026, 1, 1)) > 1.5 * share(
        "competitor", date(2023, 1, 1), date(2024, 7, 1)
    )
    assert share("high_price", date(2025, 2, 1), date(2025, 6, 1)) > 1.5 * share(
        "high_price", date(2023, 1, 1), date(2025, 1, 1)
    )
    assert share("slow_answer", date(2023, 10, 1), date(2024, 3, 1)) > 1.5 * share(
        "slow_answer", date(2024, 6, 1), date(2026, 1, 1)
    )


def test_rows_of_one_subscription_follow_each_other(company):
    rows = sorted(company.subscriptions, key=lambda row: (row.subscription_id, row.started_on))
    for row, following in pairwise(rows):
        assert not row.ended_on or row.ended_on >= row.started_on
        if row.subscription_id == following.subscription_id:
            assert row.ended_on == following.started_on > row.started_on


def test_the_mapping_takes_every_file(extracts):
    found = find_extracts(extracts, load_mapping(extracts))
    deliveries = found.deliveries
    assert found.warnings == []
    assert {delivery.file for delivery in deliveries} | {"extracts.yml"} == {
        path.relative_to(extracts).as_posix() for path in extracts.rglob("*") if path.is_file()
    }
    assert {table for table, _ in BAD_ROWS} <= {delivery.table for delivery in deliveries}


def test_delivered_as_people_do(extracts):
    assert (extracts / RESENT[0]).read_bytes() == (extracts / RESENT[1]).read_bytes()
    invoices = [path.read_text("windows-1251") for path in (extracts / "billing/invoices").iterdir()]
    assert all(text.startswith("Фактура №;Клиент;Дата;") for text in invoices)
    assert any("\u00a0" in text for text in invoices)  # thousands
    assert (extracts / "crm/staff.tsv").read_bytes().startswith(b"\xff\xfe")
    with gzip.open(extracts / "crm/surveys.csv.gz", "rt", encoding="utf-8") as surveys:
        assert surveys.readline().startswith("id,client,")
    types = duckdb.sql(f"describe from '{extracts / 'billing/payments.parquet'}'").fetchall()
    assert {(name, kind) for name, kind, *_ in types} >= {
        ("created", "TIMESTAMP"),
        ("amount_cents", "BIGINT"),
        ("invoice", "VARCHAR"),
    }


def test_the_correction_replaces_amounts_a_hundred_times_too_high(extracts):
    wrong, right = (
        {
            row["Фактура №"]: row
            for row in csv.DictReader((extracts / file).read_text("windows-1251").splitlines(), delimiter=";")
        }
        for file in CORRECTED
    )

    def amount(row):
        return float(row["Сума без ДДС"].replace("\u00a0", "").replace(",", "."))

    assert len(right) == CORRECTED_ROWS
    assert all(amount(wrong[invoice]) == pytest.approx(100 * amount(row)) for invoice, row in right.items())


def test_notes_find_their_reason(company):
    """At least 95 % of the notes, in each language at least 90 %, and none a wrong one."""
    found = {text: reason_of(text) for text in {departure.reason for departure in company.departures}}
    languages = {
        customer.card(day): customer.language for customer in company.customers for day in (date.min, date.max)
    }
    outcomes = Counter()
    for departure in company.departures:
        code = found[departure.reason]
        assert code in (departure.reason_code, "unmapped"), departure.reason
        outcomes[languages[departure.customer_id], code != "unmapped"] += 1
    right = sum(number for (_, mapped), number in outcomes.items() if mapped)
    assert right >= 0.95 * len(company.departures)
    for language in ("en", "bg", "ru", "fil"):
        assert outcomes[language, True] > 9 * outcomes[language, False]
    assert right < len(company.departures)  # some are left to a person


def test_notes_are_not_the_rows_of_the_seed(company):
    notes = {departure.reason for departure in company.departures}
    assert not notes & set(REASON_OF)
    assert len({departure.reason_code for departure in company.departures}) == 16
