"""Plain purchases of supplies (paper rolls, scanners, labels): buyers come back as long as they are pleased."""

from datetime import date, timedelta

from . import care
from .company import AS_OF, Company, Customer, Employee, Invoice
from .customers import SEASON

LAPSE = timedelta(days=90)  # after so long without a purchase nobody calculates with a buyer


def buy_supplies(company: Company, customer: Customer) -> None:
    """The purchases of a customer who subscribes to nothing, stays away for good some day, and may return."""
    rng, gap = company.rng, company.rng.lognormvariate(3.35, 0.45)
    start: date | None = customer.joined
    while start and start <= AS_OF:
        day, seller = start, _seller(company, customer, None)
        while True:
            _buy(company, customer, day, seller)
            last, last_seller = day, seller
            if rng.random() < 0.075 * care.risk(customer, day) * seller.care:
                break
            day += timedelta(days=1 + int(rng.gammavariate(3, gap / 3) / SEASON[day.month - 1]))
            if day > AS_OF:
                break
            seller = _seller(company, customer, last_seller)
        customer.active.append((start, last + LAPSE))
        if day > AS_OF:
            return
        left_on = last + LAPSE
        reason = care.why(company, customer, left_on)
        care.farewell(company, customer, left_on, reason, interviewed=0.45)
        start = care.win_back(company, customer, left_on, reason)


def buy_beside(company: Company, customer: Customer) -> None:
    """What a subscriber buys beside the subscription."""
    for start, end in customer.active:
        day = start
        while (day := day + timedelta(days=1 + int(company.rng.expovariate(1 / 200)))) < end and day <= AS_OF:
            _buy(company, customer, day, _seller(company, customer, None))


def _seller(company: Company, customer: Customer, before: Employee | None) -> Employee:
    """Mostly the one who served the customer before."""
    if before and company.rng.random() < 0.6:
        return before
    return company.rng.choice(company.team("Sales Manila" if customer.country == "PH" else "Sales Sofia"))


def _buy(company: Company, customer: Customer, day: date, seller: Employee) -> None:
    rng = company.rng
    amount = round(100 * rng.lognormvariate({"micro": 3.4, "small": 3.9, "medium": 4.8}[customer.segment], 0.7))
    cost = round(amount * rng.uniform(0.5, 0.75)) if rng.random() > 0.04 else None
    invoice = Invoice(
        customer.card(day),
        company.moment(day),
        amount,
        cost,
        customer.currency,
        employee_id=seller.employee_id if rng.random() > 0.02 else None,
    )
    dice = rng.random()
    if dice < 0.005:
        invoice.status = "void"
    elif dice < 0.01:
        invoice.status = "uncollectible"
    company.bill(invoice, after_days=rng.choice([0, 0, 0, 7, 14]))
    if invoice.status == "paid" and rng.random() < 0.03:
        company.credit(invoice, rng.choice([0.3, 0.5, 1.0]), rng.randint(2, 25))
