"""Marts of money: MRR and its movements, lost sales, checks, lifetime value."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from statistics import median

from .churn import Stay, complaint_before, grid
from .facts import Customer, Facts
from .invoices import Billed
from .money import rate, rounded
from .periods import DAY, MONTHS, Period

# the seed recovery_rates: severity -> repurchase rate when heard, when heard promptly
RECOVERY = {"serious": (Fraction(34, 100), Fraction(52, 100)), "minor": (Fraction(54, 100), Fraction(95, 100))}
PERIODS_A_YEAR = {"month": 12, "quarter": 4, "year": 1}
NOTHING = Decimal(0)


def fct_mrr_movements(facts: Facts) -> list[dict]:
    """ "One row per customer and day `occurred_on` on which the customer's MRR changes: the openings of that day and
    the next differ"; "`new` (MRR before is 0, and no earlier opening had MRR)".
    """
    rows = []
    for customer in facts.customers:
        ends = {spell.ended_on for spell in customer.spells}
        edges = (
            {interval.start for interval in customer.intervals}
            | {interval.end for interval in customer.intervals}
            | ends
        )
        for day in sorted(edges - {None}):
            before, after = customer.mrr_at(day), customer.mrr_at(day + DAY)
            if before == after:
                continue
            if not before:
                movement = "reactivation" if customer.first_mrr_on <= day else "new"
            elif not after:
                movement = "churn"
            else:
                movement = "expansion" if after > before else "contraction"
            rows.append(
                {
                    "customer_id": customer.customer_id,
                    "occurred_on": day,
                    "movement": movement,
                    "mrr_before": before,
                    "mrr_after": after,
                    "mrr_change": after - before,
                }
            )
    return rows


def mrr_changes(members: list[Customer], period: Period) -> dict[str, Decimal]:
    """The lines of `revenue_retention`: "Each customer's MRR at the start is compared with its MRR at the end".

    From 0 to more: "`mrr_new` if no opening up to that of `period_start` had MRR, else `mrr_reactivated`".
    """
    lines = dict.fromkeys(("at_start", "new", "reactivated", "expanded", "contracted", "churned", "at_end"), NOTHING)
    for customer in members:
        start, end = customer.mrr_at(period.start), customer.mrr_at(period.end)
        lines["at_start"] += start
        lines["at_end"] += end
        if not start and end:
            lines["new" if customer.first_mrr_on > period.start else "reactivated"] += end
        elif start and not end:
            lines["churned"] += start
        else:
            lines["expanded"] += max(end - start, NOTHING)
            lines["contracted"] += max(start - end, NOTHING)
    return lines


def revenue_retention(facts: Facts) -> list[dict]:
    rows = []
    for keys, period, stays in grid(facts):
        lines = mrr_changes([stay.customer for stay in stays], period)
        start = lines["at_start"]
        gone = lines["churned"] + lines["contracted"]
        rows.append(
            keys
            | {f"mrr_{name}": amount for name, amount in lines.items()}
            | {
                "arr_at_end": 12 * lines["at_end"],
                "gross_revenue_churn_rate": rate(gone, start),
                "gross_revenue_retention": rate(start - gone, start),
                "net_revenue_retention": rate(start - gone + lines["expanded"], start),
                "quick_ratio": rate(lines["new"] + lines["reactivated"] + lines["expanded"], gone),
            }
        )
    return rows


def base_invoices(base: Period | None, customers: list[Customer]) -> list[Billed]:
    """ "the base's invoices of the customers at the start": those that `sales_of_customers_at_start` are made of."""
    return [invoice for customer in customers for invoice in customer.invoices if base and base.holds(invoice.day)]


def profit_margin(facts: Facts, invoices: list[Billed]) -> Fraction | None:
    """ "(amount − cost) ÷ amount over the base's invoices of the customers at the start that carry a cost, else the
    policy".
    """
    costed = [invoice for invoice in invoices if invoice.cost is not None]
    amount = sum((invoice.amount for invoice in costed), NOTHING)
    if amount:
        return Fraction(amount - sum((invoice.cost for invoice in costed), NOTHING)) / Fraction(amount)
    policy = facts.company.policies.profit_margin
    return None if policy is None else Fraction(policy)


def recoverable(lost: list[Stay], promptly: bool) -> Decimal:
    """ "For each lost customer with a complaint opened in the 180 days before its end": own sales × share; "a
    complaint without a severity is minor".
    """
    total = Fraction(0)
    for stay in lost:
        complaint = complaint_before(stay.customer, stay.lost_on)
        if complaint:
            total += Fraction(stay.own_sales) * RECOVERY[complaint.severity or "minor"][promptly]
    return rounded(total)


def lost_revenue(facts: Facts) -> list[dict]:
    """ "`average_sales_per_customer` and `lost_sales` are null with nobody at the start, and in the first period"."""
    rows = []
    for keys, period, stays in grid(facts):
        members = [stay.customer for stay in stays]
        at_start = [stay for stay in stays if stay.at_start]
        lost = [stay for stay in stays if stay.lost]
        sales = sum((stay.base_sales for stay in at_start), NOTHING)
        own_sales = sum((stay.own_sales for stay in lost), NOTHING)
        base = facts.base_of(period)
        average = Fraction(sales) / len(at_start) if base and at_start else None
        lost_sales = None if average is None else len(lost) * average
        margin = profit_margin(facts, base_invoices(base, [stay.customer for stay in at_start]))

        def times_margin(amount: Fraction | Decimal | None, margin: Fraction | None = margin) -> Decimal | None:
            return None if amount is None or margin is None else rounded(Fraction(amount) * margin)

        rows.append(
            keys
            | {
                "customers_at_start": len(at_start),
                "customers_lost": len(lost),
                "churn_rate": rate(len(lost), len(at_start)),
                "average_sales_per_customer": rounded(average),
                "lost_sales": rounded(lost_sales),
                "sales_of_customers_at_start": sales,
                "lost_customers_sales": own_sales,
                "profit_margin": None if margin is None else float(margin),
                "profit": times_margin(sales),
                "lost_profit": times_margin(lost_sales),
                "lost_customers_profit": times_margin(own_sales),
                "lost_sales_annualised": rounded(
                    None if lost_sales is None else lost_sales * PERIODS_A_YEAR[period.grain]
                ),
                "mrr_churned": mrr_changes(members, period)["churned"],
                "recoverable_sales_if_heard": recoverable(lost, promptly=False),
                "recoverable_sales_if_heard_promptly": recoverable(lost, promptly=True),
            }
        )
    return rows


def average_check(facts: Facts) -> list[dict]:
    """ "`purchase_amount` (the sum of the purchases, without credit notes)"; "`average_check` = `purchase_amount` ÷
    `purchases`".
    """
    rows = []
    for keys, period, stays in grid(facts):
        members = [stay.customer for stay in stays]
        bought = [purchase for customer in members for purchase in customer.purchases if period.holds(purchase.day)]
        buyers = sum(any(period.holds(purchase.day) for purchase in customer.purchases) for customer in members)
        amount = sum((purchase.amount for purchase in bought), NOTHING)
        revenue = sum((customer.revenue(period.start, period.end) for customer in members), NOTHING)
        rows.append(
            keys
            | {
                "purchases": len(bought),
                "purchase_amount": amount,
                "customers_purchasing": buyers,
                "revenue": revenue,
                "average_check": rounded(Fraction(amount) / len(bought)) if bought else None,
                "median_check": rounded(median(Fraction(purchase.amount) for purchase in bought)) if bought else None,
                "purchases_per_customer": rate(len(bought), buyers),
                "revenue_per_customer": rounded(Fraction(revenue) / buyers) if buyers else None,
            }
        )
    return rows


def lifetime_value(facts: Facts) -> list[dict]:
    """ "average_sales_per_customer × margin ÷ churn_rate"; "At a churn rate of 0 a customer is taken to stay 60
    months\"
    """
    rows = []
    for keys, period, stays in grid(facts):
        start = [stay for stay in stays if stay.at_start]
        lost = sum(stay.lost for stay in stays)
        base = facts.base_of(period)
        average = Fraction(sum((stay.base_sales for stay in start), NOTHING)) / len(start) if base and start else None
        margin = profit_margin(facts, base_invoices(base, [stay.customer for stay in start]))
        periods, value = Fraction(0), None
        if start:
            periods = Fraction(len(start), lost) if lost else Fraction(60 * PERIODS_A_YEAR[period.grain], 12)
        if average is not None and margin is not None:
            value = rounded(average * margin * periods)
        months = float(periods * MONTHS[period.grain]) if periods else None
        rows.append(
            keys
            | {
                "customers_at_start": len(start),
                "customers_lost": lost,
                "churn_rate": rate(lost, len(start)),
                "sales_of_customers_at_start": sum((stay.base_sales for stay in start), NOTHING),
                "average_sales_per_customer": rounded(average),
                "profit_margin": None if margin is None else float(margin),
                "expected_lifetime_months": months,
                "lifetime_value": value,
            }
        )
    return rows


def customer_value(facts: Facts) -> list[dict]:
    """ "One row per customer, as of `as_of`".

    Reading: gross profit is revenue × margin, over all the customer's own invoices that carry a cost, else the
    policy; the tenure is of all spells, an open one up to as_of.
    """
    rows = []
    for customer in facts.customers:
        own = profit_margin(facts, customer.invoices)
        revenue = sum((invoice.amount for invoice in customer.invoices), NOTHING)
        amount = sum((purchase.amount for purchase in customer.purchases), NOTHING)
        rows.append(
            {
                "customer_id": customer.customer_id,
                "revenue": revenue,
                "profit_margin": None if own is None else float(own),
                "gross_profit": None if own is None else rounded(Fraction(revenue) * own),
                "purchases": len(customer.purchases),
                "purchase_amount": amount,
                "average_check": rounded(Fraction(amount) / len(customer.purchases)) if customer.purchases else None,
                "mrr": customer.mrr_at(facts.opening_after),
                "tenure_days": sum(
                    ((spell.ended_on or facts.opening_after) - spell.started_on).days for spell in customer.spells
                ),
            }
        )
    return rows


def fct_purchases(facts: Facts) -> list[dict]:
    return [
        {
            "invoice_id": purchase.invoice_id,
            "customer_id": customer.customer_id,
            "employee_id": purchase.employee_id,
            "issued_at": purchase.issued_at,
            "issued_on": purchase.day,
            "purchase_number": number,
            "amount": purchase.amount,
            "cost": purchase.cost,
        }
        for customer in facts.customers
        for number, purchase in enumerate(customer.purchases, start=1)
    ]


def fct_credit_notes(facts: Facts) -> list[dict]:
    """ "One row per credit note", below zero; asked after rounding, as of purchases."""
    return [
        {
            "invoice_id": invoice.invoice_id,
            "customer_id": customer.customer_id,
            "issued_at": invoice.issued_at,
            "issued_on": invoice.day,
            "amount": invoice.amount,
        }
        for customer in facts.customers
        for invoice in customer.invoices
        if invoice.amount < 0
    ]
