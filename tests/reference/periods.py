"""Months, quarters and years; quarters and years are fiscal."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """`start` inclusive, `end` exclusive. The open period "is calculated up to `as_of`": it ends on as_of + 1."""

    grain: str
    start: date
    end: date
    is_complete: bool

    def holds(self, day: date) -> bool:
        return self.start <= day < self.end

    def days(self) -> Iterator[date]:
        return (self.start + n * DAY for n in range((self.end - self.start).days))

    def keys(self) -> dict:
        return {
            "period_grain": self.grain,
            "period_start": self.start,
            "period_end": self.end,
            "is_complete": self.is_complete,
        }


def later(first_of_month: date, months: int) -> date:
    """The first of a month, so many months on."""
    index = first_of_month.year * 12 + first_of_month.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def months_before(day: date, months: int) -> date:
    """The day so many months before; "where that day does not exist in its month, the month's last day is meant"."""
    first = later(day.replace(day=1), -months)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def start_of(grain: str, day: date, fiscal_year_start_month: int) -> date:
    """The first day of the period that holds `day`."""
    return later(day.replace(day=1), -((day.month - fiscal_year_start_month) % MONTHS[grain]))


def grid(grain: str, first_day: date, as_of: date, fiscal_year_start_month: int) -> list[Period]:
    """Every period "from the first one in which anybody is active to the one that contains `as_of`"."""
    periods = []
    start = start_of(grain, first_day, fiscal_year_start_month)
    while start <= as_of:
        end = later(start, MONTHS[grain])
        periods.append(Period(grain, start, min(end, as_of + DAY), end <= as_of + DAY))
        start = end
    return periods
