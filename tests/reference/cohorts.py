"""Marts of cohorts and of time to leave."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from math import exp, log, sqrt

from .facts import Customer, Facts
from .money import Z, rate, rounded
from .periods import DAY, Period

NOTHING = Decimal(0)


def cohort_retention(facts: Facts) -> list[dict]:
    """ "A customer's cohort is the period in which its first spell starts; age k is the k-th period after it."

    "Every cohort that has customers of the segment has a row for every age up to the period of `as_of`"; "In the open
    period all rates are null". Reading: `revenue_per_customer` is money and shown to date; `retention_rate`,
    `close_retention_rate`, `purchase_rate`, `mrr_retention_rate` are the rates.
    """
    rows = []
    for grain, periods in facts.grids.items():
        for segment, members in facts.groups():
            for first, cohort_period in enumerate(periods):
                cohort = [one for one in members if one.spells and cohort_period.holds(one.spells[0].started_on)]
                if cohort:
                    keys = {"cohort_grain": grain, "cohort_start": cohort_period.start}
                    for age, cell in enumerate(cohort_cells(cohort, periods[first:])):
                        rows.append(keys | {"age": age} | segment | cell)
    return rows


def cohort_cells(cohort: list[Customer], periods: list[Period]) -> list[dict]:
    """One cell a period, from the cohort's own on.

    "sum of each customer's MRR at the opening of the day after its first spell starts"; "Revenue before a customer's
    first spell, and revenue of customers without one, is in no cohort".
    """
    cells = []
    size = len(cohort)
    cumulative = NOTHING
    mrr_initial = sum((one.mrr_at(one.spells[0].started_on + DAY) for one in cohort), NOTHING)
    for period in periods:
        active = sum(any(spell.touches(period.start, period.end) for spell in one.spells) for one in cohort)
        at_close = sum(one.is_active_at(period.end) for one in cohort)
        purchasing = sum(any(period.holds(purchase.day) for purchase in one.purchases) for one in cohort)
        revenue = sum((one.revenue(max(period.start, one.spells[0].started_on), period.end) for one in cohort), NOTHING)
        cumulative += revenue
        mrr_at_close = sum((one.mrr_at(period.end) for one in cohort), NOTHING)

        def over(count: int | Decimal, whole: int | Decimal, period: Period = period) -> float | None:
            return rate(count, whole) if period.is_complete else None

        cells.append(
            {
                "period_start": period.start,
                "period_end": period.end,
                "is_complete": period.is_complete,
                "cohort_size": size,
                "customers_active": active,
                "retention_rate": over(active, size),
                "customers_at_close": at_close,
                "close_retention_rate": over(at_close, size),
                "customers_purchasing": purchasing,
                "purchase_rate": over(purchasing, size),
                "revenue": revenue,
                "cumulative_revenue": cumulative,
                "revenue_per_customer": rounded(Fraction(cumulative) / size),
                "mrr_initial": mrr_initial,
                "mrr_at_close": mrr_at_close,
                "mrr_retention_rate": over(mrr_at_close, mrr_initial),
            }
        )
    return cells


def survival_curves(facts: Facts) -> list[dict]:
    """Kaplan–Meier: "The duration is that of each customer's first spell in days; open ones are censored at as_of +
    1"; "Survival uses Greenwood's formula on the log-log scale; the interval is null where survival is 0."
    """
    rows = []
    for segment, members in facts.groups():
        first_spells = [customer.spells[0] for customer in members if customer.spells]
        durations = [((spell.ended_on or facts.opening_after) - spell.started_on).days for spell in first_spells]
        lost_after = Counter(days for days, spell in zip(durations, first_spells, strict=True) if spell.ended_on)
        survival, greenwood = Fraction(1), Fraction(0)
        for days in sorted(lost_after):
            at_risk, lost = sum(duration >= days for duration in durations), lost_after[days]
            survival *= 1 - Fraction(lost, at_risk)
            low = high = None
            if survival:
                greenwood += Fraction(lost, at_risk * (at_risk - lost))
                log_survival = log(survival)
                spread = Z * sqrt(greenwood) / log_survival
                low, high = exp(log_survival * exp(-spread)), exp(log_survival * exp(spread))
            rows.append(
                segment
                | {
                    "tenure_days": days,
                    "at_risk": at_risk,
                    "lost": lost,
                    "survival": float(survival),
                    "survival_low": low,
                    "survival_high": high,
                }
            )
    return rows
