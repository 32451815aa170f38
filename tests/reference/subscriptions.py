"""Subscription rows of billing and of event logs: which count, and their monthly amounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from .company import Company, Subscription, SubscriptionEvent
from .money import exchange_rate, rounded

IDLE = {"trialing", "incomplete", "incomplete_expired", "unpaid", "paused", "void"}


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription row that counts. Active in `[starts_on, ends_on)`; `ends_on` null: no end is planned."""

    customer_id: str
    subscription_id: str
    plan_id: str | None
    started_on: date
    starts_on: date
    ends_on: date | None
    monthly_amount: Decimal
    end_reason: str | None
    delivery: int
    written_on: date | None  # the day on which billing last wrote the row; null: nobody knows


def rows_of_events(events: list[SubscriptionEvent]) -> list[Subscription]:
    """The rows of one subscription's event log.

    "Events of a subscription are ordered by day, then by delivery. A start or a change closes the open row and opens
    a new one; a cancel closes the open row and is ignored when nothing is open. An event without a type is a change,
    or a start when nothing is open. An empty plan or quantity is carried over from the event before, also across a
    cancel. Without a unit price the plan's price holds." Reading: two events of one day leave a row that ends on the
    day it starts; a cancel's plan and quantity are carried too.
    """
    rows: list[Subscription] = []
    opened: SubscriptionEvent | None = None
    plan, quantity = None, None

    def close(day: date | None) -> None:
        if opened:
            rows.append(
                Subscription(
                    subscription_id=opened.subscription_id,
                    customer_id=opened.customer_id,
                    started_on=opened.occurred_on,
                    ended_on=day,
                    plan_id=opened.plan_id,
                    quantity=opened.quantity,
                    unit_price=opened.unit_price,
                )
            )

    for event in sorted(events, key=lambda event: event.occurred_on):  # stable: delivery order within a day
        plan = event.plan_id or plan
        quantity = event.quantity if event.quantity is not None else quantity
        close(event.occurred_on)
        opened = None
        if event.event != "cancel":
            opened = SubscriptionEvent(
                subscription_id=event.subscription_id,
                customer_id=event.customer_id,
                occurred_on=event.occurred_on,
                plan_id=plan,
                quantity=Decimal(1) if quantity is None else quantity,
                unit_price=event.unit_price,
            )
    close(None)
    return rows


def all_rows(company: Company) -> list[Subscription]:
    """ "A subscription that `billing.subscriptions` has too keeps the rows from there.\""""
    known = {row.subscription_id for row in company.subscriptions}
    logs: dict[str, list[SubscriptionEvent]] = {}
    for event in company.subscription_events:
        if event.subscription_id not in known:
            logs.setdefault(event.subscription_id, []).append(event)
    return company.subscriptions + [row for log in logs.values() for row in rows_of_events(log)]


def monthly_amount(company: Company, row: Subscription) -> Decimal:
    """Unit price × quantity × (1 − discount) ÷ months of its billing interval, converted, rounded once.

    "An interval of n months has n months, of n years 12 n, of n weeks 12 n ÷ 52, of n days 12 n ÷ 365"; "A missing
    unit price, currency, or interval with its count is taken from the plan. If that is missing too, the currency is
    the reporting currency, the interval one month (a count without an interval is ignored), and the price 0"; "the
    last rate known on or before its `started_on`".
    """
    plan = next((plan for plan in company.plans if plan.plan_id == row.plan_id), None)
    price = row.unit_price if row.unit_price is not None else plan and plan.price
    currency = row.currency or (plan and plan.currency)
    interval, count = next(
        ((terms.interval, terms.interval_count or 1) for terms in (row, plan) if terms and terms.interval), ("month", 1)
    )
    months = (
        count
        * {"month": Fraction(1), "year": Fraction(12), "week": Fraction(12, 52), "day": Fraction(12, 365)}[interval]
    )
    amount = Fraction(price or 0) * Fraction(row.quantity) * (1 - Fraction(row.discount_rate or 0)) / months
    return rounded(amount * exchange_rate(company, currency, row.started_on))


def counting(company: Company, row: Subscription, delivery: int) -> Row | None:
    """The row as one that counts, or null.

    "A subscription row counts when its monthly amount is above 0 and its status allows it." "A row that counts gives
    the interval from the later of `started_on` and `trial_ends_on` to its end. A `trial_ends_on` on or before
    `started_on` is not a trial. A row that ends in its trial, or with it, or is still in its trial at `as_of`, does
    not count. A row that ends on the day it starts counts as a zero-day spell." "Statuses are compared without regard
    to case or surrounding blanks." A row that starts after as_of comes out too (it may follow a running one): whoever
    asks looks at `starts_on`. "A negative amount never counts; an amount of 0 counts if `count_free_plans` is true."
    """
    amount = monthly_amount(company, row)
    if amount < 0 or (amount == 0 and not company.policies.count_free_plans):
        return None
    if (row.status or "").strip().lower() in IDLE:
        return None
    starts_on = row.started_on
    if row.trial_ends_on and row.trial_ends_on > row.started_on:
        if row.ended_on and row.ended_on <= row.trial_ends_on:
            return None
        starts_on = row.trial_ends_on
    written_on = row.updated_at.date() if row.updated_at else None
    return Row(
        row.customer_id,
        row.subscription_id,
        row.plan_id,
        row.started_on,
        starts_on,
        row.ended_on,
        amount,
        row.end_reason,
        delivery,
        written_on,
    )


def candidates(company: Company) -> list[Row]:
    """Every row that counts or, starting after as_of, will."""
    judged = (counting(company, row, delivery) for delivery, row in enumerate(all_rows(company)))
    return [row for row in judged if row]
