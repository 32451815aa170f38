"""Marts of service and of risk, as far as the definitions determine them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from statistics import median

from . import churn, loyalty, revenue
from .company import Case
from .customers import UNKNOWN
from .facts import Customer, Facts

SIGNALS = ("gave_notice", "overdue", "open_complaint", "detractor", "spending_down")


def overdue(facts: Facts, customer: Customer) -> bool:
    """"time since last purchase > 2 × own median gap, >= 3 purchases"; both in days."""
    days = [purchase.day for purchase in customer.purchases]
    if len(days) < 3:
        return False
    gaps = [(later - earlier).days for earlier, later in zip(days, days[1:])]
    return (facts.as_of - days[-1]).days > 2 * median(gaps)


def open_complaint(facts: Facts, customer: Customer) -> bool:
    """A complaint that is not resolved by the end of as_of."""
    return any(
        case.kind == "complaint" and not (case.resolved_at and case.resolved_at.date() <= facts.as_of) for case in customer.cases
    )


def detractor(customer: Customer) -> bool:
    """"last NPS <= 6"; the last by answered_at, then response_id."""
    answers = [answer for answer in customer.surveys if answer.kind == "nps"]
    return bool(answers) and max(answers, key=lambda one: (one.answered_at, one.response_id)).score <= 6


def spending_down(facts: Facts, customer: Customer) -> bool:
    """"last 90 days <= half of the 90 before". Reading: as_of is the last of the days; something was spent before."""
    end = facts.opening_after
    last = customer.revenue(end - timedelta(days=90), end)
    before = customer.revenue(end - timedelta(days=180), end - timedelta(days=90))
    return before > 0 and 2 * last <= before


def at_risk_customers(facts: Facts) -> list[dict]:
    """"active customers at `as_of` with at least one signal": of those signals that the definitions determine."""
    rows = []
    for customer in facts.customers:
        signals = {
            "gave_notice": any(spell.scheduled_end_on for spell in customer.spells),
            "overdue": overdue(facts, customer),
            "open_complaint": open_complaint(facts, customer),
            "detractor": detractor(customer),
            "spending_down": spending_down(facts, customer),
        }
        if customer.is_active_at(facts.opening_after) and any(signals.values()):
            rows.append({"customer_id": customer.customer_id} | signals)
    return rows


def dimensions(facts: Facts) -> dict[str, Callable[[Case], str]]:
    teams = {employee.employee_id: employee.team for employee in facts.company.employees}
    return {
        "all": lambda case: "all",
        "employee": lambda case: case.employee_id or UNKNOWN,
        "team": lambda case: teams.get(case.employee_id) or UNKNOWN,
        "channel": lambda case: case.channel or UNKNOWN,
        "severity": lambda case: case.severity or UNKNOWN,
    }


def hours(facts: Facts, cases: list[Case], moment: Callable[[Case], datetime | None]) -> list[Fraction]:
    """Hours from opening to a moment, of the cases for which it came by the end of as_of."""
    times = [(case.opened_at, moment(case)) for case in cases]
    spans = [then - opened for opened, then in times if then and then.date() <= facts.as_of]
    return [Fraction(span // timedelta(microseconds=1), 3_600_000_000) for span in spans]


def service_levels(facts: Facts) -> list[dict]:
    """"period × `dimension (all, employee, team, channel, severity)`": of cases opened in the period, also those of people
    whom nobody else knows ("kept and warned about"). Only rows with cases.
    """
    rows = []
    for periods in facts.grids.values():
        for period in periods:
            for dimension, value in dimensions(facts).items():
                groups = defaultdict(list)
                for case in facts.company.cases:
                    if period.holds(case.opened_at.date()):
                        groups[value(case)].append(case)
                for name, cases in groups.items():
                    answered = hours(facts, cases, lambda case: case.first_response_at)
                    resolved = hours(facts, cases, lambda case: case.resolved_at)
                    rows.append(
                        period.keys()
                        | {
                            "dimension": dimension,
                            "dimension_value": name,
                            "cases": len(cases),
                            "cases_answered": len(answered),
                            "cases_resolved": len(resolved),
                            "first_response_hours_median": float(median(answered)) if answered else None,
                            "resolution_hours_median": float(median(resolved)) if resolved else None,
                            "complaints": sum(case.kind == "complaint" for case in cases),
                        }
                    )
    return rows


def loyalty_scorecard(facts: Facts) -> list[dict]:
    """"one row a period: churn, revenue churn, NPS, LTV, …, lost sales, each with the change on the period before"; the
    lines that other marts define.
    """
    lines = {
        "churn_rate": (churn.churn_rates, "churn_rate"),
        "revenue_churn_rate": (revenue.revenue_retention, "gross_revenue_churn_rate"),
        "nps": (loyalty.net_promoter_score, "nps"),
        "lifetime_value": (revenue.lifetime_value, "lifetime_value"),
        "lost_sales": (revenue.lost_revenue, "lost_sales"),
    }
    found: dict[tuple, dict] = {}
    for line, (mart, column) in lines.items():
        for row in mart(facts):
            if row["segment_type"] == "all":
                found.setdefault((row["period_grain"], row["period_end"]), {})[line] = row[column]
    rows = []
    for periods in facts.grids.values():
        for period in periods:
            now, before = found[period.grain, period.end], found.get((period.grain, period.start), {})
            changes = {
                f"{line}_change": None if now[line] is None or before.get(line) is None else now[line] - before[line]
                for line in lines
            }
            rows.append(period.keys() | now | changes)
    return rows
