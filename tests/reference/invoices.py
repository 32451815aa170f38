"""Invoices as billed: headers, and lines summed where there is no header; their amounts in the reporting currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from .company import Company, InvoiceLine
from .money import exchange_rate, rounded


@dataclass(frozen=True, slots=True)
class Billed:
    """An invoice that is neither void nor uncollectible, amounts converted and rounded once."""

    invoice_id: str
    customer_id: str
    issued_at: datetime
    amount: Decimal
    cost: Decimal | None
    employee_id: str | None
    covers_until: date | None = None

    @property
    def day(self) -> date:
        return self.issued_at.date()

    @property
    def is_purchase(self) -> bool:
        """ "total is above 0 and which is neither void nor uncollectible"; "Whether an amount is above 0 is asked
        after rounding".
        """
        return self.amount > 0


def line_amount(line: InvoiceLine) -> Fraction:
    """ "amount? or quantity and unit_price\""""
    return Fraction(line.amount) if line.amount is not None else Fraction(line.quantity) * Fraction(line.unit_price)


def of_lines(company: Company, lines: list[InvoiceLine]) -> tuple[Billed, str | None]:
    """One invoice made of lines, and its status.

    "Time, customer, status and employee of an invoice made of lines are those of its earliest line (then the smallest
    `line_id`, then the earliest delivery)"; "Each line is converted in its own currency and the sum is rounded once.
    The cost is null unless every line with an amount has one". Reading: the rate is that of the invoice's day, the
    earliest line's; every line has an amount.
    """
    earliest = min(lines, key=lambda line: (line.issued_at, line.line_id or ""))  # stable: delivery order
    rates = [exchange_rate(company, line.currency, earliest.issued_at.date()) for line in lines]
    amount = sum(line_amount(line) * rate for line, rate in zip(lines, rates, strict=True))
    cost = None
    if all(line.cost is not None for line in lines):
        cost = sum(Fraction(line.cost) * rate for line, rate in zip(lines, rates, strict=True))
    billed = Billed(
        earliest.invoice_id,
        earliest.customer_id,
        earliest.issued_at,
        rounded(amount),
        rounded(cost),
        earliest.employee_id,
        max((line.covers_until for line in lines if line.covers_until), default=None),
    )
    return billed, earliest.status


def billed(company: Company) -> list[Billed]:
    """Every invoice that revenue is made of: issued by as_of, "except void and uncollectible ones", credit notes
    among them.

    "An invoice that `billing.invoices` has too is taken from there".
    """
    headers = {invoice.invoice_id for invoice in company.invoices}
    lines: dict[str, list[InvoiceLine]] = {}
    for line in company.invoice_lines:
        if line.invoice_id not in headers:
            lines.setdefault(line.invoice_id, []).append(line)

    judged = [of_lines(company, of_invoice) for of_invoice in lines.values()]
    for invoice in company.invoices:
        rate = exchange_rate(company, invoice.currency, invoice.issued_at.date())
        amount, cost = Fraction(invoice.amount), invoice.cost
        cost = None if cost is None else rounded(Fraction(cost) * rate)
        judged.append(
            (
                Billed(
                    invoice.invoice_id,
                    invoice.customer_id,
                    invoice.issued_at,
                    rounded(amount * rate),
                    cost,
                    invoice.employee_id,
                    invoice.covers_until,
                ),
                invoice.status,
            )
        )
    return [one for one, status in judged if status not in ("void", "uncollectible") and one.day <= company.as_of]
