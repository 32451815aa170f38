"""Exact money: `Fraction` while it is calculated, `Decimal` with two digits once it is rounded."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from .company import Company

Z = 1.959964


class MissingRate(Exception):
    """No rate of exchange on or before the day: names the currency and the day."""


def rounded(value: Fraction | Decimal | int | None) -> Decimal | None:
    """Money: two digits, half away from zero. Null stays null."""
    if value is None:
        return None
    cents = abs(Fraction(value)) * 100
    whole = (2 * cents.numerator + cents.denominator) // (2 * cents.denominator)
    return Decimal(whole if value >= 0 else -whole).scaleb(-2)


def rate(numerator: Decimal | Fraction | int, denominator: Decimal | Fraction | int) -> float | None:
    """ "A rate with denominator 0 is null.\""""
    return float(Fraction(numerator) / Fraction(denominator)) if denominator else None


def wilson(successes: int, trials: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a rate by Wilson; nulls with nobody to count."""
    if not trials:
        return None, None
    p = successes / trials
    centre = p + Z * Z / (2 * trials)
    spread = Z * (p * (1 - p) / trials + Z * Z / (4 * trials * trials)) ** 0.5
    scale = 1 + Z * Z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def exchange_rate(company: Company, currency: str | None, day: date) -> Fraction:
    """Reporting units for one unit of `currency` (empty: the reporting currency) by "the last rate known on or
    before" `day`.
    """
    if currency is None or currency == company.reporting_currency:
        return Fraction(1)
    known = [row for row in company.fx_rates if row.currency == currency and row.rate_date <= day]
    if not known:
        raise MissingRate(f"no rate of {currency} on or before {day}")
    return Fraction(max(known, key=lambda row: row.rate_date).rate)
