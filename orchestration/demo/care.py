"""What happens beside the sales: support cases, why customers leave, farewell notes, win-back messages, surveys."""

from datetime import date, timedelta
from math import exp

from .company import AS_OF, Case, Company, Customer, Departure, Outreach, Survey
from .notes import write_note

OVERLOAD = (date(2023, 9, 15), date(2024, 1, 31))  # support is understaffed: answers take days
BAD_RELEASE = (date(2024, 11, 4), date(2024, 12, 20))  # the software fails
RIVAL_ENTERS = date(2024, 6, 1)
PRICE_RISE = date(2025, 2, 1)

TOPICS = {
    "complaint": ["billing", "delivery", "software fault", "staff", "quality"],
    "question": ["how to", "billing"],
    "request": ["new feature", "new till"],
}
FINAL = {"died", "closed_down"}  # nobody comes back from these


def open_cases(company: Company, customer: Customer) -> None:
    """Fill `customer.cases` over the whole horizon; `keep_cases` later drops those of days when nobody was there."""
    rng, agents, day = company.rng, company.team("Support"), customer.joined
    while (day := day + timedelta(days=1 + int(rng.expovariate(1 / 240)))) <= AS_OF:
        kind = rng.choices(["complaint", "question", "request"], [45, 35, 20])[0]
        agent, opened_at = rng.choice(agents), company.moment(day)
        hours = rng.lognormvariate(1.2, 1.1) * agent.care * (12 if OVERLOAD[0] <= day <= OVERLOAD[1] else 1)
        answered_at = opened_at + timedelta(minutes=int(hours * 60) + 3)
        resolved_at = answered_at + timedelta(minutes=int(rng.lognormvariate(2.3, 1.2) * 60))
        customer.cases.append(
            Case(
                customer.card(day),
                opened_at,
                answered_at if answered_at.date() <= AS_OF and rng.random() > 0.03 else None,
                resolved_at if resolved_at.date() <= AS_OF and rng.random() > 0.08 else None,
                kind,
                rng.choices(["serious", "minor", None], [30, 60, 10])[0] if kind == "complaint" else None,
                rng.choice(TOPICS[kind]),
                rng.choice(["email", "phone", "chat", "viber"]),
                agent.employee_id,
            )
        )


def last_complaint(customer: Customer, day: date) -> Case | None:
    """The latest complaint of the 60 days before `day`."""
    for case in reversed(customer.cases):
        if case.kind == "complaint" and 0 < (day - case.opened_at.date()).days <= 60:
            return case
    return None


def risk(customer: Customer, day: date) -> float:
    """By how much the customer is likelier (above 1) or less likely to leave on `day` than an ordinary one."""
    factor = exp(-0.35 * customer.mood) * customer.manager.care
    factor *= {"ads": 1.35, "search": 1.05, "referral": 0.7}.get(customer.acquisition_channel or "", 1.0)
    factor *= {1: 1.25, 12: 0.85}.get(day.month, 1.0)
    factor *= 1.4 if BAD_RELEASE[0] <= day <= BAD_RELEASE[1] else 1.0
    if complaint := last_complaint(customer, day):
        factor *= (3.5 if complaint.hours_to_answer > 24 else 1.4) * (1.5 if complaint.severity == "serious" else 1.0)
    return factor


def why(company: Company, customer: Customer, day: date) -> str:
    """The reason code for which the customer leaves on `day`; its odds move with what the company went through."""
    subscribes = customer.buys == "subscription"
    months_of_rival = max(0, (day - RIVAL_ENTERS).days / 30)
    odds = {
        "poor_service": 7,
        "slow_answer": 22 if OVERLOAD[0] <= day <= OVERLOAD[1] else 4,
        "neglected": 8 * customer.manager.care,
        "delivery": 3 if subscribes else 14,
        "product_quality": 6 if subscribes else 12,
        "technical_problems": 0 if not subscribes else 30 if BAD_RELEASE[0] <= day <= BAD_RELEASE[1] else 5,
        "missing_feature": 9 if subscribes else 0,
        "hard_to_use": 6 if subscribes else 0,
        "high_price": 30 if PRICE_RISE <= day <= date(2025, 5, 31) else 12,
        "competitor": 5 + min(18, 1.5 * months_of_rival),
        "no_longer_needed": 14,
        "moved_away": 5,
        "closed_down": 9,
        "died": 1,
        "other": 3,
    }
    complaint = last_complaint(customer, day)
    if complaint and complaint.hours_to_answer > 24:
        odds["slow_answer"] += 40
        odds["poor_service"] += 12
    return company.rng.choices(list(odds), list(odds.values()))[0]


