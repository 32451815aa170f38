"""Subscribers: trials, renewals, changes of terms, failed payments, pauses, leaving and coming back."""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from . import care
from .company import AS_OF, Company, Customer, Invoice, Payment, Subscription


@dataclass(frozen=True, slots=True)
class Plan:
    plan_id: str
    name: str
    interval: str
    interval_count: int
    price: int  # cents, EUR, as it is today
    chosen: int  # share of new subscribers

    @property
    def months(self) -> float:
        return {"week": 12 / 52, "month": 1, "year": 12}[self.interval] * self.interval_count


PLANS = {
    plan.plan_id: plan
    for plan in (
        Plan("free", "Free", "month", 1, 0, 5),
        Plan("stall_week", "Market stall, weekly", "week", 1, 6_00, 3),
        Plan("solo_month", "Solo", "month", 1, 20_90, 38),
        Plan("solo_year", "Solo, a year", "year", 1, 209_00, 9),
        Plan("shop_month", "Shop", "month", 1, 53_90, 24),
        Plan("shop_quarter", "Shop, a quarter", "month", 3, 152_00, 6),
        Plan("shop_year", "Shop, a year", "year", 1, 539_00, 7),
        Plan("chain_month", "Chain, a till", "month", 1, 42_90, 6),
        Plan("chain_year", "Chain, a till and year", "year", 1, 429_00, 2),
    )
}
UPGRADES = {"free": "solo_month", "stall_week": "solo_month", "solo_month": "shop_month", "shop_month": "chain_month"}
DOWNGRADES = {"chain_month": "shop_month", "shop_month": "solo_month", "solo_month": "free"}
MONTHLY_CHURN = 0.031  # of an ordinary customer, failed payments apart
FAILURES = ["card_declined", "expired_card", "insufficient_funds"]
END_REASONS = {  # what the billing system's own question at the cancel button yields
    "high_price": "too_expensive",
    "missing_feature": "missing_features",
    "competitor": "switched_service",
    "no_longer_needed": "unused",
    "poor_service": "customer_service",
    "hard_to_use": "too_complex",
    "product_quality": "low_quality",
}


def subscribe(company: Company, customer: Customer) -> None:
    """Live through all the customer's subscriptions, one after the other."""
    rng = company.rng
    start: date | None = customer.joined
    while start and start <= AS_OF:
        life = _Subscription(company, customer, start, trial=start == customer.joined and rng.random() < 0.35)
        left_on, reason = life.run()
        customer.active.append((start, left_on or date.max))
        if left_on is None or reason is None:
            return
        care.farewell(company, customer, left_on, reason, interviewed=0.7)
        start = care.win_back(company, customer, left_on, reason)


