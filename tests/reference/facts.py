"""The shared facts of a company, computed once: customers, segments, invoices, spells, MRR, reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from . import customers, invoices, reasons, subscriptions
from .company import Case, Company, Departure, Outreach, Payment, Survey
from .company import Customer as Card
from .invoices import Billed
from .periods import DAY, MONTHS, Period, grid
from .spells import Interval, Spell, interval_of_purchase, interval_of_row, mrr_at, scheduled_end, spells
from .subscriptions import Row

if TYPE_CHECKING:
    from .churn import Stay

CUSTOMER_ATTRIBUTES = ("country", "acquisition_channel", "customer_segment", "first_plan", "account_manager_id")


@dataclass
class Customer:
    """All that is known of one customer, merged cards included."""

    customer_id: str
    card: Card | None  # the one that counts
    attributes: dict[str, str | None]
    segments: dict[str, str]
    basis: str  # subscription or purchase
    rows: list[Row]  # counting subscription rows, on the subscription basis
    candidates: list[Row]  # these, and those that will count when they start
    intervals: list[Interval]
    spells: list[Spell]
    invoices: list[Billed]
    notes: list[Departure]
    cases: list[Case]
    surveys: list[Survey]
    payments: list[Payment]
    messages: list[Outreach]

    def __post_init__(self) -> None:
        self._mrr: dict[date, Decimal] = {}

    def is_active_at(self, day: date) -> bool:
        """Active at the opening of `day`."""
        return any(spell.is_active_at(day) for spell in self.spells)

    def mrr_at(self, day: date) -> Decimal:
        """MRR at the opening of `day`."""
        if day not in self._mrr:
            self._mrr[day] = mrr_at(self.intervals, self.spells, day)
        return self._mrr[day]

    def revenue(self, start: date, end: date) -> Decimal:
        """ "the sum of all invoices except void and uncollectible ones. Credit notes reduce it", issued in `[start,
        end)`.
        """
        return sum((invoice.amount for invoice in self.invoices if start <= invoice.day < end), Decimal(0))

    @cached_property
    def purchases(self) -> list[Billed]:
        return sorted(
            (one for one in self.invoices if one.is_purchase), key=lambda one: (one.issued_at, one.invoice_id)
        )

    @cached_property
    def first_mrr_on(self) -> date | None:
        """The first day at whose opening MRR > 0."""
        days = [
            interval.start + DAY
            for interval in self.intervals
            if interval.monthly_amount and interval.start != interval.end
        ]
        return min(days, default=None)

    def back_on(self, spell: Spell) -> date | None:
        """The day of the customer's return after `spell`."""
        return next((later.started_on for later in self.spells if later.spell_number == spell.spell_number + 1), None)


class Facts:
    def __init__(self, company: Company) -> None:
        self.company = company
        self.as_of = company.as_of
        self._survivors = customers.survivors(company)
        self._rows: dict[str, list[dict]] = {}
        self.stays: dict[Period, dict[str, Stay]] = {}  # churn.grid keeps what it computes
        self.customers = self._customers()
        self.why: dict[Spell, reasons.WhyEnded] = {
            spell: reasons.why_ended(company, spell, customer.back_on(spell), customer.notes, customer.rows)
            for customer in self.customers
            for spell in customer.spells
            if spell.ended_on
        }

    def owner(self, card: str) -> str:
        """The customer that everything of a card belongs to; also of a card that nobody else knows."""
        return self._survivors.get(card, card)

    def by_customer(self, rows: Iterable) -> dict[str, list]:
        """Rows by the customer that they belong to, customers that nobody else knows among them."""
        grouped = defaultdict(list)
        for row in rows:
            grouped[self.owner(row.customer_id)].append(row)
        return grouped

    def rows_of(self, mart: Callable[[Facts], list[dict]]) -> list[dict]:
        """The rows of a mart, computed once: other marts are made of them."""
        if mart.__name__ not in self._rows:
            self._rows[mart.__name__] = mart(self)
        return self._rows[mart.__name__]

    def _customers(self) -> list[Customer]:
        company, policies = self.company, self.company.policies
        by_customer = self.by_customer

        future_too = by_customer(subscriptions.candidates(company))
        billed = by_customer(invoices.billed(company))
        notes = by_customer(note for note in company.departures if note.noted_at.date() <= company.as_of)
        cases = by_customer(case for case in company.cases if case.opened_at.date() <= company.as_of)
        surveys = by_customer(answer for answer in company.surveys if answer.answered_at.date() <= company.as_of)
        payments = by_customer(attempt for attempt in company.payments if attempt.paid_at.date() <= company.as_of)
        messages = by_customer(message for message in company.outreach if message.sent_at.date() <= company.as_of)
        cards = customers.cards(company)

        def customer(name: str) -> Customer:
            """ "a customer who has at least one subscription row that counts is on the subscription basis, everybody
            else on the purchase basis".
            """
            counting = [row for row in future_too[name] if row.starts_on <= company.as_of]
            on_rows = policies.activity_basis == "subscription" or (
                policies.activity_basis == "auto" and bool(counting)
            )
            rows = counting if on_rows else []
            if on_rows:
                intervals = [interval_of_row(row, company.as_of) for row in rows]
            else:
                intervals = [
                    interval_of_purchase(invoice.day, invoice.covers_until, policies.lapse_days, company.as_of)
                    for invoice in billed[name]
                    if invoice.is_purchase
                ]
            attributes = customers.attributes(cards.get(name), counting, {*CUSTOMER_ATTRIBUTES, *policies.segments})
            planned = scheduled_end(future_too[name], company.as_of) if on_rows else None
            return Customer(
                name,
                cards.get(name),
                attributes,
                {kind: attributes[kind] or customers.UNKNOWN for kind in policies.segments},
                "subscription" if on_rows else "purchase",
                rows,
                future_too[name] if on_rows else [],
                intervals,
                spells(name, intervals, policies.grace_days, planned),
                billed[name],
                notes[name],
                cases[name],
                surveys[name],
                payments[name],
                messages[name],
            )

        return [customer(name) for name in customers.all_customers(company)]

    @cached_property
    def grids(self) -> dict[str, list[Period]]:
        """ "The periods of a grain run from the first one in which anybody is active to the one that contains
        `as_of`." None without activity.
        """
        starts = [spell.started_on for customer in self.customers for spell in customer.spells]
        fiscal = self.company.policies.fiscal_year_start_month
        return {grain: grid(grain, min(starts), self.as_of, fiscal) if starts else [] for grain in MONTHS}

    def base_of(self, period: Period) -> Period | None:
        """ "the previous period of the same grain"; none before the first."""
        return next((other for other in self.grids[period.grain] if other.end == period.start), None)

    def groups(self) -> list[tuple[dict, list[Customer]]]:
        """Segment keys and their customers: the whole company, then "values as they are now, for all periods"."""
        found: dict[tuple[str, str], list[Customer]] = {("all", "all"): self.customers}
        for customer in self.customers:
            for segment_type, value in customer.segments.items():
                found.setdefault((segment_type, value), []).append(customer)
        return [({"segment_type": kind, "segment": value}, members) for (kind, value), members in found.items()]

    @property
    def opening_after(self) -> date:
        """The last opening that the data covers."""
        return self.as_of + DAY
