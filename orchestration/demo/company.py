"""The records of the demo company, before they are written as anybody's extract.

Money is whole cents of the record's currency; moments are naive, in the company's time zone.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

FIRST_DAY = date(2023, 1, 1)
AS_OF = date(2025, 12, 31)


@dataclass(slots=True)
class Employee:
    employee_id: str
    name: str
    role: str
    team: str
    care: float  # multiplies the risk that a customer leaves: below 1 keeps, above 1 loses


@dataclass(slots=True)
class Case:
    customer_id: str
    opened_at: datetime
    first_response_at: datetime | None
    resolved_at: datetime | None
    kind: str
    severity: str | None
    topic: str
    channel: str
    employee_id: str
    case_id: str = ""

    @property
    def hours_to_answer(self) -> float:
        return (self.first_response_at - self.opened_at) / timedelta(hours=1) if self.first_response_at else 999.0


@dataclass(slots=True)
class Customer:
    customer_id: str
    joined: date
    country: str | None
    language: str
    currency: str
    segment: str
    industry: str
    acquisition_channel: str | None
    manager: Employee
    mood: float  # standard normal; the happier, the longer a customer stays
    buys: str  # subscription, supplies or nothing
    has_card: bool = True  # False: known to billing only
    former_id: str | None = None  # a second card, merged into this one
    merged_on: date = date.max
    cases: list[Case] = field(default_factory=list)
    active: list[tuple[date, date]] = field(default_factory=list)  # [start, end) of each stay
    left_for: dict[date, str] = field(default_factory=dict)  # day of leaving -> reason code

    def card(self, day: date) -> str:
        """The customer_id under which the systems knew the customer on `day`."""
        return self.former_id if self.former_id and day < self.merged_on else self.customer_id

    def is_active(self, day: date) -> bool:
        return any(start <= day < end for start, end in self.active)


@dataclass(slots=True)
class Subscription:
    """One period on the same terms."""

    subscription_id: str
    customer_id: str
    started_on: date
    plan_id: str
    quantity: int
    unit_amount: int
    currency: str
    discount_percent: int = 0
    trial_ends_on: date | None = None
    ended_on: date | None = None
    status: str = "active"
    end_reason: str | None = None


@dataclass(slots=True)
class Invoice:
    customer_id: str
    issued_at: datetime
    amount: int
    cost: int | None
    currency: str
    status: str = "paid"
    subscription_id: str | None = None
    employee_id: str | None = None
    paid_at: datetime | None = None
    invoice_id: str = ""


@dataclass(slots=True)
class Payment:
    invoice: Invoice
    paid_at: datetime
    failure_code: str | None = None
    payment_id: str = ""


@dataclass(slots=True)
class Refund:
    credit_note: Invoice
    refunded_at: datetime
    refund_id: str = ""


@dataclass(slots=True)
class Survey:
    customer_id: str
    kind: str
    score: int
    answered_at: datetime
    comment: str | None = None
    case: Case | None = None
    response_id: str = ""


@dataclass(slots=True)
class Departure:
    customer_id: str
    noted_at: datetime
    left_on: date
    reason: str  # what the clerk typed
    noted_by: str
    channel: str
    reason_code: str  # what it meant; no extract tells
    departure_id: str = ""


@dataclass(slots=True)
class Outreach:
    customer_id: str
    sent_at: datetime
    channel: str
    campaign: str
    replied_at: datetime | None = None
    outreach_id: str = ""


@dataclass
class Company:
    rng: Random
    employees: list[Employee] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    surveys: list[Survey] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    outreach: list[Outreach] = field(default_factory=list)

    def team(self, prefix: str) -> list[Employee]:
        """The employees of the teams whose name starts with `prefix`."""
        return [employee for employee in self.employees if employee.team.startswith(prefix)]

    def moment(self, day: date) -> datetime:
        """Some minute of the opening hours of `day`."""
        minutes = int(self.rng.random() * 600)
        return datetime(day.year, day.month, day.day, 9 + minutes // 60, minutes % 60)

    def bill(self, invoice: Invoice, *, after_days: int = 0) -> Invoice:
        """Book `invoice`; a paid one is paid `after_days` later, or is still open when that lies after AS_OF."""
        self.invoices.append(invoice)
        if invoice.status == "paid":
            paid_at = invoice.issued_at + timedelta(days=after_days, minutes=7)
            if paid_at.date() > AS_OF:
                invoice.status = "open"
            else:
                invoice.paid_at = paid_at
                self.payments.append(Payment(invoice, paid_at))
        return invoice

    def credit(self, invoice: Invoice, share: float, days: int) -> None:
        """Book a credit note over `share` of `invoice`, `days` later; most are refunded, some are set off."""
        issued_at = invoice.issued_at + timedelta(days=days)
        if issued_at.date() > AS_OF:
            return
        note = Invoice(
            invoice.customer_id,
            issued_at,
            -round(invoice.amount * share),
            None if invoice.cost is None else -round(invoice.cost * share),
            invoice.currency,
            subscription_id=invoice.subscription_id,
            employee_id=invoice.employee_id,
            paid_at=issued_at,
        )
        self.invoices.append(note)
        if self.rng.random() < 0.7:
            self.refunds.append(Refund(note, issued_at + timedelta(hours=5)))

    def number(self) -> None:
        """Give every document its number, in the order of time as the systems did."""
        for records, moment, attribute, form in (
            (self.invoices, "issued_at", "invoice_id", "{:010d}"),
            (self.payments, "paid_at", "payment_id", "pay_{:07d}"),
            (self.refunds, "refunded_at", "refund_id", "rf_{:05d}"),
            (self.cases, "opened_at", "case_id", "T-{:06d}"),
            (self.surveys, "answered_at", "response_id", "R{:06d}"),
            (self.departures, "noted_at", "departure_id", "D{:05d}"),
            (self.outreach, "sent_at", "outreach_id", "M{:06d}"),
        ):
            records.sort(key=lambda record: getattr(record, moment))
            for number, record in enumerate(records, 1):
                setattr(record, attribute, form.format(number))
