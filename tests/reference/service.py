"""Marts of service, and the measures of all marts side by side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from fractions import Fraction

from . import churn, loyalty, revenue
from .company import Case
from .customers import UNKNOWN
from .facts import Facts
from .money import rate
from .periods import DAY, Period

HALF, NINE_TENTHS = Fraction(1, 2), Fraction(9, 10)
NINETY_DAYS = timedelta(days=90)


def dimensions(facts: Facts) -> dict[str, Callable[[Case], str]]:
    """ "`dimension` (all, employee, team, channel, severity)"; "cases without a value are `(unknown)`"."""
    teams = {employee.employee_id: (employee.team or "").strip() for employee in facts.company.employees}
    return {
        "all": lambda case: "all",
        "employee": lambda case: case.employee_id or UNKNOWN,
        "team": lambda case: teams.get(case.employee_id) or UNKNOWN,
        "channel": lambda case: (case.channel or "").strip() or UNKNOWN,
        "severity": lambda case: case.severity or UNKNOWN,
    }


def hours_to(facts: Facts, case: Case, moment: datetime | None) -> Fraction | None:
    """Hours from opening to a moment, null if it did not come by as_of; "A response before the opening counts as
    immediate".
    """
    if moment is None or moment.date() > facts.as_of:
        return None
    span = max(moment, case.opened_at) - case.opened_at
    return Fraction(span // timedelta(microseconds=1), 3_600_000_000)


def quantile(values: list[Fraction], share: Fraction) -> float | None:
    """ "Percentiles interpolate linearly between the two nearest cases" (percentile_cont)."""
    if not values:
        return None
    values = sorted(values)
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return float(values[below] + (place - below) * (values[above] - values[below]))


def within_sla(facts: Facts, times: list[tuple[Case, Fraction | None]], limit: int) -> tuple[int, int]:
    """Cases due, "opened at least" so many hours "before the end of as_of", and of these the ones handled within
    them.
    """
    end = datetime.combine(facts.opening_after, time())
    due = [taken for case, taken in times if end - case.opened_at >= timedelta(hours=limit)]
    return len(due), sum(taken is not None and taken <= limit for taken in due)


def satisfied(facts: Facts) -> dict[str, bool]:
    """Case -> whether "at least four fifths of scale_max (4 or 5 of 5)" were given: "Of several answers about a case
    the last counts (by `answered_at`, then `response_id`)".
    """
    answers = [
        answer
        for answer in facts.company.surveys
        if answer.kind == "csat" and answer.case_id is not None and answer.answered_at.date() <= facts.as_of
    ]
    in_order = sorted(answers, key=lambda answer: (answer.answered_at, answer.response_id))
    return {
        answer.case_id: Fraction(answer.score) >= Fraction(4, 5) * Fraction(answer.scale_max or 5)
        for answer in in_order
    }


def lost_after(facts: Facts, day: date, customer_id: str) -> bool | None:
    """Whether a customer's spell ended within the 90 days after a day; null unless the customer was "active on the
    day" and they are "over by as_of". Reading: a zero-day spell is not active on its day.
    """
    if day + NINETY_DAYS > facts.as_of:
        return None
    spells = [spell for one in facts.customers if one.customer_id == customer_id for spell in one.spells]
    running = [spell for spell in spells if spell.is_active_at(day + DAY)]
    return running[0].ended_on is not None and running[0].ended_on <= day + NINETY_DAYS if running else None


def complainants(facts: Facts, cases: list[Case]) -> dict[str, int | float | None]:
    """What became of those who complained: "active on the day of their first complaint of the period"."""
    complaints = [case for case in cases if case.kind == "complaint"]
    first = {
        customer: min(case.opened_at.date() for case in made)
        for customer, made in facts.by_customer(complaints).items()
    }
    outcomes = [lost_after(facts, day, customer) for customer, day in first.items()]
    observed = [lost for lost in outcomes if lost is not None]
    return {
        "complaints": len(complaints),
        "complainants": len(first),
        "complainants_observed_90d": len(observed),
        "complainants_lost_90d": sum(observed),
        "complainant_churn_rate_90d": rate(sum(observed), len(observed)),
    }


def everyone_else(facts: Facts, period: Period, cases: list[Case]) -> dict[str, int | float | None]:
    """ "customers at the opening of the period who made no complaint in it, lost within 90 days of the opening; 0
    until 90 days are over".
    """
    observed, lost = 0, 0
    complained = facts.by_customer(case for case in cases if case.kind == "complaint")
    if period.start + NINETY_DAYS <= facts.opening_after:
        for customer in facts.customers:
            running = [spell for spell in customer.spells if spell.is_active_at(period.start)]
            if running and customer.customer_id not in complained:
                observed += 1
                lost += running[0].ended_on is not None and running[0].ended_on < period.start + NINETY_DAYS
    return {"others_observed_90d": observed, "others_lost_90d": lost, "others_churn_rate_90d": rate(lost, observed)}


def handled(facts: Facts, cases: list[Case], opinions: dict[str, bool]) -> dict[str, int | float | None]:
    """ "median and 90th percentile of the hours from opening to first response and to resolution"; shares within the
    SLA policies; csat.
    """
    answered = [(case, hours_to(facts, case, case.first_response_at)) for case in cases]
    resolved = [(case, hours_to(facts, case, case.resolved_at)) for case in cases]
    answer_hours = [taken for _, taken in answered if taken is not None]
    resolution_hours = [taken for _, taken in resolved if taken is not None]
    answers_due, answers_within = within_sla(facts, answered, facts.company.policies.sla_first_response_hours)
    resolutions_due, resolutions_within = within_sla(facts, resolved, facts.company.policies.sla_resolution_hours)
    asked = [opinions[case.case_id] for case in cases if case.case_id in opinions]
    return {
        "cases": len(cases),
        "cases_answered": len(answer_hours),
        "cases_resolved": len(resolution_hours),
        "first_response_hours_median": quantile(answer_hours, HALF),
        "first_response_hours_p90": quantile(answer_hours, NINE_TENTHS),
        "resolution_hours_median": quantile(resolution_hours, HALF),
        "resolution_hours_p90": quantile(resolution_hours, NINE_TENTHS),
        "first_response_due": answers_due,
        "first_response_within_sla": answers_within,
        "first_response_sla_rate": rate(answers_within, answers_due),
        "resolution_due": resolutions_due,
        "resolution_within_sla": resolutions_within,
        "resolution_sla_rate": rate(resolutions_within, resolutions_due),
        "csat_responses": len(asked),
        "csat_satisfied": sum(asked),
        "csat": rate(sum(asked), len(asked)),
    }


def service_levels(facts: Facts) -> list[dict]:
    """ "how cases opened in the period were handled". "Every value that a case has by `as_of` has a row in every
    period; cases without a value are `(unknown)`. Cases of people who are nobody's customer count too."
    """
    rows = []
    known = [case for case in facts.company.cases if case.opened_at.date() <= facts.as_of]
    values = {dimension: {value(case) for case in known} for dimension, value in dimensions(facts).items()}
    values["all"] = {"all"}
    opinions = satisfied(facts)
    for period in (period for periods in facts.grids.values() for period in periods):
        opened = [case for case in known if period.holds(case.opened_at.date())]
        others = everyone_else(facts, period, opened)
        for dimension, value in dimensions(facts).items():
            for name in values[dimension]:
                cases = [case for case in opened if value(case) == name]
                keys = period.keys() | {"dimension": dimension, "dimension_value": name}
                rows.append(keys | handled(facts, cases, opinions) | complainants(facts, cases) | others)
    return rows


def loyalty_scorecard(facts: Facts) -> list[dict]:
    """ "One row per period, of the whole company"; "each with its change on the period before (null where either is
    null)". Repeat customers are "customers with a purchase in the period that is not their first ever".
    """
    lines = {
        "churn_rate": (churn.churn_rates, "churn_rate"),
        "revenue_churn_rate": (revenue.revenue_retention, "gross_revenue_churn_rate"),
        "nps": (loyalty.net_promoter_score, "nps"),
        "lifetime_value": (revenue.lifetime_value, "lifetime_value"),
        "csat": (service_levels, "csat"),
        "first_response_hours": (service_levels, "first_response_hours_median"),
        "lost_sales": (revenue.lost_revenue, "lost_sales"),
    }
    found: dict[tuple, dict] = {}
    for line, (mart, column) in lines.items():
        for row in facts.rows_of(mart):
            if "all" in (row.get("segment_type"), row.get("dimension")):
                found.setdefault((row["period_grain"], row["period_end"]), {})[line] = row[column]

    rows = []
    for period in (period for periods in facts.grids.values() for period in periods):
        now, before = found[period.grain, period.end], found.get((period.grain, period.start), {})
        buyers = [one for one in facts.customers if any(period.holds(purchase.day) for purchase in one.purchases)]
        repeat = [one for one in buyers if any(period.holds(purchase.day) for purchase in one.purchases[1:])]
        now["repeat_rate"] = rate(len(repeat), len(buyers))
        changes = {
            f"{line}_change": None if value is None or before.get(line) is None else value - before[line]
            for line, value in now.items()
        }
        counts = {"customers_purchasing": len(buyers), "repeat_customers": len(repeat)}
        rows.append(period.keys() | now | changes | counts)
    return rows
