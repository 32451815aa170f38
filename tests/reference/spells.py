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
    """Active in `[start, end)`; end null: still open at as_of. `monthly_amount` is 0 on the purchase basis."""

    start: date
    end: date | None
    monthly_amount: Decimal = Decimal(0)

    def is_open_at(self, day: date) -> bool:
        """ "active at the opening of day t when a spell has `started_on` < t and either no end or t <= `ended_on`"."""
        return self.start < day <= (self.end or NEVER)


@dataclass(frozen=True, slots=True)
class Spell:
    """A continuous period of activity, `[started_on, ended_on)`; the day itself when both are equal."""

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
        """Active on at least one day of `[start, end)`; "a zero-day spell counts on its day"."""
        first_day_off = max(self.ended_on or NEVER, self.started_on + DAY)
        return self.started_on < end and first_day_off > start


def interval_of_row(row: Row, as_of: date) -> Interval:
    """ "an end after `as_of` is not an end yet": known only when `ended_on <= as_of`."""
    end = row.ends_on if row.ends_on and row.ends_on <= as_of else None
    return Interval(row.starts_on, end, row.monthly_amount)


def interval_of_purchase(day: date, covers_until: date | None, lapse_days: int, as_of: date) -> Interval:
    """ "A purchase on day d gives the interval from d to d + `lapse_days`"."""
    end = covers_until if covers_until and covers_until > day else day + timedelta(days=lapse_days)
    return Interval(day, end if end <= as_of else None)


def scheduled_end(rows: list[Row], as_of: date) -> date | None:
    """ "the latest future end of the customer's running rows; null when one of them has no end"; "null when another
    row follows that end without a gap".

    Reading: the row that follows is one that will count, is active on the day of that end and lasts beyond it.
    """
    running = [row for row in rows if row.starts_on <= as_of and (row.ends_on is None or row.ends_on > as_of)]
    if not running or any(row.ends_on is None for row in running):
        return None
    end = max(row.ends_on for row in running)
    followed = any(row.starts_on <= end < (row.ends_on or NEVER) for row in rows)
    return None if followed else end


def spells(customer: str, intervals: list[Interval], grace_days: int, scheduled_end_on: date | None) -> list[Spell]:
    """ "Intervals of a customer merge into one spell when the gap between them is at most `grace_days`.\""""
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

    "the sum of the monthly amounts of its counting rows whose interval has start < t <= end. So there is no MRR in a
    trial, and none for zero-day rows"; "Across a gap that `grace_days` bridges, MRR stays what it was at the last
    opening before the gap."
    """
    if not any(interval.is_open_at(day) for interval in intervals) and any(spell.is_active_at(day) for spell in spells):
        return mrr_at(
            intervals, spells, max(interval.end for interval in intervals if interval.end and interval.end < day)
        )
    return sum((interval.monthly_amount for interval in intervals if interval.is_open_at(day)), Decimal(0))
