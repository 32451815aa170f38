"""How often the alert on churn is wrong, and how soon it is right: simulated companies whose churn is stable, and the
same ones after it has doubled.

    .venv/bin/python -m benchmarks.alerts

What is simulated is customers, not the distribution that the alert assumes: in their first three months they leave
twice as often as later, companies grow or shrink, and each month and season has some luck of its own. The numbers are
in docs/alerts.md; a test holds them to what is promised there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from orchestration.readers.alerts.interval import MONTHS, Month, plausible

COMPANIES = 200
HISTORY = 36  # months of a company, the last YEAR of which are looked at
YEAR = 12
WITHIN = 2  # months after a change


@dataclass(frozen=True)
class Company:
    """What a simulated company is like."""

    customers: int  # at its beginning
    churn: float  # of a month, of customers of more than three months
    growth: float  # of a month
    season: float  # how far the best and the worst month of a year are from the usual, in parts of it
    luck: (
        float  # how far a month is from the usual by luck alone: the standard deviation of the logarithm of its factor
    )


def any_company(random: np.random.Generator) -> Company:
    """A company of 300 to 10,000 customers that loses 1.5 to 8 percent of them a month."""
    return Company(
        customers=int(np.exp(random.uniform(np.log(300), np.log(10_000)))),
        churn=np.exp(random.uniform(np.log(0.015), np.log(0.08))),
        growth=random.uniform(-0.01, 0.03),
        season=random.uniform(0, 0.1),
        luck=random.uniform(0, 0.1),
    )


def any_uneven_company(random: np.random.Generator) -> Company:
    """The same with strong seasons, and months that differ much by luck."""
    return replace(any_company(random), season=0.3, luck=0.2)


def months(company: Company, random: np.random.Generator, doubled_from: int | None = None) -> list[Month]:
    """The months of a company: customers at the start, and how many of them left."""
    young, old = np.zeros(3, dtype=int), company.customers  # customers by month of age; those beyond three
    phase, history = random.uniform(0, 2 * np.pi), []
    for number in range(HISTORY):
        usual = company.churn * (2 if doubled_from is not None and number >= doubled_from else 1)
        usual *= 1 + company.season * np.sin(2 * np.pi * number / 12 + phase)
        rate = min(usual * np.exp(random.normal(-(company.luck**2) / 2, company.luck)), 0.5)
        lost_young, lost_old = random.binomial(young, min(2 * rate, 1)), random.binomial(old, rate)
        start, lost = int(young.sum() + old), int(lost_young.sum() + lost_old)
        history.append(Month(start, lost))
        young, old = young - lost_young, old - lost_old
        # as many come as went at the usual rate, and those of the growth
        came = random.poisson(start * max(company.growth + company.churn, 0))
        old += young[-1]
        young = np.array([came, young[0], young[1]])
    return history


def alarms(history: list[Month], number: int) -> bool:
    """Whether the month of this number is outside of what the twelve before make plausible."""
    low, high, _ = plausible(history[number - MONTHS : number], history[number].customers)
    return not low <= history[number].lost <= high


def false_alarms(seed: int = 1, company: Callable[[np.random.Generator], Company] = any_company) -> float:
    """The share of months that alarm, of companies whose churn is stable."""
    random = np.random.default_rng(seed)
    looked_at = [
        alarms(history, number)
        for history in (months(company(random), random) for _ in range(COMPANIES))
        for number in range(HISTORY - YEAR, HISTORY)
    ]
    return sum(looked_at) / len(looked_at)


def found(seed: int = 2, company: Callable[[np.random.Generator], Company] = any_company) -> float:
    """The share of companies that alarm within two months after their churn has doubled."""
    random, first = np.random.default_rng(seed), HISTORY - YEAR
    seen = [
        any(alarms(history, number) for number in range(first, first + WITHIN))
        for history in (months(company(random), random, first) for _ in range(COMPANIES))
    ]
    return sum(seen) / len(seen)


def main() -> None:
    """Print both shares, also of uneven companies, and how soon a doubling is seen by the customers that are lost in a
    usual month."""
    for kind, company in (("", any_company), ("uneven, ", any_uneven_company)):
        print(f"{kind}stable: {false_alarms(company=company):.1%} of {COMPANIES * YEAR:,} months alarm")
        print(f"{kind}doubled: {found(company=company):.1%} of {COMPANIES} companies alarm within {WITHIN} months")
    for lost in (2, 5, 10, 20, 50):
        even = Company(customers=lost * 40, churn=0.02, growth=0, season=0.05, luck=0.05)
        print(f"  about {lost} lost in a usual month: {found(company=lambda _, even=even: even):.0%}")


if __name__ == "__main__":
    main()
