"""The reference's own parts, each at the edge where a definition is easily missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from lifelines import KaplanMeierFitter

from tests.reference import marts
from tests.reference.company import (
    Alias,
    Case,
    Company,
    Customer,
    CustomerId,
    Departure,
    FxRate,
    Invoice,
    InvoiceLine,
    Plan,
    Policies,
    Reason,
    Subscription,
    SubscriptionEvent,
)
from tests.reference.customers import all_customers, cards, survivors
from tests.reference.facts import Facts
from tests.reference.invoices import billed
from tests.reference.money import MissingRate, rounded, wilson
from tests.reference.periods import grid, start_of
from tests.reference.reasons import code_of, levenshtein, normalised
from tests.reference.subscriptions import monthly_amount, rows_of_events

AS_OF = date(2024, 4, 30)
NO_SEGMENTS = Policies(segments=())


def company(*rows, policies: Policies = NO_SEGMENTS, **tables) -> Company:
    return Company(AS_OF, policies=policies, subscriptions=list(rows), **tables)


def row(start: date, end: date | None = None, mrr: str = "10", name: str = "s1", **more) -> Subscription:
    return Subscription(name, start, "A", ended_on=end, unit_price=Decimal(mrr), **more)


def spells(company: Company) -> list[tuple]:
    customers = Facts(company).customers
    return [(spell.started_on, spell.ended_on, spell.scheduled_end_on) for one in customers for spell in one.spells]


def d(month: int, day: int) -> date:
    return date(2024, month, day)


@pytest.mark.parametrize(
    "exact, money",
    [
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("0.00499999", "0.00"),
        ("37.425", "37.43"),
        ("-1.235", "-1.24"),
        ("2.5", "2.50"),
    ],
)
def test_money_is_rounded_half_away_from_zero(exact, money):
    assert rounded(Fraction(exact)) == Decimal(money)


def test_wilson_of_a_published_rate():
    low, high = wilson(55, 182)
    assert (round(low, 10), round(high, 10)) == (0.2401380235, 0.3724349706)
    assert wilson(0, 0) == (None, None)


@pytest.mark.parametrize(
    "grain, first_month, day, start",
    [
        ("month", 4, date(2024, 2, 29), date(2024, 2, 1)),
        ("quarter", 2, date(2024, 1, 31), date(2023, 11, 1)),
        ("year", 4, date(2024, 3, 31), date(2023, 4, 1)),
        ("year", 4, date(2024, 4, 1), date(2024, 4, 1)),
    ],
)
def test_periods_are_fiscal(grain, first_month, day, start):
    assert start_of(grain, day, first_month) == start


def test_running_period_ends_after_as_of():
    *_, last = grid("month", d(1, 20), d(3, 15), 1)
    assert (last.start, last.end, last.is_complete) == (d(3, 1), d(3, 16), False)
    *_, last = grid("month", d(1, 20), d(3, 31), 1)
    assert (last.end, last.is_complete) == (d(4, 1), True)


@pytest.mark.parametrize(
    "terms, amount",
    [
        ({"unit_price": Decimal("119.99"), "interval": "year"}, "10.00"),
        ({"unit_price": Decimal(7), "interval": "week", "interval_count": 2}, "15.17"),  # 7 × 52 ÷ 24
        ({"unit_price": Decimal(1), "interval": "day", "interval_count": 30}, "1.01"),  # 365 ÷ 360
        ({"unit_price": Decimal("49.90"), "discount_rate": Decimal("0.25")}, "37.43"),
        ({"unit_price": Decimal(9), "interval_count": 3}, "9.00"),  # a count without an interval is ignored
        ({"plan_id": "yearly", "interval_count": 3}, "5.00"),  # and gives way to the plan's
        ({"plan_id": "yearly", "currency": "EUR"}, "10.00"),
        ({"plan_id": "nowhere"}, "0.00"),
    ],
)
def test_monthly_amount(terms, amount):
    plan = Plan("yearly", interval="year", interval_count=1, price=Decimal(120), currency="USD")
    rates = [FxRate(d(1, 1), "USD", Decimal("0.5")), FxRate(d(1, 3), "USD", Decimal(7))]
    subscription = Subscription("s", d(1, 2), "A", **terms)
    assert monthly_amount(company(plans=[plan], fx_rates=rates), subscription) == Decimal(amount)


def test_missing_rate_names_currency_and_day():
    with pytest.raises(MissingRate, match="USD .* 2024-01-01"):
        marts(company(row(d(1, 1), currency="USD")))


def test_rows_of_an_event_log():
    def event(day: date, kind: str | None, **more) -> SubscriptionEvent:
        return SubscriptionEvent("s", "A", day, event=kind, **more)

    log = [
        event(d(1, 1), "cancel"),  # nothing open: ignored
        event(d(1, 5), None, plan_id="basic", quantity=Decimal(2)),  # a start, for nothing is open
        event(d(1, 5), "change", plan_id="plus"),  # the same day: a zero-day row
        event(d(2, 1), "cancel"),
        event(d(3, 1), "start"),  # plan and quantity carried across the cancel
    ]
    rows = [(one.started_on, one.ended_on, one.plan_id, one.quantity) for one in rows_of_events(log)]
    assert rows == [
        (d(1, 5), d(1, 5), "basic", 2),
        (d(1, 5), d(2, 1), "plus", 2),
        (d(3, 1), None, "plus", 2),
    ]


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([row(d(1, 1), d(1, 1))], [(d(1, 1), d(1, 1), None)]),
        ([row(d(1, 1), d(2, 1)), row(d(2, 1), None)], [(d(1, 1), None, None)]),
        ([row(d(1, 1), d(2, 1)), row(d(2, 2), None)], [(d(1, 1), d(2, 1), None), (d(2, 2), None, None)]),
        ([row(d(1, 1), mrr="0.004")], []),  # nothing after rounding
        # inactive now: until the day of the refresh that first saw it so, never without its past
        ([row(d(1, 1), status=" Paused")], [(d(1, 1), AS_OF, None)]),
        ([row(d(1, 1), status="paused", inactive_on=d(2, 1))], [(d(1, 1), d(2, 1), None)]),
        ([row(d(1, 1), status="paused", inactive_on=d(6, 1))], [(d(1, 1), None, d(6, 1))]),
        ([row(d(1, 1), d(6, 1), status="paused", seen_as_of=d(3, 1))], [(d(1, 1), d(3, 1), None)]),
        ([row(d(1, 1), d(6, 1), status="canceled")], [(d(1, 1), None, d(6, 1))]),
        # inactive for the row's period: not at all
        ([row(d(1, 1), status="paused", status_means="period")], []),
        ([row(d(1, 1), d(2, 1)), row(d(2, 1), status="canceled")], [(d(1, 1), d(2, 1), None)]),
        ([row(d(1, 1), status="draft")], []),
        ([row(d(1, 1), d(6, 1), auto_renew=True)], [(d(1, 1), None, None)]),
        ([row(d(5, 1))], []),  # does not exist yet
        ([row(d(1, 1), AS_OF)], [(d(1, 1), AS_OF, None)]),
        ([row(d(1, 1), d(5, 1))], [(d(1, 1), None, d(5, 1))]),  # not an end yet
        ([row(d(1, 1), d(5, 1)), row(d(5, 1), None, name="s2")], [(d(1, 1), None, None)]),
        ([row(d(1, 1), d(5, 1)), row(d(5, 2), None, name="s2")], [(d(1, 1), None, d(5, 1))]),
        ([row(d(1, 1), d(5, 1)), row(d(2, 1), d(6, 1), name="s2")], [(d(1, 1), None, d(6, 1))]),
        ([row(d(1, 1), d(5, 1)), row(d(2, 1), None, name="s2")], [(d(1, 1), None, None)]),
        # trials: over before the row, within it, with its end, at as_of
        ([row(d(1, 1), trial_ends_on=d(1, 1))], [(d(1, 1), None, None)]),
        ([row(d(1, 1), d(3, 1), trial_ends_on=d(1, 15))], [(d(1, 15), d(3, 1), None)]),
        ([row(d(1, 1), d(1, 15), trial_ends_on=d(1, 15))], []),
        ([row(d(1, 1), d(1, 1), trial_ends_on=d(1, 15))], []),
        ([row(d(4, 20), trial_ends_on=AS_OF)], [(AS_OF, None, None)]),
        ([row(d(4, 20), trial_ends_on=d(5, 1))], []),
    ],
)
def test_spells_of_subscriptions(rows, expected):
    assert spells(company(*rows)) == expected


@pytest.mark.parametrize("days_away, number", [(0, 1), (30, 1), (33, 1), (34, 2)])
def test_spells_of_purchases_lapse_and_join(days_away, number):
    """30 days of lapse, 3 of grace: lost on the 30th day away, bridged up to the 33rd."""
    policies = replace(NO_SEGMENTS, lapse_days=30, grace_days=3)
    days = [datetime(2024, 1, 1, 9), datetime(2024, 1, 1, 9) + timedelta(days=days_away)]
    invoices = [Invoice(str(number), "A", day, Decimal(5)) for number, day in enumerate(days)]
    assert len(spells(company(policies=policies, invoices=invoices))) == number


def test_mrr_is_carried_across_a_bridged_gap():
    gap = company(row(d(1, 1), d(2, 1), "20"), row(d(2, 4), None, "30"), policies=replace(NO_SEGMENTS, grace_days=3))
    moves = [(one["occurred_on"], one["movement"], one["mrr_after"]) for one in marts(gap)["fct_mrr_movements"]]
    assert moves == [(d(1, 1), "new", 20), (d(2, 4), "expansion", 30)]


def test_zero_day_rows_bring_no_mrr():
    """A zero-day spell, then a real one: the customer is back, its MRR is new."""
    both = company(row(d(1, 5), d(1, 5)), row(d(2, 5), None))
    answer = marts(both)
    [february] = [
        one for one in answer["churn_rates"] if one["period_grain"] == "month" and one["period_start"] == d(2, 1)
    ]
    assert (february["customers_new"], february["customers_returned"]) == (0, 1)
    assert [one["movement"] for one in answer["fct_mrr_movements"]] == ["new"]


def test_merged_cards_to_the_end_of_the_chain():
    cards = {"A": "B", "B": "C", "C": None, "D": "E", "E": "D", "F": "D", "G": "nobody's", "H": "H", "I": "H"}
    cards = [Customer(name, merged_into=into) for name, into in cards.items()]
    merged = survivors(company(customers=cards))
    assert merged == {"A": "C", "B": "C", "C": "C", "D": "D", "E": "E", "F": "F", "G": "nobody's", "H": "H", "I": "H"}
    assert all_customers(company(customers=cards)) == ["C", "D", "E", "F", "H", "nobody's"]


def test_chains_are_followed_over_64_links():
    chain = [Customer(f"c{number}", merged_into=f"c{number + 1}") for number in range(65)]
    merged = survivors(company(customers=chain))
    assert (merged["c0"], merged["c1"]) == ("c0", "c65")


def test_of_several_cards_the_own_one_counts_else_the_newest():
    """B has no card of its own: h2 and h3 were written at the same time, h1 nobody knows when."""
    new = datetime(2024, 3, 1)
    delivered = [
        Customer("A"),
        Customer("older A", country="BG", merged_into="A", updated_at=new),
        Customer("h1"),
        Customer("h3", merged_into="B", updated_at=new),
        Customer("h2", updated_at=new),
    ]
    named = [CustomerId("h1", "B"), CustomerId("h2", "B")]
    counting = cards(company(customers=delivered, customer_ids=named))
    assert {customer: card.customer_id for customer, card in counting.items()} == {"A": "A", "B": "h2"}


def test_customers_of_billing_rows_that_have_begun():
    events = [
        SubscriptionEvent("s", "cancelled only", d(1, 1), event="cancel"),
        SubscriptionEvent("t", "later", d(5, 1)),
    ]
    invoices = [Invoice("1", "void", datetime(2024, 4, 30, 23, 59), Decimal(1), status="void")]
    assert all_customers(company(subscription_events=events, invoices=invoices)) == ["cancelled only", "void"]


def test_invoice_of_lines():
    """Earliest line's day, status and employee; each line in its own currency; rounded once; the header wins."""

    def line(invoice: str, hour: int, **more) -> InvoiceLine:
        return InvoiceLine(invoice, "A", datetime(2024, 1, 1, hour), **more)

    rates = [FxRate(d(1, 1), "USD", Decimal("0.5"))]
    lines = [
        line("1", 9, line_id="b", amount=Decimal("0.004"), employee_id="b", cost=Decimal(1)),
        line("1", 9, line_id="a", quantity=Decimal(-2), unit_price=Decimal("0.001"), employee_id="a", cost=Decimal(1)),
        line("1", 10, amount=Decimal("0.006"), currency="USD", status="void"),
        line("2", 9, amount=Decimal(9)),
    ]
    header = Invoice("2", "A", datetime(2024, 2, 1), Decimal(8))
    one, two = sorted(
        billed(company(invoice_lines=lines, invoices=[header], fx_rates=rates)), key=lambda one: one.invoice_id
    )
    assert (one.amount, one.cost, one.employee_id) == (Decimal("0.01"), None, "a")  # 0.004 − 0.002 + 0.003
    assert (two.amount, two.day) == (8, d(2, 1))