class _Subscription:
    """One subscription: `terms` is its open row, `company.subscriptions` holds the rows."""

    def __init__(self, company: Company, customer: Customer, start: date, *, trial: bool) -> None:
        self.company, self.customer, self.rng = company, customer, company.rng
        plan = self.rng.choices(list(PLANS.values()), [plan.chosen for plan in PLANS.values()])[0]
        self.first_bill = start + timedelta(days=14) if trial and plan.price else start
        self.terms = Subscription(
            f"sub_{len(company.subscriptions) + 1:06d}",
            customer.card(start),
            start,
            plan.plan_id,
            self.rng.randint(2, 9) if plan.plan_id.startswith("chain") else 1,
            0,
            customer.currency,
            20 if customer.acquisition_channel == "partner" and plan.months == 1 else 0,
            self.first_bill if self.first_bill > start else None,
        )
        self.terms.unit_amount = self._price(plan.plan_id, start)
        company.subscriptions.append(self.terms)

    def run(self) -> tuple[date | None, str | None]:
        """The day on which it ended and the reason code: both None while it runs, no reason after a mere trial."""
        rng, plan = self.rng, PLANS[self.terms.plan_id]
        if self.terms.trial_ends_on:
            if rng.random() < 0.3:
                left_on = self.terms.started_on + timedelta(days=rng.randint(3, 14))
                return (None, None) if left_on > AS_OF else (self._end(left_on, None), None)
            if self.terms.trial_ends_on > AS_OF:
                self.terms.status = "trialing"
                return None, None
        elif rng.random() < 0.004:  # changed their mind on the spot
            return self._end(self.terms.started_on, "other"), "other"

        day, anchor, renewals = self.first_bill, self.first_bill, 0
        while True:
            if renewals:
                leaves = rng.random() < self._churn(day, plan)
                if day > AS_OF:
                    if leaves and rng.random() < 0.5:  # gave notice for the end of the paid term
                        self.terms.ended_on = day
                    return None, None
                if leaves:
                    return self._leave(day, plan)
                renewal, before = day, plan
                day, plan = self._change_terms(day), PLANS[self.terms.plan_id]
                if day > AS_OF:
                    return None, None
                if day > renewal or plan is not before:
                    anchor, renewals = day, 0
            if plan.price and not self._bill(day, plan):
                return self.terms.ended_on, "non_payment" if self.terms.ended_on else None
            renewals += 1
            day = _later(anchor, renewals, plan)

    def _price(self, plan_id: str, day: date) -> int:
        """Cents for one unit of the plan; before the price rise a tenth less, in dollars a tenth more."""
        price = PLANS[plan_id].price
        if day < care.PRICE_RISE and plan_id != "stall_week":
            price = round(price / 1.1)
        return round(price * 1.1) if self.terms.currency == "USD" else price

    def _churn(self, day: date, plan: Plan) -> float:
        """Probability of leaving at the renewal on `day`."""
        monthly = MONTHLY_CHURN * care.risk(self.customer, day) * (1.4 if (day - self.first_bill).days < 100 else 1.0)
        if self._price(plan.plan_id, day) > self.terms.unit_amount:
            monthly *= 1.8
        return 1 - (1 - min(monthly, 0.9)) ** (plan.months if plan.months <= 1 else plan.months * 0.7)

    def _leave(self, day: date, plan: Plan) -> tuple[date | None, str | None]:
        """Leave at the renewal, or, after one more bill, within the term, which may be paid back in part."""
        rng = self.rng
        if rng.random() < 0.35 and plan.price:
            days = (_later(day, 1, plan) - day).days
            stay = rng.randint(1, days - 1)
            if not self._bill(day, plan):
                return self.terms.ended_on, "non_payment" if self.terms.ended_on else None
            if rng.random() < 0.3:
                self.company.credit(self.company.invoices[-1], 1 - stay / days, stay)
            day += timedelta(days=stay)
            if day > AS_OF:
                self.terms.ended_on = day
                return None, None
        reason = care.why(self.company, self.customer, day)
        return self._end(day, END_REASONS.get(reason, "other") if rng.random() < 0.4 else None), reason

    def _end(self, day: date, end_reason: str | None) -> date:
        self.terms.ended_on, self.terms.status, self.terms.end_reason = day, "canceled", end_reason
        return day

    def _open(self, day: date, **changes: Any) -> None:
        """Close the row on `day` and open the next with `changes`."""
        self.terms.ended_on = day
        self.terms = replace(
            self.terms,
            started_on=day,
            customer_id=self.customer.card(day),
            ended_on=None,
            trial_ends_on=None,
            **changes,
        )
        self.company.subscriptions.append(self.terms)

    def _change_terms(self, day: date) -> date:
        """Perhaps renew on other terms; the day of the renewal, later than `day` after a pause."""
        rng, dice, plan_id = self.rng, self.rng.random(), self.terms.plan_id
        if dice < 0.005 and PLANS[plan_id].months == 1:
            self._open(day, status="paused")
            day += timedelta(days=rng.choice([30, 61, 92]))
            if day <= AS_OF:
                self._open(day, status="active")
            return day
        new_plan = UPGRADES.get(plan_id) if dice < 0.02 else DOWNGRADES.get(plan_id) if dice > 0.993 else None
        price = self._price(new_plan or plan_id, day)
        if new_plan:
            self._open(day, plan_id=new_plan, quantity=3 if new_plan == "chain_month" else 1, unit_amount=price)
        elif plan_id.startswith("chain") and dice < 0.07:
            self._open(day, quantity=max(1, self.terms.quantity + rng.choice([-1, 1, 2])), unit_amount=price)
        elif self.terms.discount_percent and (day - self.first_bill).days > 180:
            self._open(day, discount_percent=0, unit_amount=price)
        elif price > self.terms.unit_amount:
            self._open(day, unit_amount=price)
        return day

    def _bill(self, day: date, plan: Plan) -> bool:
        """Bill one term; False when the money never comes: the subscription ends, or the last attempts lie ahead."""
        rng, company, terms = self.rng, self.company, self.terms
        amount = (terms.unit_amount * terms.quantity * (100 - terms.discount_percent) + 50) // 100
        cost = round(amount * rng.uniform(0.25, 0.4)) if rng.random() > 0.03 else None
        invoice = Invoice(
            terms.customer_id,
            company.moment(day),
            amount,
            cost,
            terms.currency,
            subscription_id=terms.subscription_id,
            employee_id=self.customer.manager.employee_id,
        )
        if rng.random() < 0.004:  # issued wrong, voided, issued again
            company.bill(replace(invoice, status="void"))
        fails = rng.random()
        attempts = 4 if fails < 0.007 else 1 if fails < 0.03 else 0
        retries = [invoice.issued_at + timedelta(days=days) for days in (0, 3, 7, 14)][:attempts]
        failure = rng.choice(FAILURES)
        company.payments.extend(Payment(invoice, at, failure) for at in retries if at.date() <= AS_OF)
        if attempts < 4:
            company.bill(invoice, after_days=3 * attempts or (rng.randint(5, 25) if rng.random() < 0.1 else 0))
            if rng.random() < 0.004:
                company.credit(invoice, rng.choice([0.5, 1.0]), rng.randint(2, 20))
            return True
        if retries[-1].date() > AS_OF:
            invoice.status, terms.status = "open", "past_due"
        else:
            invoice.status = "uncollectible"
            self._end(retries[-1].date(), "payment_failed")
        company.bill(invoice)
        return False


def _later(day: date, terms: int, plan: Plan) -> date:
    """`day` plus `terms` billing intervals; the 31st becomes the last of a shorter month."""
    if plan.interval == "week":
        return day + timedelta(weeks=terms * plan.interval_count)
    month = day.year * 12 + day.month - 1 + terms * plan.interval_count * (12 if plan.interval == "year" else 1)
    year, month = divmod(month, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
