"""Subscription rows: those of billing and those that an event log amounts to; which count, and what they bring a month."""

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

    "ordered by day, then delivery; start or change opens a row and closes the open one, cancel closes it (nothing open:
    ignored), an empty event is a change, or a start when nothing is open; an empty plan or quantity is carried (across a
    cancel too); without unit_price the plan's price holds."
    Reading: two events of one day leave a row that ends on the day it starts; a cancel's plan and quantity are carried too.
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
    """ "A subscription that billing.subscriptions has too keeps those rows.\""""
    known = {row.subscription_id for row in company.subscriptions}
    logs: dict[str, list[SubscriptionEvent]] = {}
    for event in company.subscription_events:
        if event.subscription_id not in known:
            logs.setdefault(event.subscription_id, []).append(event)
    return company.subscriptions + [row for log in logs.values() for row in rows_of_events(log)]


def monthly_amount(company: Company, row: Subscription) -> Decimal:
    """Unit price × quantity × (1 − discount) ÷ months of its billing interval, converted, rounded once.

    "month n → n; year n → 12 n; week n → 12 n ÷ 52; day n → 12 n ÷ 365"; "Unit price, currency, and interval with its
    count fall back to the plan's; then currency to the reporting currency, interval to one month (a count without an
    interval is ignored), price to 0"; "at the last rate known on or before their `started_on`".
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

    "a subscription row *counts* when its monthly amount is > 0 and its status is none of …; it gives
    `[max(started_on, trial_ends_on), ended_on)`. A row that ends on the day it starts counts, as a zero-day spell; one
    that ends in or with its trial, or is in it at as_of, does not count. A `trial_ends_on` on or before `started_on` is
    no trial. Status is compared in any case, blanks trimmed."
    A row that starts after as_of comes out too (it may follow a running one): whoever asks looks at `starts_on`.
    Reading of `count_free_plans`: an amount of 0 counts as well, a negative one never does.
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
