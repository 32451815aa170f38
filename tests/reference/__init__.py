"""The literal reference of the metric definitions: plain, slow, obviously right.

`marts(company)` gives every mart that the definitions determine, as rows with the definitions' column names. The text of
a definition stands quoted in the docstring of the code that obeys it; where it leaves a choice open, "Reading:" says which
one is taken. Nothing here may be shared with the models: a disagreement is what it is for.
"""

from __future__ import annotations

from . import churn, cohorts, loyalty, revenue, service
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
            "reason_code": facts.why[spell].reason.reason_code if spell.ended_on else None,
            "nature": facts.why[spell].reason.nature if spell.ended_on else None,
            "control": facts.why[spell].reason.control if spell.ended_on else None,
        }
        for customer in facts.customers
        for spell in customer.spells
    ]


def dim_customers(facts: Facts) -> list[dict]:
    return [
        {"customer_id": customer.customer_id} | {name: customer.attributes[name] for name in CUSTOMER_ATTRIBUTES}
        for customer in facts.customers
    ]


MARTS = {
    "dim_customers": dim_customers,
    "fct_customer_spells": fct_customer_spells,
    "fct_mrr_movements": revenue.fct_mrr_movements,
    "fct_purchases": revenue.fct_purchases,
    "churn_rates": churn.churn_rates,
    "churn_rate_by_definition": churn.churn_rate_by_definition,
    "revenue_retention": revenue.revenue_retention,
    "cohort_retention": cohorts.cohort_retention,
    "lost_revenue": revenue.lost_revenue,
    "churn_reasons": churn.churn_reasons,
    "lost_customers": churn.lost_customers,
    "survival_curves": cohorts.survival_curves,
    "average_check": revenue.average_check,
    "staff_retention": loyalty.staff_retention,
    "net_promoter_score": loyalty.net_promoter_score,
    "lifetime_value": revenue.lifetime_value,
    "customer_value": revenue.customer_value,
    "at_risk_customers": service.at_risk_customers,
    "service_levels": service.service_levels,
    "loyalty_scorecard": service.loyalty_scorecard,
}


def marts(company: Company, names: list[str] | None = None) -> dict[str, list[dict]]:
    """Mart name -> its rows, in no particular order."""
    facts = Facts(company)
    return {name: MARTS[name](facts) for name in names or MARTS}
