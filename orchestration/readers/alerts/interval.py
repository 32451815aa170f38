"""Which counts the months before make plausible for a month: a prediction interval (docs/alerts.md derives it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

MONTHS = 12  # that are looked back upon
NEGLIGIBLE = 1e-12  # of the greatest term of a sum
OUTSIDE = 0.03  # the chance of a count outside the interval, as far as the assumptions hold


class Month(NamedTuple):
    """How many customers a month began with, and how many of them it lost, in all or for a reason."""

    customers: int
    lost: int


class Interval(NamedTuple):
    """The least and the greatest count that is plausible, and the one that is expected."""

    low: int
    high: int
    expected: float


def plausible(before: Sequence[Month], customers: int) -> Interval:
    """The interval for a month that begins with so many customers, by the months before it.

    A beta-binomial distribution with the rate of all months before together and the variance of a new month: what
    chance makes of a rate, times how much more the months before differ than chance would have it (never less), plus
    what is unknown of the rate itself."""
    all_customers = sum(month.customers for month in before)
    rate = (sum(month.lost for month in before) + 0.5) / (all_customers + 1)
    squares = sum(
        (month.lost - month.customers * rate) ** 2 / (month.customers * rate * (1 - rate)) for month in before
    )
    dispersion = max(1.0, squares / (len(before) - 1))
    variance = dispersion * (1 + customers / all_customers)  # in units of the binomial variance; at most `customers`
    if customers < 2 or variance >= customers:
        return Interval(0, customers, rate * customers)
    weight = (customers - 1) / (variance - 1) - 1
    return Interval(*_quantiles(customers, rate * weight, (1 - rate) * weight), rate * customers)


def _quantiles(n: int, a: float, b: float) -> tuple[int, int]:
    """The least and the greatest of n that a beta-binomial distribution leaves when each side loses at most half of
    OUTSIDE. Its terms are worked out from the middle, each from its neighbour, until they no longer matter."""
    middle = int(n * a / (a + b))
    terms = {middle: 1.0}
    for step in (1, -1):
        k = middle
        while 0 <= k + step <= n:
            lower = min(k, k + step)
            ratio = (n - lower) / (lower + 1) * (a + lower) / (b + n - lower - 1)
            term = terms[k] * (ratio if step == 1 else 1 / ratio)
            k += step
            terms[k] = term
            if term < NEGLIGIBLE:
                break
    total = sum(terms.values())
    counts = sorted(terms)
    return _first_beyond(counts, terms, total), _first_beyond(counts[::-1], terms, total)


def _first_beyond(counts: Sequence[int], terms: Mapping[int, float], total: float) -> int:
    """The first of the counts before which at most half of OUTSIDE lies."""
    passed = 0.0
    for count in counts:
        passed += terms[count]
        if passed > total * OUTSIDE / 2:
            return count
    return counts[-1]
