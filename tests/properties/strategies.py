"""Random companies full of edge cases, deterministic by seed.

Every customer is drawn from a generator of its own, so that leaving customers out changes nothing about the others:
`only(company, …)` can cut a failing company down to the few that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from hypothesis import strategies as st

from tests.reference.company import (
    Alias,
    Case,
    Company,
    Customer,
    CustomerId,
    Departure,
    Employee,
    FxRate,
    Invoice,
    InvoiceLine,
    Listed,
    Outreach,
    Payment,
    Plan,
    Policies,
    Reason,
    Refund,
    Subscription,
    SubscriptionEvent,
    Survey,
)

REASONS = (
    Reason("high_price", "High price", "price", "actionable", "voluntary"),
    Reason("competitor", "Went to a competitor", "competition", "actionable", "voluntary"),
    Reason("slow_answer", "Slow answer", "service", "actionable", "voluntary"),
    Reason("no_longer_needed", "No longer needs it", "circumstances", "objective", "voluntary"),
    Reason("non_payment", "Non-payment", "payment", "actionable", "involuntary"),
    Reason("moved_away", "Moved away", "circumstances", "objective", "involuntary"),
    Reason("died", "Died", "circumstances", "objective", "involuntary"),
)
ALIASES = tuple(
    Alias(alias, code, "en" if alias.isascii() else "bg")
    for code, aliases in {
        "high_price": [
            "too expensive",
            "price",
            "твърде скъпо",
            "цена",
            "слишком дорого",
            "mahal masyado",
            "service is late and dear",
        ],
        "competitor": [
            "competitor",
            "found a better offer",
            "отиде при конкурент",
            "ушел к конкуренту",
            "lumipat sa iba",
        ],
        "slow_answer": [
            "slow answer",
            "nobody answered",
            "бавен отговор",
            "долго не отвечали",
            "service is late and near",
        ],
        "no_longer_needed": ["no longer needed", "не ми трябва вече", "больше не нужно", "hindi na kailangan"],
        "non_payment": ["non payment", "card declined", "неплатено", "неоплата", "hindi nagbayad", "plan 2024 unpaid"],
        "moved_away": ["moved away", "moved", "преместих се", "переехал в другой город", "lumipat ng bahay"],
        "died": ["died", "почина", "умер", "namatay"],
    }.items()
    for alias in aliases
)
# one letter from both aliases that differ by one letter: similar to two reasons, so unmapped
AMBIGUOUS = "service is late and fear"
NONSENSE = [
    "asdf",
    "…",
    "12",
    "не знам",
    "because",
    "too late for us",
    "ценa",
]  # the last: a Latin a among Cyrillic letters

CURRENCIES = ("EUR", "USD")
COUNTRIES = (None, None, "BG", "bg", " DE", "FR ", "(unknown)", "Ελλάδα")
CHANNELS = (None, "ads", "referral", "fair")
TIMES = (time(0), time(9, 30), time(12, 0, 0, 500_000), time(23, 59, 59))
PHONES = (None, "0888 123 456", "+359 2 11", "(02) 11", "n/a", "1234")
EMAILS = (None, "ana@example.com", "x@y", "nobody@", "@example.com", "none")
ANSWERS = (
    *(timedelta(hours=hours) for hours in (-10, 0, 1, 2, 3, 24, 30, 100)),
    timedelta(hours=24, microseconds=1),
    timedelta(hours=24, milliseconds=400),
)


def sharp_days(first: date, as_of: date) -> list[date]:
    """Days at which definitions go wrong: month edges, leap days, the days around as_of."""
    edges = [as_of + timedelta(days=n) for n in (-365, -364, -180, -179, -90, -89, -1, 0, 1, 2)]
    day = first
    while day <= as_of:
        if day.day == 1 or (day + timedelta(days=1)).day == 1 or (day.month, day.day) == (2, 28):
            edges.append(day)
        day += timedelta(days=1)
    return edges


class Draw:
    """One customer in the making: rows go to `company`."""

    def __init__(self, company: Company, number: int, rng: Random, first: date, sharp: list[date]) -> None:
        self.company, self.rng, self.first, self.sharp = company, rng, first, sharp
        self.name = f"c{number:04}"
        self.days: list[date] = []
        self.count = 0

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def id(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"

    def day(self, spread: int = 0) -> date:
        """Any day, an edge, or a day of this customer's again; `spread` more days beyond as_of."""
        choice = self.rng.random()
        if self.days and choice < 0.2:
            day = self.rng.choice(self.days) + timedelta(days=self.rng.choice((-1, 0, 0, 1)))
        elif choice < 0.5:
            day = self.rng.choice(self.sharp)
        else:
            day = self.first + timedelta(days=self.rng.randint(0, (self.company.as_of - self.first).days + spread))
        self.days.append(day)
        return day

    def moment(self, day: date | None = None) -> datetime:
        return datetime.combine(day or self.day(), self.rng.choice(TIMES))

    def gap(self) -> int:
        """Days between two rows: none, one, grace, grace + 1, an overlap, months."""
        grace = self.company.policies.grace_days
        return self.rng.choice((0, 0, 0, 1, grace, grace + 1, -1, -self.rng.randint(1, 60), self.rng.randint(2, 200)))

    def length(self) -> int:
        return self.rng.choice((0, 0, 1, 2, 28, 29, 30, 31, 365, self.rng.randint(1, 60), self.rng.randint(30, 500)))

    def money(self) -> Decimal:
        return self.rng.choice(
            (Decimal(0), Decimal("0.004"), Decimal("0.005"), Decimal("37.425"))
            if self.chance(0.2)
            else (Decimal("49.90"), Decimal(self.rng.randint(1, 50000)) / 100)
        )

    def terms(self) -> dict:
        """The money side of a subscription row; much of it left to the plan."""
        rng = self.rng
        interval = rng.choice((None, None, "month", "year", "week", "day"))
        return {
            "plan_id": rng.choice([None, "no such plan"] + [plan.plan_id for plan in self.company.plans] * 2),
            "quantity": rng.choice(
                (Decimal(1), Decimal(1), Decimal(1), Decimal(3), Decimal("0.5"), Decimal(self.chance(0.6)))
            ),
            "unit_price": rng.choice(
                (None, None, Decimal(10), Decimal("49.90"), self.money(), self.money(), Decimal(-5))
            ),
            "interval": interval,
            "interval_count": rng.choice((None, 1, 2, 3, 6)),
            "currency": rng.choice((None, None, None, *CURRENCIES)),
            "discount_rate": rng.choice(
                (None, None, None, Decimal("0.25"), Decimal("0.333333"), Decimal(self.chance(0.5)))
            ),
            "status": rng.choice((None, "active", "active", "past_due", "canceled", "canceled"))
            if self.chance(0.85)
            else rng.choice(("paused", "trialing", "unpaid", "void", "incomplete")),
            "end_reason": rng.choice((None, None, self.reason())),
            "discount_amount": rng.choice((None, None, None, None, Decimal(0), Decimal("4.95"), self.money())),
            "auto_renew": rng.choice((None, None, None, None, True, False)),
        }

    def current_state(self) -> None:
        """Rows of a system that keeps today's state only: a status of now, with and without a day."""
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2))):
            start = self.day(spread=20)
            end = rng.choice((None, None, start + timedelta(days=self.length())))
            status = rng.choice(
                ("active", "active", "paused", "unpaid", "on-hold", "canceled", "cancelled", "expired", "draft")
            )
            self.company.subscriptions.append(
                Subscription(
                    self.id(),
                    start,
                    self.name,
                    ended_on=end,
                    updated_at=self.written(start, end or start),
                    **self.terms() | {"status": status},
                    inactive_on=rng.choice((None, None, start + timedelta(days=self.length()))),
                    **rng.choice(
                        ({"source": "state"}, {"source": "state"}, {"source": "states", "status_means": "period"})
                    ),
                    seen_as_of=rng.choice(
                        (None, None, self.company.as_of - timedelta(days=rng.choice((0, 1, 30, 90))))
                    ),
                )
            )

    def listed(self) -> None:
        """In some of the company's lists, on the same terms or others, absent from some in between."""
        rng = self.rng
        subscription, start = self.id(), rng.choice((None, self.day(), self.day()))
        terms = self.terms()
        for day in self.company_lists():
            if self.chance(0.35):
                continue
            if self.chance(0.3):
                terms = self.terms()
            row = Subscription(subscription, start, self.name, ended_on=None, **terms)
            if self.chance(0.1):
                row = replace(row, ended_on=day + timedelta(days=rng.choice((-20, 0, 5, 40))))
            other = Random(f"{subscription} {day}")
            if other.random() < 0.2:
                row = replace(
                    row, inactive_on=day - timedelta(days=other.choice((0, 3, 20))), end_reason="too expensive"
                )
            self.company.lists.append(Listed(day, row))

    def company_lists(self) -> list[date]:
        """The days of the company's lists: the same for each of its customers; the last is after as_of."""
        days = (self.company.as_of - self.first).days
        return [self.first + timedelta(days=days * part // 4) for part in (1, 2, 3, 4, 5)]

    def reason(self) -> str:
        """A note as people write it: an alias in any case and punctuation, misspelt, or nothing that anyone knows."""
        rng = self.rng
        text = rng.choice((AMBIGUOUS, *NONSENSE)) if self.chance(0.15) else rng.choice(ALIASES).alias
        for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 1, 2, 5))):
            place = rng.randrange(len(text) or 1)
            text = text[:place] + rng.choice(("", "x", "ж", text[place : place + 1] * 2)) + text[place + 1 :]
        if self.chance(0.3):
            text = text.upper()
        if self.chance(0.3):
            text = f" {text.replace(' ', ' -- ')}!"
        return text or "x"

    def written(self, start: date, end: date) -> datetime | None:
        """When billing last wrote a row: nobody knows, when it started, weeks before its end, on the day, or long
        after; or on the first day of a month before it, at whose opening nobody knew.
        """
        months_first = (end - timedelta(days=self.rng.randint(1, 80))).replace(day=1)
        days = (start, end - timedelta(days=100), months_first, months_first, end, end + timedelta(days=150))
        return None if self.chance(0.3) else self.moment(self.rng.choice(days))

    # what a customer can be

    def subscriptions(self) -> None:
        """Rows one after another with gaps, overlaps and changes of plan, trials, ends in the future,
        rows that follow those."""
        rng = self.rng
        subscription = self.id()
        start = self.day(spread=40)
        taken = set()
        for _ in range(rng.choice((1, 1, 2, 3, 4))):
            if self.chance(0.3):
                subscription = self.id()
            end = start + timedelta(days=self.length())
            if (subscription, start) not in taken:
                taken.add((subscription, start))
                trial = rng.choice(
                    (None, None, None, start, end, start + timedelta(days=rng.choice((-3, 1, 7, 14, 30))))
                )
                stays = self.chance(0.15)
                self.company.subscriptions.append(
                    Subscription(
                        subscription,
                        start,
                        self.name,
                        ended_on=None if stays else end,
                        trial_ends_on=trial,
                        updated_at=self.written(start, end),
                        **self.terms(),
                    )
                )
            self.days += [start, end]
            start = end + timedelta(days=self.gap())

    def steady(self) -> None:
        """The usual customer: one price after another without a gap, so that MRR moves."""
        rng = self.rng
        start, subscription = self.day(), self.id()
        price = Decimal(rng.randint(100, 9999)) / 100
        for _ in range(rng.choice((1, 2, 3))):
            end = start + timedelta(days=rng.randint(20, 400))
            last = self.chance(0.3)
            self.company.subscriptions.append(
                Subscription(
                    subscription,
                    start,
                    self.name,
                    ended_on=None if last else end,
                    unit_price=price,
                    interval=rng.choice(("month", "year")),
                    currency=rng.choice((None, *CURRENCIES)),
                    plan_id=rng.choice(("basic", "plus")),
                    end_reason=self.reason() if self.chance(0.3) else None,
                    updated_at=self.written(start, end),
                )
            )
            if last:
                break
            start = end + timedelta(days=self.gap() if self.chance(0.4) else 0)
            if start <= end and any(
                row.started_on == start for row in self.company.subscriptions if row.subscription_id == subscription
            ):
                break
            price = rng.choice((price, price * 2, Decimal(rng.randint(100, 9999)) / 100))

    def event_log(self) -> None:
        rng = self.rng
        subscription = rng.choice((self.name, self.id()))
        for day in sorted(self.day(spread=30) for _ in range(rng.randint(1, 6))):
            for _ in range(rng.choice((1, 1, 1, 2))):
                event = SubscriptionEvent(
                    subscription,
                    self.name,
                    day,
                    plan_id=rng.choice((None, None, *(plan.plan_id for plan in self.company.plans))),
                    event=rng.choice(("start", "start", "change", "cancel", "cancel", None)),
                    quantity=rng.choice((None, None, Decimal(1), Decimal(2), Decimal(0))),
                    unit_price=rng.choice((None, None, self.money())),
                    status=rng.choice((None, None, None, "active", "trialing", "past_due", "unpaid", "canceled")),
                    interval=rng.choice((None, None, "month", "year")),
                    interval_count=rng.choice((None, 1, 3)),
                    currency=rng.choice((None, None, *CURRENCIES)),
                    discount_rate=rng.choice((None, None, Decimal("0.25"))),
                    trial_ends_on=rng.choice((None, None, None, day + timedelta(days=rng.choice((-1, 7, 14))))),
                )
                known = {
                    (one.subscription_id, one.occurred_on, one.event, one.plan_id)
                    for one in self.company.subscription_events
                }
                if (subscription, day, event.event, event.plan_id) not in known:
                    self.company.subscription_events.append(event)
        if self.chance(0.1):  # billing.subscriptions has it too and keeps its rows
            self.company.subscriptions.append(Subscription(subscription, self.day(), self.name, **self.terms()))

    def purchases(self) -> None:
        """Invoices, some `lapse_days` apart to the day, some on one day; credit notes, void ones, other currencies."""
        rng = self.rng
        day = self.day()
        for _ in range(rng.choice((1, 2, 3, 6))):
            self.invoice(day)
            lapse = self.company.policies.lapse_days
            step = rng.choice(
                (0, 1, lapse - 1, lapse, lapse + 1, lapse + self.company.policies.grace_days + 1, rng.randint(1, 150))
            )
            day += timedelta(days=step)
        if self.chance(0.3):  # the last of the 365 days that end with as_of, and the day before it
            self.invoice(self.company.as_of - timedelta(days=rng.choice((364, 365))))

    def covered(self, day: date) -> date | None:
        """Until when an invoice pays: mostly not said."""
        return day + timedelta(days=self.rng.choice((-1, 0, 1, 30, 365))) if self.chance(0.1) else None

    def invoice(self, day: date) -> None:
        rng = self.rng
        invoice, moment = self.id(), self.moment(day)
        status = rng.choice((None, "paid", "paid", "paid", "open", "void", "uncollectible"))
        as_header = self.chance(0.7)
        if as_header:
            amount = self.money()
            self.company.invoices.append(
                Invoice(
                    invoice,
                    self.name,
                    moment,
                    -amount if self.chance(0.15) else amount,
                    cost=self.money() / 2 if self.chance(0.5) else None,
                    currency=rng.choice((None, None, *CURRENCIES)),
                    status=status,
                    employee_id=self.employee(),
                    covers_until=self.covered(day),
                )
            )
        if not as_header or self.chance(0.1):
            with_ids, with_costs = self.chance(0.5), self.chance(0.6)
            for number in range(rng.choice((1, 1, 2, 3))):
                priced = self.chance(0.5)
                self.company.invoice_lines.append(
                    InvoiceLine(
                        invoice,
                        self.name,
                        moment + timedelta(hours=rng.choice((0, 0, 0, 5, 40))),
                        line_id=str(9 - number) if with_ids else None,
                        amount=self.money() if priced else None,
                        quantity=None if priced else rng.choice((Decimal(1), Decimal(2), Decimal(-1), Decimal("0.5"))),
                        unit_price=None if priced else rng.choice((Decimal("0.001"), Decimal("2.55"), self.money())),
                        cost=self.money() / 2 if with_costs or self.chance(0.5) else None,
                        currency=rng.choice((None, None, *CURRENCIES)),
                        status=status if self.chance(0.9) else None,
                        employee_id=self.employee(),
                        covers_until=self.covered(day),
                    )
                )

    def employee(self) -> str | None:
        return self.rng.choice((None, "e1", "e1", "e2", "e3", "e9"))

    # what is known about a customer besides

    def card(self) -> None:
        if self.chance(0.1):
            return  # only billing knows this one
        number = int(self.name[1:])
        into = f"c{number + self.rng.choice((0, 1, 1, 1, 2, -1)):04}" if self.chance(0.9) else f"ghost{number}"
        card = self.card_of(self.name)
        self.company.customers.append(replace(card, merged_into=into if self.chance(0.12) else None))

    def card_of(self, customer_id: str) -> Customer:
        rng = self.rng
        region = rng.choice(("", '{"region": "North "}', '{"region": ""}', '{"region": " south"}', "{}"))
        return Customer(
            customer_id,
            created_at=self.moment(),
            country=rng.choice(COUNTRIES),
            segment=rng.choice((None, "vip", "Vip")),
            acquisition_channel=rng.choice(CHANNELS),
            account_manager_id=rng.choice((None, "e1")),
            name=rng.choice((None, f"Customer {customer_id}")),
            email=rng.choice(EMAILS),
            phone=rng.choice(PHONES),
            messaging=rng.choice((None, None, f"@{customer_id}")),
            preferred_channel=rng.choice((None, None, "sms", "email", "viber", "voice")),
            contact_allowed=rng.choice((None, True, True, False)),
            raw_row=region or None,
        )

    def cards_under_other_ids(self) -> None:
        """Cards that stand for this customer, or for one that has no card of its own: named as ids of another system,
        or merged; of one day, of different days, or undated."""
        rng = self.rng
        whose = rng.choice((self.name, self.name, f"ghost{int(self.name[1:])}"))
        written = (None, self.moment(), self.moment())
        for _ in range(rng.choice((1, 2, 3))):
            card = replace(self.card_of(self.id()), updated_at=rng.choice(written))
            if self.chance(0.5):
                self.company.customer_ids.append(CustomerId(card.customer_id, whose))
            else:
                card = replace(card, merged_into=whose)
            self.company.customers.append(card)

    def says(self) -> None:
        """Notes, cases and what was thought of them, surveys, messages, payments: near the customer's own days."""
        rng = self.rng
        near = (-400, -181, -180, -179, -61, -60, -59, -2, -1, -1, 0, 0, 1, 5, 60)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            day = rng.choice(self.days or [self.first]) + timedelta(days=rng.choice(near))
            self.company.departures.append(Departure(self.id(), self.name, self.moment(day), self.reason()))
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            opened = self.moment(rng.choice(self.days or [self.first]) + timedelta(days=rng.choice(near)))
            answered = opened + rng.choice(ANSWERS)
            case = self.id()
            self.company.cases.append(
                Case(
                    case,
                    self.name,
                    opened,
                    first_response_at=answered if self.chance(0.7) else None,
                    resolved_at=answered + timedelta(days=rng.choice((0, 2))) if self.chance(0.5) else None,
                    kind=rng.choice(("complaint", "complaint", "question", None)),
                    severity=rng.choice((None, "serious", "minor")),
                    channel=rng.choice((None, "email", " phone")),
                    employee_id=self.employee(),
                )
            )
            for _ in range(rng.choice((0, 0, 1, 2))):
                scale = rng.choice((None, Decimal(5), Decimal(10)))
                score = Decimal(rng.randint(2, int(scale or 5)))
                asked = opened + timedelta(days=rng.choice((0, 1, 1, 9)))
                self.company.surveys.append(
                    Survey(self.id(), self.name, "csat", score, asked, scale_max=scale, case_id=case)
                )
        for _ in range(rng.choice((0, 0, 1, 3))):
            kind = rng.choice(("nps", "nps", "nps", "csat"))
            self.company.surveys.append(
                Survey(self.id(), self.name, kind, Decimal(rng.randint(0, 20)) / 2, self.moment())
            )
        for _ in range(rng.choice((0, 0, 1, 2, 4))):
            self.message()
        for _ in range(rng.choice((0, 0, 1, 2))):
            self.company.payments.append(
                Payment(self.id(), self.name, self.moment(), self.money(), rng.choice(("succeeded", "failed")))
            )
        if self.chance(0.05):
            self.company.refunds.append(Refund(self.id(), self.name, self.moment(), self.money()))

    def message(self) -> None:
        """A message some days before, or after, one of the customer's own days, which may be that of a return."""
        rng = self.rng
        before = timedelta(days=rng.choice((-30, -1, 0, 1, 29, 30, 31, 90, 91, 200, 365, 366)))
        sent = self.moment(rng.choice(self.days or [self.first]) - before)
        self.company.outreach.append(
            Outreach(
                self.id(),
                self.name,
                sent,
                rng.choice(("sms", "email", " Email", "viber", "voice", "post")),
                campaign=rng.choice((None, "", "back", "back ", "spring")),
                replied_at=rng.choice((None, None, sent, sent + timedelta(days=rng.choice((1, 60))))),
            )
        )
        if self.chance(0.2):
            noted = rng.choice((sent, sent + timedelta(days=3)))
            self.company.departures.append(Departure(self.id(), self.name, noted, self.reason()))

    def customer(self) -> None:
        kinds: list[Callable[[], None]] = [
            self.subscriptions,
            self.steady,
            self.steady,
            self.event_log,
            self.current_state,
            self.listed,
            self.purchases,
            self.purchases,
        ]
        for _ in range(self.rng.choice((0, 1, 1, 1, 1, 2))):
            self.rng.choice(kinds)()
        if self.chance(0.4):
            for _ in range(self.rng.choice((1, 3))):
                self.invoice(self.day())
        self.says()
        self.card()
        if self.chance(0.03):  # an id of another system, or of a chain of them, or of a circle
            number = int(self.name[1:])
            other = f"c{number + self.rng.choice((1, 1, 2, -1, 0)):04}"
            self.company.customer_ids.append(CustomerId(self.name, self.rng.choice((other, other, f"other{number}"))))
        if self.chance(0.15):
            self.cards_under_other_ids()


