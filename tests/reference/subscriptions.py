"""Subscription rows of billing and of event logs: which count, and their monthly amounts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from .company import Company, Listed, Subscription, SubscriptionEvent
from .money import exchange_rate, rounded

NEVER_PAID = {"trialing", "incomplete", "incomplete_expired", "draft", "void"}
SUSPENDED = {"unpaid", "paused", "on-hold"}
INACTIVE = SUSPENDED | {"canceled", "cancelled", "expired", "ended", "completed"}
TERMS = (
    "plan_id",
    "quantity",
    "unit_price",
    "discount_rate",
    "discount_amount",
    "interval",
    "interval_count",
    "currency",
    "status",
)


def status_of(row: Subscription | SubscriptionEvent) -> str:
    """Status is compared in any case, blanks trimmed."""
    return (row.status or "").strip().lower()


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
                    interval=opened.interval,
                    interval_count=opened.interval_count,
                    currency=opened.currency,
                    discount_rate=opened.discount_rate,
                    trial_ends_on=opened.trial_ends_on,
                    status_means="period",
                )
            )

    for event in sorted(events, key=lambda event: event.occurred_on):  # stable: delivery order within a day
        plan = event.plan_id or plan
        quantity = event.quantity if event.quantity is not None else quantity
        close(event.occurred_on)
        opened = None
        if event.event != "cancel" and status_of(event) not in NEVER_PAID | INACTIVE:
            opened = replace(event, plan_id=plan, quantity=Decimal(1) if quantity is None else quantity, status=None)
    close(None)
    return rows


def rows_of_lists(listed: list[Listed], as_of: date, means: str | None = None) -> list[Subscription]:
    """The rows that the lists of a source amount to.

    A changed price, plan, quantity, discount, interval, currency or status closes the row on the list's day and opens
    the next; a subscription that the next list lacks ended on that day; the first version starts at its own started_on,
    else on the day of its first list; one that comes back starts on that list's day. Lists after as_of do not exist
    yet. Reading: a version that would be closed before it starts never began; its own ended_on holds if it is earlier.

    "With `history: dated` the lists themselves state when a subscription started and ended": see `_ends_stated`.
    """
    if means == "now":
        return _ends_stated(listed, as_of)
    days = sorted({one.snapshot_on for one in listed if one.snapshot_on <= as_of})
    by_day = {day: {one.row.subscription_id: one.row for one in listed if one.snapshot_on == day} for day in days}
    rows: list[Subscription] = []
    for subscription in sorted({one.row.subscription_id for one in listed}):
        version: list[tuple[date, Subscription]] = []  # the lists in which the terms are the same
        is_first = True

        def close(day: date | None) -> None:
            nonlocal version, is_first
            if not version:
                return
            first_day, first = version[0]
            last = version[-1][1]
            announced = first.started_on or first_day
            start = announced if is_first else max(first_day, announced)
            end = last.ended_on if day is None or (last.ended_on and last.ended_on <= day) else day
            if day is None or day >= start:
                rows.append(replace(last, started_on=start, ended_on=end, status_means="period"))
            version, is_first = [], False

        for day in days:
            row = by_day[day].get(subscription)
            if row is None or (version and any(getattr(row, name) != getattr(version[-1][1], name) for name in TERMS)):
                close(day)
            if row is not None:
                version.append((day, row))
        close(None)
    return rows


def _ends_stated(listed: list[Listed], as_of: date) -> list[Subscription]:
    """The rows of lists with `history: dated`.

    "An inactive status ends the version before it, on the day that the list states (`ended_on` up to its day, else
    `inactive_on`), else on the list's own." "A subscription that its first list has inactive counts as it would without
    history, and without a day until that list's, at most until `as_of`." "A status that has begun to pay is no change."
    "The first list after `as_of` counts for the starts and ends that it dates until then, but not for other terms."
    """
    days = sorted({one.snapshot_on for one in listed})
    later = [day for day in days if day > as_of]
    days = [day for day in days if day <= as_of] + later[:1]
    rows: list[Subscription] = []
    for subscription in sorted({one.row.subscription_id for one in listed}):
        found = {one.snapshot_on: one.row for one in listed if one.row.subscription_id == subscription}
        # the versions: first and last list that have them, and the list that ends them
        versions: list[tuple[date, date, date | None]] = []
        for number, day in enumerate(days):
            if day not in found:
                continue
            follows = bool(versions) and number > 0 and versions[-1][1] == days[number - 1]
            if follows and _same_version(found[days[number - 1]], found[day]):
                versions[-1] = (versions[-1][0], day, None)
            else:
                versions.append((day, day, None))
            next_day = days[number + 1] if number + 1 < len(days) else None
            versions[-1] = (*versions[-1][:2], next_day)
        for number, (first_day, last_day, next_day) in enumerate(versions):
            first, last = found[first_day], found[last_day]
            if number > 0 and first_day > as_of:
                continue
            start = first.started_on or first_day
            if number > 0:
                start = max(first_day, start)
            if number == 0 and status_of(last) in INACTIVE:
                since = last.inactive_on or min(first_day, as_of)
                rows.append(replace(last, started_on=start, inactive_on=since, status_means="now"))
                continue
            following = versions[number + 1][0] if number + 1 < len(versions) else None
            until = next_day if next_day and next_day <= as_of else None
            reason = last.end_reason
            if following and status_of(found[following]) in INACTIVE:
                closing = found[following]
                stated = closing.ended_on if closing.ended_on and closing.ended_on <= following else closing.inactive_on
                if stated and stated <= as_of and (next_day is None or stated <= next_day):
                    until = stated
                reason = closing.end_reason or reason
            if until and until < start:
                continue
            end = last.ended_on if until is None or (last.ended_on and last.ended_on <= until) else until
            rows.append(
                replace(
                    last, started_on=start, ended_on=end, inactive_on=None, end_reason=reason, status_means="period"
                )
            )
    return rows


def _same_version(before: Subscription, row: Subscription) -> bool:
    """Whether two lists that follow each other have a subscription on the same terms."""
    if any(getattr(before, name) != getattr(row, name) for name in TERMS if name != "status"):
        return False
    if (status_of(before) in INACTIVE) != (status_of(row) in INACTIVE):
        return False
    return status_of(row) not in NEVER_PAID or status_of(before) in NEVER_PAID


def with_meanings(company: Company) -> list[Subscription]:
    """The rows of tables with what their status means. Undeclared, per source: `period` where ids repeat,
    else `now`."""
    sources = Counter((row.source, row.subscription_id) for row in company.subscriptions)
    states = {source for (source, _), count in sources.items() if count > 1}
    return [
        replace(row, status_means=row.status_means or ("period" if row.source in states else "now"))
        for row in company.subscriptions
    ]


def all_rows(company: Company) -> list[Subscription]:
    """Rows of tables, lists and event logs; a subscription that a table or list has too keeps those rows."""
    listed = rows_of_lists(company.lists, company.as_of, company.lists_mean)
    known = {row.subscription_id for row in company.subscriptions + listed}
    logs: dict[str, list[SubscriptionEvent]] = {}
    for event in company.subscription_events:
        if event.subscription_id not in known:
            logs.setdefault(event.subscription_id, []).append(event)
    of_logs = [row for log in logs.values() for row in rows_of_events(log)]
    return with_meanings(company) + listed + of_logs


def end_of(row: Subscription, as_of: date) -> date | None:
    """The row's end as its status leaves it; one after as_of is scheduled.

    Inactive now: until ended_on (of unpaid, paused, on-hold only one up to as_of), else until inactive_on, else until
    as_of of the refresh that first loaded it so. auto_renew: a future end is that of a paid term, no notice.
    """
    end, status = row.ended_on, status_of(row)
    if row.status_means == "now" and status in INACTIVE:
        if status in SUSPENDED and end and end > as_of:
            end = None
        return end or row.inactive_on or row.seen_as_of or as_of
    return None if row.auto_renew and end and end > as_of else end


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
    whole = max(Fraction(price or 0) * Fraction(row.quantity) - Fraction(row.discount_amount or 0), Fraction(0))
    amount = whole * (1 - Fraction(row.discount_rate or 0)) / months
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
    status = status_of(row)
    if status in NEVER_PAID or (row.status_means == "period" and status in INACTIVE):
        return None
    ended_on = end_of(row, company.as_of)
    if ended_on and ended_on < row.started_on:  # inactive before it began
        return None
    starts_on = row.started_on
    if row.trial_ends_on and row.trial_ends_on > row.started_on:
        if ended_on and ended_on <= row.trial_ends_on:
            return None
        starts_on = row.trial_ends_on
    written_on = row.updated_at.date() if row.updated_at else None
    return Row(
        row.customer_id,
        row.subscription_id,
        row.plan_id,
        row.started_on,
        starts_on,
        ended_on,
        amount,
        row.end_reason,
        delivery,
        written_on,
    )


def candidates(company: Company) -> list[Row]:
    """Every row that counts or, starting after as_of, will."""
    judged = (counting(company, row, delivery) for delivery, row in enumerate(all_rows(company)))
    return [row for row in judged if row]
