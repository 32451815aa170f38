"""Activity: spells, who is active when, and what a customer brings a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .subscriptions import Row

DAY = timedelta(days=1)
NEVER = date.max


@dataclass(frozen=True, slots=True)
class Interval:
    """Active in `[start, end)`; end null: running at as_of. `monthly_amount` is 0 on the purchase basis."""

    start: date
    end: date | None
    monthly_amount: Decimal = Decimal(0)

    def is_open_at(self, day: date) -> bool:
        """ "active *at the opening of day t* when `started_on < t <= ended_on` (running: no end)"."""
        return self.start < day <= (self.end or NEVER)


@dataclass(frozen=True, slots=True)
class Spell:
    """A maximal stretch of active days, `[started_on, ended_on)`; the day itself when both are equal."""

    customer_id: str
    spell_number: int
    started_on: date
    ended_on: date | None
    scheduled_end_on: date | None

    def is_active_at(self, day: date) -> bool:
        """Active at the opening of `day`."""
        return self.started_on < day <= (self.ended_on or NEVER)

    @property
    def last_active_on(self) -> date:
        """The last day of an ended spell; a zero-day spell's is its start."""
        return max(self.started_on, self.ended_on - DAY)

    def touches(self, start: date, end: date) -> bool:
        """Active on at least one day of `[start, end)`; "zero-day spells count on their day"."""
        first_day_off = max(self.ended_on or NEVER, self.started_on + DAY)
        return self.started_on < end and first_day_off > start


def interval_of_row(row: Row, as_of: date) -> Interval:
    """ "an end that lies later is not an end yet": known only when `ended_on <= as_of`."""
    end = row.ends_on if row.ends_on and row.ends_on <= as_of else None
    return Interval(row.starts_on, end, row.monthly_amount)


def interval_of_purchase(day: date, lapse_days: int, as_of: date) -> Interval:
    """ "each purchase on day d gives `[d, d + lapse_days)`"."""
    end = day + timedelta(days=lapse_days)
    return Interval(day, end if end <= as_of else None)


def scheduled_end(rows: list[Row], as_of: date) -> date | None:
    """ "the latest future end of the customer's running rows, null when one of them has none or another row follows it
    without a gap".

    Reading: the row that follows is one that will count, is active on the day of that end and lasts beyond it.
    """
    running = [row for row in rows if row.starts_on <= as_of and (row.ends_on is None or row.ends_on > as_of)]
    if not running or any(row.ends_on is None for row in running):
        return None
    end = max(row.ends_on for row in running)
    followed = any(row.starts_on <= end < (row.ends_on or NEVER) for row in rows)
    return None if followed else end


def spells(customer: str, intervals: list[Interval], grace_days: int, scheduled_end_on: date | None) -> list[Spell]:
    """ "Intervals of a customer merge when the gap between them is `<= grace_days`.\""""
    stretches: list[tuple[date, date | None]] = []
    for interval in sorted(intervals, key=lambda interval: interval.start):
        if stretches:
            start, end = stretches[-1]
            if end is None or (interval.start - end).days <= grace_days:
                stretches[-1] = start, None if end is None or interval.end is None else max(end, interval.end)
                continue
        stretches.append((interval.start, interval.end))
    return [
        Spell(customer, number, start, end, scheduled_end_on if end is None else None)
        for number, (start, end) in enumerate(stretches, start=1)
    ]


def mrr_at(intervals: list[Interval], spells: list[Spell], day: date) -> Decimal:
    """A customer's MRR at the opening of `day`.

    "the sum over its counting rows' intervals with start < t <= end (so nothing in a trial, and nothing for zero-day
    rows)"; "Across a bridged gap (`grace_days`) the amount at the last opening before the gap is carried."
    """
    if not any(interval.is_open_at(day) for interval in intervals) and any(spell.is_active_at(day) for spell in spells):
        return mrr_at(
            intervals, spells, max(interval.end for interval in intervals if interval.end and interval.end < day)
        )
    return sum((interval.monthly_amount for interval in intervals if interval.is_open_at(day)), Decimal(0))