def farewell(company: Company, customer: Customer, left_on: date, reason: str, *, interviewed: float) -> None:
    """Record that the customer leaves on `left_on`; with probability `interviewed` somebody asks and notes why."""
    rng = company.rng
    customer.left_for[left_on] = reason
    noted_on = left_on + timedelta(days=rng.randint(-10, 14))
    if rng.random() < interviewed and customer.joined < noted_on <= AS_OF:
        text = write_note(rng, reason, customer.language)
        channel = rng.choice(["phone", "email", "visit", "viber"])
        company.departures.append(
            Departure(
                customer.card(left_on),
                company.moment(noted_on),
                left_on,
                text,
                customer.manager.employee_id,
                channel,
                reason,
            )
        )


def win_back(company: Company, customer: Customer, left_on: date, reason: str) -> date | None:
    """Write to a lost customer; the day on which the customer returns, written to or by itself, or None."""
    rng = company.rng
    if reason in FINAL:
        return None
    if rng.random() < 0.55 and customer.has_card:
        sent_on = left_on + timedelta(days=rng.randint(21, 75))
        if sent_on <= AS_OF:
            offer = "we miss you" if rng.random() < 0.6 else "come back -20%"
            message = Outreach(
                customer.card(sent_on),
                company.moment(sent_on),
                rng.choice(["sms", "email", "email", "viber", "voice"]),
                f"{offer} {sent_on.year}-Q{(sent_on.month + 2) // 3}",
            )
            company.outreach.append(message)
            answers = {"voice": 0.3, "viber": 0.18}.get(message.channel, 0.1)
            if rng.random() < answers:
                replied_at = message.sent_at + timedelta(minutes=rng.randint(5, 6000))
                message.replied_at = replied_at if replied_at.date() <= AS_OF else None
                if rng.random() < 0.4:
                    return sent_on + timedelta(days=rng.randint(4, 60))
    return left_on + timedelta(days=rng.randint(25, 330)) if rng.random() < 0.06 else None


def keep_cases(company: Company, customer: Customer) -> None:
    """Book the cases that the customer opened while being one, and the answers to how they were handled."""
    rng = company.rng
    for case in customer.cases:
        if customer.is_active(case.opened_at.date()):
            company.cases.append(case)
            if case.resolved_at and rng.random() < 0.35:
                wish = 4.6 + 0.4 * customer.mood - 1.6 * (case.hours_to_answer > 24) - 0.7 * (case.kind == "complaint")
                score = min(max(round(rng.gauss(wish, 0.8)), 1), 5)
                _answer(
                    company, Survey(case.customer_id, "csat", score, case.resolved_at + timedelta(hours=3), case=case)
                )


def ask_for_nps(company: Company, customer: Customer) -> None:
    """Book the answers to the half-yearly question whether the customer would speak well of the company (0..10)."""
    rng = company.rng
    day = customer.joined + timedelta(days=rng.randint(40, 120))
    while day <= AS_OF:
        if customer.is_active(day) and rng.random() < 0.4:
            complaint = last_complaint(customer, day)
            leaves_soon = any(0 < (left_on - day).days <= 120 for left_on in customer.left_for)
            wish = 8.3 + 1.1 * customer.mood - 2.5 * leaves_soon
            if complaint:
                wish -= 2.5 if complaint.hours_to_answer > 24 else 0.7
            score = min(max(round(rng.gauss(wish, 1.3)), 0), 10)
            _answer(company, Survey(customer.card(day), "nps", score, company.moment(day)))
        day += timedelta(days=rng.randint(150, 210))


def _answer(company: Company, survey: Survey) -> None:
    if survey.answered_at.date() <= AS_OF:
        if company.rng.random() < 0.1:
            survey.comment = company.rng.choice(["супер", "спасибо!", "salamat po", "ok; will see", "бавно, но учтиво"])
        company.surveys.append(survey)
