"""Rows that came later don't change an earlier list of customers at risk: not today's list of an earlier day,
and not the lists that the back-test computes again.

What a system knew on a day is the company cut there: later rows are gone, cases answered or resolved later are open,
and the end of a subscription row stands there only if the row had been written by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from tests.properties.harness import Warehouse
from tests.properties.strategies import Recipe
from tests.reference.company import Case, Company, Departure, Invoice, Payment, Policies, Subscription, Survey
from tests.reference.subscriptions import INACTIVE, status_of, with_meanings

AS_OF = date(2025, 5, 17)
SIGNALS = {"gave_notice", "payment_failing", "overdue", "open_complaint", "slow_answer", "detractor", "spending_down"}
DAY_OF = {
    "cases": "opened_at",
    "surveys": "answered_at",
    "departures": "noted_at",
    "outreach": "sent_at",
    "invoices": "issued_at",
    "invoice_lines": "issued_at",
    "payments": "paid_at",
    "refunds": "refunded_at",
    "fx_rates": "rate_date",
}


def risky(seed: int, basis: str) -> Company:
    """A random company whose customers also show every sign of leaving,
    in the quarter before and the one after some day."""
    company = Recipe(seed, AS_OF, 13, Policies(activity_basis=basis), 160).company()
    rng = Random(seed)
    for customer in sorted({row.customer_id for row in (*company.subscriptions, *company.invoices)}):
        for number in range(6):
            moment = datetime.combine(AS_OF - timedelta(days=rng.randint(0, 390)), datetime.min.time()) + timedelta(
                hours=rng.randint(0, 23)
            )
            name = f"{customer}-{number}"
            company.invoices.append(Invoice(f"i{name}", customer, moment, Decimal(rng.randint(1, 9))))
            company.payments.append(
                Payment(f"p{name}", customer, moment, Decimal(5), rng.choice(("failed", "succeeded")))
            )
            company.surveys.append(Survey(f"s{name}", customer, "nps", Decimal(rng.randint(0, 10)), moment))
            company.departures.append(Departure(f"d{name}", customer, moment, "too expensive"))
            answered = moment + timedelta(hours=rng.choice((1, 30, 300)))
            if rng.random() < 0.3:
                company.cases.append(
                    Case(
                        f"c{name}",
                        customer,
                        moment,
                        answered,
                        answered + timedelta(days=rng.choice((0, 9))),
                        "complaint",
                    )
                )
    # a row may be written long before it ends, on that day, or corrected later
    rows = [
        replace(
            row,
            updated_at=datetime.combine(
                row.ended_on - timedelta(days=rng.choice((-9, 0, 60, 200))), datetime.min.time()
            ),
        )
        if row.ended_on and rng.random() < 0.8
        else row
        for row in with_meanings(company)
    ]
    # of those that end, some run on beside it, or are followed by new terms that were written with the end
    for row in [row for row in rows if row.updated_at and row.ended_on and rng.random() < 0.5]:
        start = rng.choice((row.started_on, row.ended_on))
        rows.append(
            Subscription(
                f"{row.subscription_id}-beside",
                start,
                row.customer_id,
                unit_price=Decimal(7),
                updated_at=rng.choice((None, row.updated_at)),
                status_means="now",
            )
        )
    # of a subscription that both tables have, a later row would replace all events
    kept = {row.subscription_id for row in rows}
    events = [event for event in company.subscription_events if event.subscription_id not in kept]
    return replace(company, subscriptions=rows, subscription_events=events)


def cut(company: Company, last_day: date) -> Company:
    """What was known at the end of a day of the company's rows but those of subscriptions."""

    def day(moment: date | None) -> date:
        return moment.date() if isinstance(moment, datetime) else moment or date.max

    kept = {
        table: [row for row in getattr(company, table) if day(getattr(row, column)) <= last_day]
        for table, column in DAY_OF.items()
    }
    kept["cases"] = [
        replace(
            case, **{name: None for name in ("first_response_at", "resolved_at") if day(getattr(case, name)) > last_day}
        )
        for case in kept["cases"]
    ]
    return replace(company, **kept)


