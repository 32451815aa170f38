"""Marts of churn: who started, stayed, left and came back, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import fsum

from .company import Case
from .facts import Customer, Facts
from .money import rate, wilson
from .periods import DAY, MONTHS, Period, months_before
from .reasons import UNMAPPED, WhyEnded, normalised, similarity
from .spells import Spell


@dataclass
class Stay:
    """What one customer did in one period."""

    facts: Facts
    customer: Customer
    period: Period

    @cached_property
    def at_start(self) -> bool:
        return self.customer.is_active_at(self.period.start)

    @cached_property
    def at_end(self) -> bool:
        return self.customer.is_active_at(self.period.end)

    @cached_property
    def lost(self) -> bool:
        """ "active at the start and not at the end\""""
        return self.at_start and not self.at_end

    @cached_property
    def new(self) -> bool:
        """ "active at the end and not at the start; the first spell ever starts in the period\""""
        return self.at_end and not self.at_start and self.period.holds(self.customer.spells[0].started_on)

    @property
    def returned(self) -> bool:
        return self.at_end and not self.at_start and not self.new

    @cached_property
    def passed_through(self) -> bool:
        """ "active at neither, but with a spell that started in the period\""""
        started = any(self.period.holds(spell.started_on) for spell in self.customer.spells)
        return not self.at_start and not self.at_end and started

    @cached_property
    def ends(self) -> list[Spell]:
        """The spells that ended in the period, zero-day ones too."""
        return [spell for spell in self.customer.spells if spell.ended_on and self.period.holds(spell.ended_on)]

    @property
    def lost_on(self) -> date:
        """A lost customer's end: that of the last spell that ended in the period."""
        return self.ends[-1].ended_on

    @property
    def why(self) -> WhyEnded:
        """ "why the last spell that ended in the period ended\""""
        return self.facts.why[self.ends[-1]]

    @cached_property
    def base_sales(self) -> Decimal:
        """The customer's revenue in the previous period of the same grain; 0 before the first."""
        base = self.facts.base_of(self.period)
        return self.customer.revenue(base.start, base.end) if base else Decimal(0)

    @cached_property
    def own_sales(self) -> Decimal:
        """What a lost customer bought while still buying: of a subscriber in the base, of a buyer in the 1, 3 or 12
        months up to and with the last purchase of the spell that ended (where that day doesn't exist, the month's
        last).
        """
        if self.customer.basis == "subscription":
            return self.base_sales
        spell = self.ends[-1]
        last = max(one.day for one in self.customer.purchases if spell.started_on <= one.day < spell.ended_on)
        return self.customer.revenue(months_before(last, MONTHS[self.period.grain]) + DAY, last + DAY)


def grid(facts: Facts) -> Iterator[tuple[dict, Period, list[Stay]]]:
    """Every grain, period and segment, with what the segment's customers did: keys, period, stays.

    "Periods and segments in which nothing happened have rows with zeros". A customer's stay is computed once, for all
    marts.
    """
    groups = facts.groups()
    for periods in facts.grids.values():
        for period in periods:
            if period not in facts.stays:
                facts.stays[period] = {
                    customer.customer_id: Stay(facts, customer, period) for customer in facts.customers
                }
            stays = facts.stays[period]
            for segment, members in groups:
                yield period.keys() | segment, period, [stays[customer.customer_id] for customer in members]


def churn_rates(facts: Facts) -> list[dict]:
    rows = []
    for keys, _, stays in grid(facts):
        start = sum(stay.at_start for stay in stays)
        end = sum(stay.at_end for stay in stays)
        lost = [stay for stay in stays if stay.lost]
        low, high = wilson(len(lost), start)

        def lost_by(control: str, lost: list[Stay] = lost) -> int:
            return sum(stay.why.reason.control == control for stay in lost)

        rows.append(
            keys
            | {
                "customers_at_start": start,
                "customers_lost": len(lost),
                "customers_kept": start - len(lost),
                "customers_lost_voluntary": lost_by("voluntary"),
                "customers_lost_involuntary": lost_by("involuntary"),
                "customers_lost_unknown": lost_by("unknown"),
                "customers_new": sum(stay.new for stay in stays),
                "customers_returned": sum(stay.returned for stay in stays),
                "customers_passed_through": sum(stay.passed_through for stay in stays),
                "customers_at_end": end,
                "churn_rate": rate(len(lost), start),
                "churn_rate_low": low,
                "churn_rate_high": high,
                "retention_rate": rate(start - len(lost), start),
                "net_loss_rate": rate(start - end, start),
            }
        )
    return rows