def test_texts_are_normalised_and_compared_by_characters():
    assert normalised("  ТВЪРДЕ--скъпо!!\n2x ") == "твърде скъпо 2x"
    assert normalised("прекъснат и\u0306") == "прекъснат й"
    assert levenshtein("цена", "zена") == 1
    assert levenshtein("kitten", "sitting") == 3
    assert levenshtein("", "abc") == 3


def test_reason_codes():
    aliases = (
        Alias("too expensive", "price"),
        Alias("service is late and dear", "price"),
        Alias("service is late and near", "slow"),
    )
    assert code_of("TOO  expensive.", aliases) == "price"
    assert code_of("to expensive", aliases) == "price"
    assert code_of("service is late and fear", aliases) is None  # like aliases of two reasons
    assert code_of("service is late and near", aliases) == "slow"  # an alias itself, however like the other
    assert code_of("?!", aliases) is None


@pytest.mark.parametrize(
    "noted, code",
    [
        (datetime(2023, 12, 31), "not_asked"),  # before the spell
        (datetime(2024, 1, 1, 8), "price"),  # within 60 days of the last active day, the spell's first
        (datetime(2024, 3, 9, 23), "price"),  # the day before the return
        (datetime(2024, 3, 10), "not_asked"),
    ],
)
def test_notes_belong_to_the_end_between_spell_and_return(noted, code):
    reasons = {
        "reasons": (Reason("price", "Price", "g", "actionable", "voluntary"),),
        "aliases": (Alias("dear", "price"),),
    }
    told = company(
        row(d(1, 1), d(2, 1)), row(d(3, 10), d(3, 20)), departures=[Departure("n", "A", noted, "dear")], **reasons
    )
    first, _ = sorted(marts(told)["fct_customer_spells"], key=lambda one: one["spell_number"])
    assert first["reason_code"] == code