def plans(rng: Random) -> list[Plan]:
    return [
        Plan("basic", "Basic", "month", 1, Decimal("9.99"), "EUR"),
        Plan("plus", "Plus", "month", 1, Decimal("49.90"), "USD"),
        Plan("free", "Free", "month", 1, Decimal(0)),
        Plan("quarterly", None, "month", 3, Decimal(100)),
        Plan("yearly", None, "year", rng.choice((1, 2)), Decimal("119.99")),
        Plan("weekly", None, "week", rng.choice((1, 2, 4)), Decimal("7.77"), "USD"),
        Plan("daily", None, "day", rng.choice((1, 30)), Decimal("1.1")),
        Plan("bare", None, None, 1, Decimal(5)),
        Plan("priceless", None, "month", 1, None, "USD"),
    ]


def fx_rates(rng: Random, first: date, as_of: date) -> list[FxRate]:
    """USD from long before the first row on, at irregular days."""
    day = first - timedelta(days=600)
    rates = []
    while day <= as_of + timedelta(days=60):
        rates.append(FxRate(day, "USD", Decimal(rng.randint(8_000_000_000, 12_000_000_000)) / 10**10))
        day += timedelta(days=rng.choice((1, 7, 30, 31, 90)))
    return rates


@dataclass(frozen=True)
class Recipe:
    """What makes a random company, and makes it again: `customers` customers over the `months` months before as_of."""

    seed: int
    as_of: date
    months: int
    policies: Policies
    customers: int

    def company(self) -> Company:
        first = self.as_of - timedelta(days=30 * self.months)
        rng = Random(f"company {self.seed}")
        company = Company(
            self.as_of,
            "EUR",
            self.policies,
            plans=plans(rng),
            reasons=REASONS,
            aliases=ALIASES,
            lists_mean=Random(f"lists {self.seed}").choice((None, "now")),
        )
        company.employees.extend([Employee("e1", team="A"), Employee("e2", team="B"), Employee("e3")])
        company.fx_rates.extend(fx_rates(rng, first, self.as_of))
        sharp = sharp_days(first, self.as_of)
        for number in range(self.customers):
            Draw(company, number, Random(f"{self.seed}/{number}"), first, sharp).customer()
        return company


