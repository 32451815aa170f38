"""Who is a customer, which cards are one customer, and which segments a customer is in."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from .company import Company, Customer
from .subscriptions import Row, rows_of_lists

UNKNOWN = "(unknown)"


def survivors(company: Company) -> dict[str, str]:
    """Card -> the customer that everything of it belongs to.

    "everything that belongs to a merged card belongs to the customer at the end of its `merged_into` chain." "A card
    that names itself ends a chain; cards whose chain is a circle stay separate customers."
    """
    named = {one.source_id: one.customer_id for one in company.customer_ids if one.source_id != one.customer_id}
    of_ids = {source_id: end_of_chain(source_id, named) for source_id in named}

    def known(customer: str) -> str:
        return of_ids.get(customer, customer)

    merged_into: dict[str, str] = {}
    # a customer's own card says more than that of another system
    for card in sorted(
        company.customers, key=lambda card: (known(card.customer_id) != card.customer_id, card.customer_id)
    ):
        if card.merged_into is not None and known(card.merged_into) != known(card.customer_id):
            merged_into.setdefault(known(card.customer_id), known(card.merged_into))
    ids = {card.customer_id for card in company.customers} | set(named)
    return {one: end_of_chain(known(one), merged_into) for one in ids}


def end_of_chain(start: str, links: dict[str, str]) -> str:
    """Where the links lead; a chain that runs in a circle has no end, so it stays where it starts. "Chains are followed
    over 64 links; an id that is further from the end stays a customer of its own."
    """
    end = start
    for _ in range(64):
        end = links.get(end, end)
    return start if end in links else end


def cards(company: Company) -> dict[str, Customer]:
    """Customer -> the one card that counts, of those who have one."""
    survivor = survivors(company)
    found: dict[str, list[Customer]] = defaultdict(list)
    for card in company.customers:
        found[survivor[card.customer_id]].append(card)
    return {customer: card_that_counts(customer, several) for customer, several in found.items()}


def card_that_counts(customer: str, several: list[Customer]) -> Customer:
    """ "Of several cards of a customer one counts, with all that it says: the customer's own; if it has none, the
    newest by `updated_at` (a card without one is older than any), then the one with the smallest id."
    """
    own = [card for card in several if card.customer_id == customer]
    if own:
        return own[0]
    newest = max(card.updated_at or datetime.min for card in several)
    return min(
        (card for card in several if (card.updated_at or datetime.min) == newest), key=lambda card: card.customer_id
    )


def all_customers(company: Company) -> list[str]:
    """ "Customers that appear only in billing become customers too."

    Reading: every card of the CRM, every customer of a billing row that has begun by as_of, every card that another
    was merged into; then the merged ones are left out.
    """

    def begun(day: date) -> bool:
        return day <= company.as_of

    survivor = survivors(company)
    ids = {card.customer_id for card in company.customers}
    ids |= {row.customer_id for row in company.subscriptions if begun(row.started_on)}
    listed = rows_of_lists(company.lists, company.as_of, company.lists_mean)
    ids |= {row.customer_id for row in listed if begun(row.started_on)}
    ids |= {row.customer_id for row in company.subscription_events if begun(row.occurred_on)}
    ids |= {row.customer_id for row in company.invoices if begun(row.issued_at.date())}
    ids |= {row.customer_id for row in company.invoice_lines if begun(row.issued_at.date())}
    ids |= {row.customer_id for row in company.payments if begun(row.paid_at.date())}
    ids |= {row.customer_id for row in company.refunds if begun(row.refunded_at.date())}
    return sorted({survivor.get(customer, customer) for customer in ids})


def first_plan(counting: list[Row]) -> str | None:
    """ "the `plan_id` of the counting row with the earliest `started_on` (then the smallest `subscription_id`, then
    the earliest delivery)".
    """
    if not counting:
        return None
    return min(counting, key=lambda row: (row.started_on, row.subscription_id, row.delivery)).plan_id


def attributes(card: Customer | None, counting: list[Row], names: Iterable[str]) -> dict[str, str | None]:
    """Attribute -> the customer's value as a segment. "Values are trimmed, keep their case, and are null when empty".

    A name that is no column of the contract is looked up in the card's raw row.
    """

    def value(segment_type: str) -> str | None:
        if segment_type == "first_plan":
            return first_plan(counting)
        if card is None:
            return None
        column = "segment" if segment_type == "customer_segment" else segment_type
        if hasattr(card, column):
            return getattr(card, column)
        return json.loads(card.raw_row or "{}").get(segment_type)

    return {name: (value(name) or "").strip() or None for name in names}
