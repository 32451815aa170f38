"""Marts of the lost: who they are, whom to write to, and what writing brought."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from .churn import complaint_before
from .company import Case, Outreach
from .customers import UNKNOWN
from .facts import Customer, Facts
from .money import rate, rounded
from .revenue import RECOVERY

YEAR = timedelta(days=365)
CHANNELS = ("sms", "email", "viber", "voice")


def addresses(customer: Customer) -> dict[str, str]:
    """Channel -> the customer's address on it, in the order in which we would try them.

    "E-mail addresses contain an @, phone numbers at least five digits. A messenger counts as Viber; so does the phone
    of a customer who prefers Viber and names no messenger."
    """
    card = customer.card
    if card is None:
        return {}
    phone = card.phone if sum(sign in "0123456789" for sign in card.phone or "") >= 5 else None
    name, at, domain = (card.email or "").partition("@")
    found = {
        "sms": phone,
        "email": card.email if name and at and domain else None,
        "viber": card.messaging or (phone if card.preferred_channel == "viber" else None),
        "voice": phone,
    }
    return {channel: found[channel] for channel in CHANNELS if found[channel]}


def replied(facts: Facts, message: Outreach) -> bool:
    """ "with a reply by as_of\""""
    return message.replied_at is not None and message.replied_at.date() <= facts.as_of


def channel_of(message: Outreach) -> str:
    """ "channel of the messages (lower case)\""""
    return message.channel.strip().lower()


def best_channel(facts: Facts, customer: Customer) -> str | None:
    """ "the preferred channel if there is an address for it, else the one with most replies to our messages, else the
    first with an address of sms, email, viber, voice; null where nothing reaches the customer".
    """
    reachable = addresses(customer)
    if customer.card and customer.card.preferred_channel in reachable:
        return customer.card.preferred_channel
    replies = Counter(channel_of(message) for message in customer.messages if replied(facts, message))
    return max(reachable, key=lambda channel: replies[channel], default=None)  # the first of those with as many


def answered_promptly(facts: Facts, complaint: Case) -> bool:
    """ "the first response came within `sla_first_response_hours`, and by `as_of`"."""
    answer = complaint.first_response_at
    if answer is None or answer.date() > facts.as_of:
        return False
    return answer - complaint.opened_at <= timedelta(hours=facts.company.policies.sla_first_response_hours)


def recoverable_share(nature: str, complaint: Case | None, promptly: bool | None) -> Fraction:
    """ "by severity and promptness of the complaint; without a complaint the lowest share; 0 where the reason is
    objective".
    """
    if nature == "objective":
        return Fraction(0)
    if complaint is None:
        return min(min(rates) for rates in RECOVERY.values())
    return RECOVERY[complaint.severity or "minor"][promptly]


def lost_customers(facts: Facts) -> list[dict]:
    """ "One row per customer that has been active and is not active at the opening of `as_of` + 1"; the rank is "by
    `expected_recoverable_sales`, then `sales_last_365_days`, both descending, then `customer_id`".
    """
    rows = []
    for customer in facts.customers:
        if not customer.spells or customer.is_active_at(facts.opening_after):
            continue
        last = customer.spells[-1]
        why = facts.why[last]
        complaint = complaint_before(customer, last.ended_on)
        promptly = answered_promptly(facts, complaint) if complaint else None
        sales = customer.revenue(last.ended_on - YEAR, last.ended_on)
        share = recoverable_share(why.reason.nature, complaint, promptly)
        rows.append(
            {
                "customer_id": customer.customer_id,
                "lost_on": last.ended_on,
                "last_purchase_on": customer.purchases[-1].day if customer.purchases else None,
                "first_active_on": customer.spells[0].started_on,
                "tenure_days": sum((spell.ended_on - spell.started_on).days for spell in customer.spells),
                "spells": len(customer.spells),
                "lifetime_revenue": customer.revenue(date.min, facts.opening_after),
                "sales_last_365_days": sales,
                "reason_code": why.reason.reason_code,
                "nature": why.reason.nature,
                "control": why.reason.control,
                "interviewed": why.interviewed,
                "had_complaint": complaint is not None,
                "complaint_severity": (complaint.severity or "minor") if complaint else None,
                "complaint_answered_promptly": promptly,
                "contact_allowed": customer.card.contact_allowed if customer.card else None,
                "best_channel": best_channel(facts, customer),
                "expected_recoverable_sales": rounded(max(Fraction(sales), Fraction(0)) * share),
            }
        )
    rows.sort(key=lambda row: (-row["expected_recoverable_sales"], -row["sales_last_365_days"], row["customer_id"]))
    return [row | {"win_back_rank": rank} for rank, row in enumerate(rows, start=1)]