def policies() -> st.SearchStrategy[Policies]:
    segments = ("country", "acquisition_channel", "customer_segment", "first_plan")
    return st.builds(
        Policies,
        activity_basis=st.sampled_from(("auto", "auto", "subscription", "purchase")),
        lapse_days=st.sampled_from((90, 30, 1, 120)),
        grace_days=st.sampled_from((0, 0, 1, 7, 30)),
        count_free_plans=st.booleans(),
        reason_window_days=st.sampled_from((60, 0, 7)),
        profit_margin=st.sampled_from((None, Decimal("0.4"), Decimal("0.123456"))),
        sla_first_response_hours=st.sampled_from((24, 24, 2)),
        sla_resolution_hours=st.sampled_from((72, 48)),
        segments=st.sampled_from((segments, segments, ("first_plan", "region"), ("account_manager_id",), ())),
        fiscal_year_start_month=st.sampled_from((1, 1, 2, 4, 7, 12)),
    )


def companies(customers: st.SearchStrategy[int]) -> st.SearchStrategy[Recipe]:
    """Random companies of so many customers, as recipes."""
    days = [date(2024, 12, 31), date(2024, 2, 29), date(2025, 3, 1), date(2024, 4, 30), date(2025, 5, 17)]
    return st.builds(
        Recipe,
        seed=st.integers(0, 2**32),
        as_of=st.sampled_from(days),
        months=st.sampled_from((36, 26, 13, 5)),
        policies=policies(),
        customers=customers,
    )


def only(company: Company, names: Iterable[str]) -> Company:
    """The same company with these customers alone."""
    kept = set(names)
    tables = {
        field.name: [row for row in getattr(company, field.name) if row.customer_id in kept]
        for field in fields(Company)
        if field.name not in SHARED
    }
    return replace(company, **tables)


SHARED = (
    "as_of",
    "reporting_currency",
    "policies",
    "lists_mean",
    "plans",
    "employees",
    "fx_rates",
    "reasons",
    "aliases",
)
