"""What the reference reads: a company's rows as staging hands them on, and its policies.

One dataclass per contract table, fields in the contract's order. Rows are typed, defaulted and unique by
their key; a list's order is the order of delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Customer:
    customer_id: str
    created_at: datetime | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    messaging: str | None = None
    preferred_channel: str | None = None
    contact_allowed: bool | None = None
    country: str | None = None
    segment: str | None = None
    acquisition_channel: str | None = None
    account_manager_id: str | None = None
    merged_into: str | None = None
    updated_at: datetime | None = None
    raw_row: str | None = None  # JSON of the source row: columns that the contract does not name are segments too


@dataclass(frozen=True, slots=True)
class Employee:
    employee_id: str
    name: str | None = None
    role: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    case_id: str
    customer_id: str
    opened_at: datetime
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    kind: str | None = None
    severity: str | None = None
    topic: str | None = None
    channel: str | None = None
    employee_id: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    response_id: str
    customer_id: str
    kind: str
    score: Decimal
    answered_at: datetime
    scale_max: Decimal | None = None
    comment: str | None = None
    case_id: str | None = None
    employee_id: str | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    departure_id: str
    customer_id: str
    noted_at: datetime
    reason: str
    left_on: date | None = None
    noted_by: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Outreach:
    outreach_id: str
    customer_id: str
    sent_at: datetime
    channel: str
    campaign: str | None = None
    replied_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    plan_id: str
    name: str | None = None
    interval: str | None = None
    interval_count: int | None = None
    price: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    subscription_id: str
    started_on: date
    customer_id: str
    plan_id: str | None = None
    ended_on: date | None = None
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    interval: str | None = None
    interval_count: int | None = None
    currency: str | None = None
    discount_rate: Decimal | None = None
    trial_ends_on: date | None = None
    status: str | None = None
    end_reason: str | None = None
    updated_at: datetime | None = None
    discount_amount: Decimal | None = None
    auto_renew: bool | None = None
    inactive_on: date | None = None
    # what the loader knows of the delivery: its source, what a status means there, and as_of of the refresh that first
    # loaded the row with this status (none: the present one)
    source: str = "1"
    status_means: str | None = None
    seen_as_of: date | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A subscription in a list of all subscriptions as they were on a day."""

    snapshot_on: date
    row: Subscription

    @property
    def customer_id(self) -> str:
        return self.row.customer_id


@dataclass(frozen=True, slots=True)
class CustomerId:
    source_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class SubscriptionEvent:
    subscription_id: str
    customer_id: str
    occurred_on: date
    plan_id: str | None = None
    event: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    status: str | None = None
    interval: str | None = None
    interval_count: int | None = None
    currency: str | None = None
    discount_rate: Decimal | None = None
    trial_ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    invoice_id: str
    customer_id: str
    issued_at: datetime
    amount: Decimal
    cost: Decimal | None = None
    currency: str | None = None
    status: str | None = None
    subscription_id: str | None = None
    employee_id: str | None = None
    paid_at: datetime | None = None
    updated_at: datetime | None = None
    covers_until: date | None = None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    invoice_id: str
    customer_id: str
    issued_at: datetime
    line_id: str | None = None
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    cost: Decimal | None = None
    currency: str | None = None
    status: str | None = None
    product: str | None = None
    employee_id: str | None = None
    covers_until: date | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    payment_id: str
    customer_id: str
    paid_at: datetime
    amount: Decimal
    status: str
    invoice_id: str | None = None
    currency: str | None = None
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    refund_id: str
    customer_id: str
    refunded_at: datetime
    amount: Decimal
    invoice_id: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class FxRate:
    rate_date: date
    currency: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Reason:
    """A row of the seed of reasons."""

    reason_code: str
    reason: str
    reason_group: str
    nature: str
    control: str


@dataclass(frozen=True, slots=True)
class Alias:
    """A row of the seed of aliases: a wording that customers and staff use for a reason."""

    alias: str
    reason_code: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    activity_basis: str = "auto"
    lapse_days: int = 90
    grace_days: int = 0
    count_free_plans: bool = False
    reason_window_days: int = 60
    profit_margin: Decimal | None = None
    sla_first_response_hours: int = 24
    sla_resolution_hours: int = 72
    segments: tuple[str, ...] = ("country", "acquisition_channel", "customer_segment", "first_plan")
    fiscal_year_start_month: int = 1


@dataclass(frozen=True, slots=True)
class Company:
    """Everything that a refresh knows: usable rows, the seeds of reasons, policies and the last day covered."""

    as_of: date
    reporting_currency: str = "EUR"
    policies: Policies = Policies()
    customers: list[Customer] = field(default_factory=list, repr=False)
    customer_ids: list[CustomerId] = field(default_factory=list, repr=False)
    employees: list[Employee] = field(default_factory=list, repr=False)
    cases: list[Case] = field(default_factory=list, repr=False)
    surveys: list[Survey] = field(default_factory=list, repr=False)
    departures: list[Departure] = field(default_factory=list, repr=False)
    outreach: list[Outreach] = field(default_factory=list, repr=False)
    plans: list[Plan] = field(default_factory=list, repr=False)
    subscriptions: list[Subscription] = field(default_factory=list, repr=False)
    lists: list[Listed] = field(default_factory=list, repr=False)
    lists_mean: str | None = None  # now: the lists are dated
    subscription_events: list[SubscriptionEvent] = field(default_factory=list, repr=False)
    invoices: list[Invoice] = field(default_factory=list, repr=False)
    invoice_lines: list[InvoiceLine] = field(default_factory=list, repr=False)
    payments: list[Payment] = field(default_factory=list, repr=False)
    refunds: list[Refund] = field(default_factory=list, repr=False)
    fx_rates: list[FxRate] = field(default_factory=list, repr=False)
    reasons: tuple[Reason, ...] = field(default=(), repr=False)
    aliases: tuple[Alias, ...] = field(default=(), repr=False)