def cut_subscriptions(company: Company, last_day: date) -> Company:
    """What was known of these: no later row that hadn't been written, no later end that hadn't been,
    and no status of now that began later."""

    def as_written(row):
        inactive_on = row.ended_on or row.inactive_on or row.seen_as_of or company.as_of
        if row.status_means == "now" and status_of(row) in INACTIVE and inactive_on > last_day:
            row = replace(row, status=None, inactive_on=None, seen_as_of=None)
        known = row.updated_at is not None and row.updated_at.date() <= last_day
        if row.started_on > last_day and not known:
            return None
        return (
            row
            if known or row.ended_on is None or row.ended_on <= last_day
            else replace(row, ended_on=None, updated_at=None)
        )

    rows = [written for row in company.subscriptions if (written := as_written(row))]
    return replace(
        company,
        subscriptions=rows,
        subscription_events=[event for event in company.subscription_events if event.occurred_on <= last_day],
    )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Warehouse:
    return Warehouse(
        tmp_path_factory.mktemp("warehouse"), ["at_risk_customers", "at_risk_backtest", "fct_customer_spells"]
    )


def signals(warehouse: Warehouse, until: date) -> set[tuple[date, str, str]]:
    """Day, customer and signal of the back-test's lists until a day, as the company built last has them."""
    query = """
        select assessed_on, customer_id, signal from intermediate.int_risk_signals
        semi join (select assessed_on from intermediate.int_assessments where not is_current and assessed_on <= ?)
            using (assessed_on)
    """
    return set(warehouse.con.execute(query, [until]).fetchall())


def listed(rows: Iterable[dict]) -> set[tuple]:
    found = [tuple(row.values()) for row in rows]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.mark.parametrize("basis", ["auto", "purchase"])
def test_later_rows_do_not_change_the_list_of_an_earlier_day(warehouse, basis):
    """An end that a row names is a scheduled one, whenever it was written: so the definitions have it."""
    company = replace(risky(1, basis), as_of=date(2025, 1, 20))
    lists = [warehouse.build(one) for one in (company, cut(company, company.as_of))]
    assert listed(lists[0]["at_risk_customers"]) == listed(lists[1]["at_risk_customers"])
    assert listed(lists[0]["at_risk_backtest"]) == listed(lists[1]["at_risk_backtest"])
    shown = {signal for row in lists[0]["at_risk_customers"] for signal in row["signals"].split(", ")}
    assert shown == SIGNALS - ({"gave_notice"} if basis == "purchase" else set())


@pytest.mark.parametrize("basis", ["subscription", "purchase"])
def test_the_back_test_computes_the_lists_of_their_days(warehouse, basis):
    """At the opening of a quarter it flags whom the list of the day before named, from what was known then."""
    company = risky(3, basis)
    quarter = date(2025, 1, 1)
    day_before = quarter - timedelta(days=1)
    known_then = cut_subscriptions(cut(company, day_before), day_before)

    today = warehouse.build(company)
    flagged = signals(warehouse, quarter)
    then = warehouse.build(replace(known_then, as_of=day_before))
    assert signals(warehouse, quarter) <= flagged

    list_then = {
        (row["customer_id"], signal) for row in then["at_risk_customers"] for signal in row["signals"].split(", ")
    }
    assert {(customer, signal) for day, customer, signal in flagged if day == quarter} == list_then
    assert {signal for _, signal in list_then} == SIGNALS - ({"gave_notice"} if basis == "purchase" else set())

    counted = {row["signal"]: row["flagged"] for row in today["at_risk_backtest"] if row["quarter_start"] == quarter}
    by_signal = Counter(signal for _, signal in list_then)
    assert counted == {signal: by_signal[signal] for signal in SIGNALS} | {
        "any": len({customer for customer, _ in list_then})
    }

    # and whatever came since may change what became of them, but not who was on the lists
    warehouse.build(replace(known_then, as_of=AS_OF))
    assert signals(warehouse, quarter) == flagged
