"""Marts of staff and of what customers say."""

from __future__ import annotations

from datetime import date, timedelta

from .churn import grid
from .customers import UNKNOWN
from .facts import Customer, Facts
from .money import Z, wilson
from .money import rate as ratio
from .periods import MONTHS, later, start_of


def staff_retention(facts: Facts) -> list[dict]:
    """ "One row per employee and fiscal quarter in which the employee served at least one customer's first purchase
    ever (by `issued_at`, then `invoice_id`)"; "of these `observed_90d` (first day + 90 <= `as_of`); of these
    `returned_90d` (a purchase on a later day, at most 90 days on)".
    """
    served: dict[tuple[str, date], list[Customer]] = {}
    for customer in facts.customers:
        if customer.purchases:
            first = customer.purchases[0]
            quarter = start_of("quarter", first.day, facts.company.policies.fiscal_year_start_month)
            served.setdefault((first.employee_id or UNKNOWN, quarter), []).append(customer)

    rows = []
    for (employee, quarter), customers in served.items():
        observed = [one for one in customers if one.purchases[0].day + timedelta(days=90) <= facts.as_of]

        def again(customer: Customer) -> list[str]:
            """Who served the customer when it came back within 90 days."""
            first = customer.purchases[0].day
            return [
                purchase.employee_id or UNKNOWN
                for purchase in customer.purchases
                if first < purchase.day <= first + timedelta(days=90)
            ]

        returned = sum(bool(again(one)) for one in observed)
        same = sum(employee in again(one) for one in observed)
        quarter_end = later(quarter, MONTHS["quarter"])
        low, high = wilson(returned, len(observed))
        same_low, same_high = wilson(same, len(observed))
        rows.append(
            {
                "employee_id": employee,
                "period_start": quarter,
                "period_end": min(quarter_end, facts.opening_after),
                "is_complete": quarter_end <= facts.opening_after,
                "first_time_customers": len(customers),
                "observed_90d": len(observed),
                "returned_90d": returned,
                "returned_to_same_employee_90d": same,
                "return_rate_90d": ratio(returned, len(observed)),
                "return_rate_90d_low": low,
                "return_rate_90d_high": high,
                "return_rate_same_employee_90d": ratio(same, len(observed)),
                "return_rate_same_employee_90d_low": same_low,
                "return_rate_same_employee_90d_high": same_high,
            }
        )
    return rows


def net_promoter_score(facts: Facts) -> list[dict]:
    """ "`responses` (each customer's last in the period, by `answered_at`, then `response_id`), `promoters` (score of
    9 or more), `detractors` (6 or less)"; "nps ± z × 100 × √((p + d − (p − d)²) ÷ n), limited to −100 and 100".

    "Answers of people who are nobody's customer are left out."
    """
    rows = []
    for keys, period, stays in grid(facts):
        scores = []
        for stay in stays:
            said = [one for one in stay.customer.surveys if one.kind == "nps" and period.holds(one.answered_at.date())]
            if said:
                scores.append(max(said, key=lambda one: (one.answered_at, one.response_id)).score)
        n = len(scores)
        promoters = sum(score >= 9 for score in scores)
        detractors = sum(score <= 6 for score in scores)
        nps = low = high = None
        if n:
            p, d = promoters / n, detractors / n
            nps = 100 * (promoters - detractors) / n
            spread = Z * 100 * (max(p + d - (p - d) ** 2, 0.0) / n) ** 0.5
            low, high = max(-100.0, nps - spread), min(100.0, nps + spread)
        rows.append(
            keys
            | {
                "responses": n,
                "promoters": promoters,
                "passives": n - promoters - detractors,
                "detractors": detractors,
                "nps": nps,
                "nps_low": low,
                "nps_high": high,
            }
        )
    return rows