def test_end_reason_of_the_row_that_ended_with_the_spell():
    reasons = tuple(Reason(code, code, "g", "objective", "involuntary") for code in ("moved", "died"))
    rows = [
        row(d(1, 1), d(2, 1), name="s9", end_reason="moved"),
        row(d(1, 2), d(2, 1), name="s1", end_reason="died"),
        row(d(1, 3), d(2, 1), name="s2"),  # the latest has no reason
        row(d(1, 4), d(1, 9), name="s3", end_reason="moved"),  # ended before
    ]
    told = company(*rows, reasons=reasons, aliases=(Alias("moved", "moved"), Alias("died", "died")))
    [spell] = marts(told)["fct_customer_spells"]
    assert (spell["reason_code"], spell["control"]) == ("died", "involuntary")


def test_recoverable_sales_of_those_who_complained():
    """The latest complaint within 180 days before the end; unstated is minor."""
    cases = [
        Case("1", "A", datetime(2024, 2, 1), kind="complaint", severity="serious"),
        Case("2", "A", datetime(2024, 2, 2), kind="complaint"),
        Case("3", "A", datetime(2024, 3, 5), kind="complaint", severity="serious"),  # the day of the end
        Case("4", "A", datetime(2024, 3, 1), kind="question", severity="serious"),
    ]
    invoices = [Invoice("1", "A", datetime(2024, 2, 10), Decimal(100), cost=Decimal(60))]
    lost = marts(company(row(d(1, 1), d(3, 5)), cases=cases, invoices=invoices))["lost_revenue"]
    [march] = [one for one in lost if one["period_grain"] == "month" and one["period_start"] == d(3, 1)]
    assert (march["recoverable_sales_if_heard"], march["recoverable_sales_if_heard_promptly"]) == (54, 95)
    assert (march["profit_margin"], march["lost_profit"], march["lost_sales_annualised"]) == (0.4, 40, 1200)


