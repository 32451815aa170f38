"""Three years of the demo company, from its first customer to its numbered documents."""

from random import Random

from . import care, customers, purchases, subscriptions
from .company import Company


def live() -> Company:
    """The company on its last day, the same at each call."""
    company = Company(Random(20251231))
    customers.hire(company)
    customers.win(company)
    for customer in company.customers:
        care.open_cases(company, customer)
        if customer.buys == "subscription":
            subscriptions.subscribe(company, customer)
            purchases.buy_beside(company, customer)
        elif customer.buys == "supplies":
            purchases.buy_supplies(company, customer)
        care.keep_cases(company, customer)
        care.ask_for_nps(company, customer)
    company.number()
    return company