def daily_rate(stays: list[Stay], period: Period) -> float | None:
    """ "sum over days of: spells that ended on the day ÷ customers active at the opening of that day"; "days on which
    nobody is active at the opening add nothing, and the rate is null if that is true of all days". From one opening
    to the next, those who began that day are added and those who ended taken off.
    """
    spells = [spell for stay in stays for spell in stay.customer.spells]
    begun = Counter(spell.started_on for spell in spells)
    ended = Counter(spell.ended_on for spell in spells)
    active = sum(stay.at_start for stay in stays)
    shares = []
    for day in period.days():
        if active:
            shares.append(ended[day] / active)
        active += begun[day] - ended[day]
    return fsum(shares) if shares else None


def churn_rate_by_definition(facts: Facts) -> list[dict]:
    rows = []
    for keys, period, stays in grid(facts):
        start = sum(stay.at_start for stay in stays)
        end = sum(stay.at_end for stay in stays)
        lost = sum(stay.lost for stay in stays)
        passed = sum(stay.passed_through for stay in stays)
        gained = sum(stay.new or stay.returned for stay in stays)
        quotients = {
            "lost_over_start": (lost, start),
            "net_change": (start - end, start),
            "lost_over_average": (lost, Fraction(start + end, 2)),
            "events_over_start": (sum(len(stay.ends) for stay in stays), start),
            "lost_over_start_and_new": (lost + passed, start + gained + passed),
        }
        rows += [
            keys
            | {
                "definition": name,
                "numerator": numerator,
                "denominator": denominator,
                "rate": rate(numerator, denominator),
            }
            for name, (numerator, denominator) in quotients.items()
        ]
        rows.append(
            keys | {"definition": "daily", "numerator": None, "denominator": None, "rate": daily_rate(stays, period)}
        )
    return rows


def churn_reasons(facts: Facts) -> list[dict]:
    """ "Only reasons for which somebody was lost in this period or the previous one have rows.\""""
    rows = []
    before: dict[tuple, dict[str, list[Stay]]] = {}
    for keys, _, stays in grid(facts):
        by_reason: dict = {}
        for stay in stays:
            if stay.lost:
                by_reason.setdefault(stay.why.reason, []).append(stay)
        group = keys["period_grain"], keys["segment_type"], keys["segment"]
        previous, before[group] = before.get(group, {}), by_reason
        lost = sum(len(stays_lost) for stays_lost in by_reason.values())
        for reason in by_reason | previous:
            now = by_reason.get(reason, [])
            then = len(previous.get(reason, []))
            rows.append(
                keys
                | {
                    "reason_code": reason.reason_code,
                    "reason": reason.reason,
                    "reason_group": reason.reason_group,
                    "nature": reason.nature,
                    "control": reason.control,
                    "customers_lost": len(now),
                    "share_of_lost": rate(len(now), lost),
                    "customers_lost_before": then,
                    "change": len(now) - then,
                    "lost_customers_sales": sum((stay.own_sales for stay in now), Decimal(0)),
                    "interviewed": sum(stay.why.interviewed for stay in now),
                }
            )
    return rows


def unmapped_reasons(facts: Facts) -> list[dict]:
    """ "One row per normalised text that explains the end of a spell and maps to no reason: its most frequent
    spelling (then the first in the alphabet), how often it occurs, and the most similar alias (then the first in the
    alphabet), measured for the 500 most frequent texts".
    """
    spellings: dict[str, Counter[str]] = {}
    for why in facts.why.values():
        if why.reason == UNMAPPED:
            spellings.setdefault(normalised(why.text), Counter())[why.text] += 1
    aliases = {normalised(alias.alias): alias for alias in facts.company.aliases}
    most_frequent_first = sorted(filter(None, spellings), key=lambda wording: (-spellings[wording].total(), wording))
    rows = []
    for wording, written in spellings.items():
        nearest, likeness = None, None
        if wording in most_frequent_first[:500] and aliases:
            nearest = min(aliases, key=lambda alias: (-similarity(wording, alias), alias))
            likeness = float(similarity(wording, nearest))
        rows.append(
            {
                "text": min(written, key=lambda text: (-written[text], text)),
                "normalised": wording,
                "count": written.total(),
                "nearest_alias": nearest,
                "nearest_reason_code": aliases[nearest].reason_code if nearest else None,
                "nearest_language": aliases[nearest].language if nearest else None,
                "similarity": likeness,
            }
        )
    return rows


def complaint_before(customer: Customer, end: date) -> Case | None:
    """ "a complaint opened in the 180 days before its end (end − 180 <= day < end; of several the latest, then the
    greatest `case_id`)".
    """
    heard = [
        case
        for case in customer.cases
        if case.kind == "complaint" and end - timedelta(days=180) <= case.opened_at.date() < end
    ]
    return max(heard, key=lambda case: (case.opened_at, case.case_id), default=None)