def win_back_contacts(facts: Facts) -> list[dict]:
    """ "the rows of `lost_customers` with consent and a reachable channel, with the name and the address on that
    channel".
    """
    customers = {customer.customer_id: customer for customer in facts.customers}
    labels = {why.reason.reason_code: why.reason.reason for why in facts.why.values()}
    rows = []
    for lost in facts.rows_of(lost_customers):
        if lost["contact_allowed"] and lost["best_channel"]:
            customer = customers[lost["customer_id"]]
            rows.append(
                {
                    "customer_id": customer.customer_id,
                    "name": customer.card.name,
                    "channel": lost["best_channel"],
                    "address": addresses(customer)[lost["best_channel"]],
                    "country": (customer.card.country or "").strip() or None,
                    "reason_code": lost["reason_code"],
                    "reason": labels[lost["reason_code"]],
                }
                | {name: lost[name] for name in ("lost_on", "last_purchase_on", "sales_last_365_days")}
                | {name: lost[name] for name in ("expected_recoverable_sales", "win_back_rank")}
            )
    return rows


def win_back_results(facts: Facts) -> list[dict]:
    """ "One row per campaign and channel"; "Customers count once, from their first message of the campaign on the
    channel".

    Reading: whoever was written to is contacted, also who is nobody's customer.
    """
    customers = {customer.customer_id: customer for customer in facts.customers}
    notes = facts.by_customer(note for note in facts.company.departures if note.noted_at.date() <= facts.as_of)
    sent = facts.by_customer(message for message in facts.company.outreach if message.sent_at.date() <= facts.as_of)
    campaigns: dict[tuple[str, str], dict[str, list[Outreach]]] = {}
    for customer_id, messages in sent.items():
        for message in messages:
            key = (message.campaign or "").strip() or UNKNOWN, channel_of(message)
            campaigns.setdefault(key, {}).setdefault(customer_id, []).append(message)

    rows = []
    for (campaign, channel), contacts in campaigns.items():
        first = {
            customer_id: min(message.sent_at for message in messages) for customer_id, messages in contacts.items()
        }
        lost = {
            customer_id: moment.date()
            for customer_id, moment in first.items()
            if customer_id in customers and was_lost(customers[customer_id], moment.date())
        }
        back = {customer_id: returned_on(customers[customer_id], day) for customer_id, day in lost.items()}
        row = {
            "campaign": campaign,
            "channel": channel,
            "contacted": len(contacts),
            "replied": sum(any(replied(facts, message) for message in messages) for messages in contacts.values()),
            "reasons_learnt": sum(any(note.noted_at >= first[one] for note in notes[one]) for one in contacts),
            "contacted_lost": len(lost),
        }
        for days in (30, 90, 365):
            horizon = timedelta(days=days)
            observed = [one for one, day in lost.items() if day + horizon <= facts.as_of]
            returned = [one for one in observed if back[one] and back[one] <= lost[one] + horizon]
            row |= {
                f"observed_{days}d": len(observed),
                f"returned_{days}d": len(returned),
                f"return_rate_{days}d": rate(len(returned), len(observed)),
            }
        recovered = [
            customers[one].revenue(back[one], day + YEAR + timedelta(days=1)) for one, day in lost.items() if back[one]
        ]
        rows.append(row | {"revenue_recovered": sum(recovered, Decimal(0))})
    return rows


def was_lost(customer: Customer, day: date) -> bool:
    """ "active before the day of the first message, and not at its opening\""""
    return any(spell.started_on < day for spell in customer.spells) and not customer.is_active_at(day)


def returned_on(customer: Customer, day: date) -> date | None:
    """The first day of the first spell "that starts from the day of the message" on."""
    return min((spell.started_on for spell in customer.spells if spell.started_on >= day), default=None)
