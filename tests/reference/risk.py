"""Marts of risk: who may leave, and how good the list of them would have been."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from statistics import median

from .facts import Customer, Facts
from .money import rate
from .periods import DAY
from .spells import scheduled_end

NINETY_DAYS = timedelta(days=90)


def gave_notice(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "the open spell has a `scheduled_end_on`".

    For the past: "A notice counts only where billing had written the row by then (`updated_at`)". Reading: a later
    row that billing had not written by then was not to follow, and an end to come that it had not written was none.
    """
    if opening == facts.opening_after:
        return any(spell.scheduled_end_on for spell in customer.spells)
    known = []
    for row in customer.candidates:
        written = row.written_on is not None and row.written_on < opening
        if row.starts_on < opening and row.ends_on and row.ends_on >= opening and not written:
            row = replace(row, ends_on=None)
        if row.starts_on < opening or written:
            known.append(row)
    return scheduled_end(known, opening - DAY) is not None


def payment_failing(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "the latest attempt to pay (by `paid_at`, then `payment_id`) failed"."""
    attempts = [attempt for attempt in customer.payments if attempt.paid_at.date() < opening]
    return bool(attempts) and max(attempts, key=lambda one: (one.paid_at, one.payment_id)).status == "failed"


def overdue(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "at least 3 purchases, and the days since the last purchase are more than 2 × the customer's own median gap";
    both up to the day before the opening.
    """
    days = [purchase.day for purchase in customer.purchases if purchase.day < opening]
    if len(days) < 3:
        return False
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return (opening - DAY - days[-1]).days > 2 * median(gaps)


def open_complaint(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "a complaint is not resolved" before the opening."""
    return any(
        case.kind == "complaint"
        and case.opened_at.date() < opening
        and not (case.resolved_at and case.resolved_at.date() < opening)
        for case in customer.cases
    )


def slow_answer(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "was answered later than `sla_first_response_hours`, or has waited longer than that"."""
    limit = timedelta(hours=facts.company.policies.sla_first_response_hours)
    midnight = datetime.combine(opening, time())

    def waited(case) -> timedelta:
        answered = case.first_response_at and case.first_response_at < midnight
        return (case.first_response_at if answered else midnight) - case.opened_at

    return any(
        waited(case) > limit for case in customer.cases if opening - NINETY_DAYS <= case.opened_at.date() < opening
    )


def detractor(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "the last NPS score (by `answered_at`, then `response_id`) is 6 or less"."""
    answers = [answer for answer in customer.surveys if answer.kind == "nps" and answer.answered_at.date() < opening]
    return bool(answers) and max(answers, key=lambda one: (one.answered_at, one.response_id)).score <= 6


def spending_down(facts: Facts, customer: Customer, opening: date) -> bool:
    """ "revenue of the last 90 days is at most half of that of the 90 days before, which was above 0"."""
    last = customer.revenue(opening - NINETY_DAYS, opening)
    before = customer.revenue(opening - 2 * NINETY_DAYS, opening - NINETY_DAYS)
    return before > 0 and 2 * last <= before


SIGNALS = (gave_notice, payment_failing, overdue, open_complaint, slow_answer, detractor, spending_down)


def signals(facts: Facts, customer: Customer, opening: date) -> list[str]:
    """Names of the signals that a customer shows at an opening, "only from what was known then"."""
    return [signal.__name__ for signal in SIGNALS if signal(facts, customer, opening)]


def revenue_at_risk(facts: Facts, customer: Customer):
    """ "a year of it: 12 × MRR, or the revenue of the last 365 days where there is no MRR, never below 0"."""
    mrr = customer.mrr_at(facts.opening_after)
    recent = customer.revenue(facts.opening_after - timedelta(days=365), facts.opening_after)
    return 12 * mrr if mrr else max(recent, 0 * recent)


def at_risk_customers(facts: Facts) -> list[dict]:
    """ "One row per customer who is active at `as_of` and shows at least one signal. `score` is the number of
    signals".
    """
    rows = []
    for customer in facts.customers:
        shown = signals(facts, customer, facts.opening_after)
        if customer.is_active_at(facts.opening_after) and shown:
            rows.append(
                {"customer_id": customer.customer_id, "signals": ", ".join(shown)}
                | {signal.__name__: signal.__name__ in shown for signal in SIGNALS}
                | {"score": len(shown), "revenue_at_risk": revenue_at_risk(facts, customer)}
            )
    return rows


def lost_within_90d(customer: Customer, opening: date) -> bool:
    """Whether the spell that runs at the opening ends "within the 90 days from the opening", its day the first of
    them.
    """
    [running] = [spell for spell in customer.spells if spell.is_active_at(opening)]
    return running.ended_on is not None and running.ended_on < opening + NINETY_DAYS


def at_risk_backtest(facts: Facts) -> list[dict]:
    """ "One row per past quarter and signal (`any` is the list itself)"; "Only quarters whose first 90 days have
    passed." "Periods and segments in which nothing happened have rows with zeros".
    """
    rows = []
    for quarter in facts.grids["quarter"]:
        if quarter.start + NINETY_DAYS > facts.opening_after:
            continue
        active = [customer for customer in facts.customers if customer.is_active_at(quarter.start)]
        lost = {customer.customer_id for customer in active if lost_within_90d(customer, quarter.start)}
        shown = {customer.customer_id: signals(facts, customer, quarter.start) for customer in active}
        for name in ("any", *(signal.__name__ for signal in SIGNALS)):
            flagged = {customer for customer, names in shown.items() if names and name in ("any", *names)}
            precision, base_rate = rate(len(flagged & lost), len(flagged)), rate(len(lost), len(active))
            rows.append(
                {
                    "quarter_start": quarter.start,
                    "signal": name,
                    "customers": len(active),
                    "flagged": len(flagged),
                    "lost_within_90d": len(lost),
                    "flagged_lost_within_90d": len(flagged & lost),
                    "precision": precision,
                    "recall": rate(len(flagged & lost), len(lost)),
                    "base_rate": base_rate,
                    "lift": precision / base_rate if precision is not None and base_rate else None,
                }
            )
    return rows
