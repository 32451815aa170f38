"""The literal reference of the metric definitions: plain, slow, obviously right.

`marts(company)` gives every mart that the definitions determine, as rows with the definitions' column names. The text
of a definition stands quoted in the docstring of the code that obeys it; where it leaves a choice open, `Reading:`
says which one is taken. Nothing here may be shared with the models: a disagreement is what it is for.
"""

from __future__ import annotations

from . import churn, cohorts, loyalty, revenue, risk, service, win_back
from .company import Company
from .facts import CUSTOMER_ATTRIBUTES, Facts


def fct_customer_spells(facts: Facts) -> list[dict]:
    return [
        {
            "customer_id": spell.customer_id,
            "spell_number": spell.spell_number,
            "started_on": spell.started_on,
            "ended_on": spell.ended_on,
            "is_open": spell.ended_on is None,
            "scheduled_end_on": spell.scheduled_end_on,
            "tenure_days": ((spell.ended_on or facts.opening_after) - spell.started_on).days,
            "activity_basis": customer.basis,
            "reason_code": facts.why[spell].reason.reason_code if spell.ended_on else None,
            "nature": facts.why[spell].reason.nature if spell.ended_on else None,
            "control": facts.why[spell].reason.control if spell.ended_on else None,
            "is_interviewed": facts.why[spell].interviewed if spell.ended_on else None,
        }
        for customer in facts.customers
        for spell in customer.spells
    ]


def dim_customers(facts: Facts) -> list[dict]:
    return [
        {"customer_id": customer.customer_id}
        | {name: customer.attributes[name] for name in CUSTOMER_ATTRIBUTES}
        | {
            "preferred_channel": customer.card.preferred_channel if customer.card else None,
            "activity_basis": customer.basis,
            "created_on": customer.card.created_at.date() if customer.card and customer.card.created_at else None,
            "first_active_on": customer.spells[0].started_on if customer.spells else None,
            "spells": len(customer.spells),
            "has_card": customer.card is not None,
            "contact_allowed": customer.card.contact_allowed if customer.card else None,
            "is_active": customer.is_active_at(facts.opening_after),
        }
        for customer in facts.customers
    ]


def dim_employees(facts: Facts) -> list[dict]:
    return [{"employee_id": employee.employee_id, "team": employee.team} for employee in facts.company.employees]


MARTS = {
    "dim_customers": dim_customers,
    "dim_employees": dim_employees,
    "fct_customer_spells": fct_customer_spells,
    "fct_mrr_movements": revenue.fct_mrr_movements,
    "fct_purchases": revenue.fct_purchases,
    "fct_credit_notes": revenue.fct_credit_notes,
    "churn_rates": churn.churn_rates,
    "churn_rate_by_definition": churn.churn_rate_by_definition,
    "revenue_retention": revenue.revenue_retention,
    "cohort_retention": cohorts.cohort_retention,
    "lost_revenue": revenue.lost_revenue,
    "churn_reasons": churn.churn_reasons,
    "unmapped_reasons": churn.unmapped_reasons,
    "lost_customers": win_back.lost_customers,
    "win_back_contacts": win_back.win_back_contacts,
    "win_back_results": win_back.win_back_results,
    "survival_curves": cohorts.survival_curves,
    "average_check": revenue.average_check,
    "staff_retention": loyalty.staff_retention,
    "net_promoter_score": loyalty.net_promoter_score,
    "lifetime_value": revenue.lifetime_value,
    "customer_value": revenue.customer_value,
    "at_risk_customers": risk.at_risk_customers,
    "at_risk_backtest": risk.at_risk_backtest,
    "service_levels": service.service_levels,
    "loyalty_scorecard": service.loyalty_scorecard,
}


def marts(company: Company, names: list[str] | None = None) -> dict[str, list[dict]]:
    """Mart name -> its rows, in no particular order."""
    facts = Facts(company)
    return {name: facts.rows_of(MARTS[name]) for name in names or MARTS}
