"""Why a spell ended: the note on the card or the subscription's end_reason, matched to the reasons of the seed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

from .company import Alias, Company, Departure, Reason
from .spells import DAY, Spell
from .subscriptions import Row

NOT_ASKED = Reason("not_asked", "(not asked)", "unknown", "unknown", "unknown")
UNMAPPED = Reason("unmapped", "(unmapped)", "unknown", "unknown", "unknown")
SIMILAR = Fraction(85, 100)


@dataclass(frozen=True, slots=True)
class WhyEnded:
    reason: Reason
    interviewed: bool
    text: str | None = None  # what people wrote, where anybody did


def normalised(text: str) -> str:
    """ "lower case, every run of characters that are neither letters nor digits becomes one blank, and the ends are
    trimmed"; Unicode's letters and digits.

    Composed first (NFC), so that a letter typed as base and mark is one letter.
    """
    lower = unicodedata.normalize("NFC", text).lower()
    return " ".join(
        "".join(
            c if unicodedata.category(c)[0] == "L" or unicodedata.category(c) == "Nd" else " " for c in lower
        ).split()
    )


@cache
def levenshtein(left: str, right: str) -> int:
    """Insertions, deletions and replacements of characters that make one text the other."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        previous, row = row, [i]
        for j, b in enumerate(right, start=1):
            row.append(min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b)))
    return row[-1]


def similarity(left: str, right: str) -> Fraction:
    """ "1 − Levenshtein distance ÷ the longer length\""""
    longer = max(len(left), len(right))
    return 1 - Fraction(levenshtein(left, right), longer) if longer else Fraction(1)


def are_similar(left: str, right: str) -> bool:
    """ "a similarity of at least 0.85"; lengths alone often tell that it is less."""
    shorter, longer = sorted((len(left), len(right)))
    return shorter >= SIMILAR * longer and similarity(left, right) >= SIMILAR


def code_of(text: str, aliases: tuple[Alias, ...]) -> str | None:
    """ "If no alias matches, it takes the reason whose aliases have a similarity of at least 0.85, provided they all
    belong to one reason"; null: unmapped.
    """
    wording = normalised(text)
    wordings = [(normalised(alias.alias), alias.reason_code) for alias in aliases]
    codes = {code for alias, code in wordings if alias == wording}
    codes = codes or {code for alias, code in wordings if are_similar(wording, alias)}
    return codes.pop() if len(codes) == 1 else None


@cache
def reason_of(text: str, aliases: tuple[Alias, ...], reasons: tuple[Reason, ...]) -> Reason:
    code = code_of(text, aliases)
    return next((reason for reason in reasons if reason.reason_code == code), UNMAPPED)


def why_ended(
    company: Company, spell: Spell, back_on: date | None, notes: list[Departure], rows: list[Row]
) -> WhyEnded:
    """The reason of a spell's end; `back_on` is the start of the customer's next spell or null.

    "the latest departure note (by `noted_at`, then `departure_id`) from `reason_window_days` before the last active
    day, but not before the spell, until the day before the customer's return, or until `as_of`. Second choice: the
    `end_reason` of the subscription row that ended with the spell; of several rows that have one, the row with the
    latest `started_on`, then the greatest `subscription_id`. Otherwise the reason is `not_asked`". `rows` are the
    customer's counting rows, none on the purchase basis.
    """
    first = max(spell.last_active_on - timedelta(days=company.policies.reason_window_days), spell.started_on)
    last = company.as_of if back_on is None else back_on - DAY
    heard = [note for note in notes if first <= note.noted_at.date() <= last]
    if heard:
        latest = max(heard, key=lambda note: (note.noted_at, note.departure_id))
        return WhyEnded(
            reason_of(latest.reason, company.aliases, company.reasons), interviewed=True, text=latest.reason
        )
    ended_with_it = [row for row in rows if row.ends_on == spell.ended_on and row.end_reason]
    if ended_with_it:
        row = max(ended_with_it, key=lambda row: (row.started_on, row.subscription_id))
        return WhyEnded(
            reason_of(row.end_reason, company.aliases, company.reasons), interviewed=False, text=row.end_reason
        )
    return WhyEnded(NOT_ASKED, interviewed=False)