def test_survival_equals_lifelines():
    rng = Random(7)
    rows, durations, ended = [], [], []
    for number in range(200):
        start = date(2022, 1, 1) + timedelta(days=rng.randint(0, 700))
        length, gone = rng.randint(1, 400), rng.random() < 0.7
        known = gone and start + timedelta(days=length) <= AS_OF
        rows.append(
            replace(
                row(start, start + timedelta(days=length) if gone else None, name=str(number)), customer_id=str(number)
            )
        )
        durations.append(length if known else (AS_OF - start).days + 1)
        ended.append(known)
    fitter = KaplanMeierFitter().fit(durations, ended)
    curve = marts(company(*rows))["survival_curves"]
    assert [one["tenure_days"] for one in curve] == sorted(
        {days for days, known in zip(durations, ended, strict=True) if known}
    )
    for one in curve:
        low, high = fitter.confidence_interval_.loc[one["tenure_days"]]
        assert one["survival"] == pytest.approx(fitter.survival_function_at_times(one["tenure_days"]).iloc[0], abs=1e-9)
        assert (one["survival_low"], one["survival_high"]) == (
            pytest.approx(low, abs=1e-8),
            pytest.approx(high, abs=1e-8),
        )


def test_nobody_active_gives_empty_marts():
    answer = marts(company(customers=[Customer("A")]))
    assert {name for name, rows in answer.items() if rows} == {"dim_customers", "customer_value"}
