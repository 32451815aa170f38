"""The seeds of reasons: complete, and so far apart that no misspelling turns one reason into another."""

import csv
from collections import Counter
from functools import cache
from pathlib import Path

import duckdb
import pytest

from tests.reference.reasons import levenshtein, normalised

SEEDS = Path(__file__).parents[2] / "seeds"
LANGUAGES = {"reason": "en", "reason_bg": "bg", "reason_ru": "ru", "reason_fil": "fil"}


def seed(name: str) -> list[dict[str, str]]:
    with open(SEEDS / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


REASONS, ALIASES = seed("main_reasons"), seed("churn_reason_aliases")
REASON_OF = {row["alias"]: row["reason_code"] for row in ALIASES}


def reason_of(text: str) -> str:
    """The reason code of a note as METRICS.md defines it, or unmapped."""
    text = normalised(text)
    if text in REASON_OF:
        return REASON_OF[text]
    near = {code for alias, code in REASON_OF.items() if is_similar(text, alias)}
    return near.pop() if len(near) == 1 else "unmapped"


@cache
def letters_of(text: str) -> tuple[int, Counter]:
    return sum(1 << bit for bit in {ord(letter) % 256 for letter in text}), Counter(text)


def is_similar(left: str, right: str) -> bool:
    """Whether 1 − Levenshtein ÷ longer length >= 0.85; mostly the letters alone rule it out,
    hundreds of times faster."""
    bound = 0.15 * max(len(left), len(right))
    if abs(len(left) - len(right)) > bound:
        return False
    (ours, our_counts), (theirs, their_counts) = letters_of(left), letters_of(right)
    if (ours ^ theirs).bit_count() > 2 * bound:
        return False
    return (
        max((our_counts - their_counts).total(), (their_counts - our_counts).total()) <= bound
        and levenshtein(left, right) <= bound
    )


def test_every_reason_has_its_attributes_and_four_labels():
    assert 12 <= len(REASONS) <= 16
    assert all(all(row.values()) for row in REASONS)
    assert {row["nature"] for row in REASONS} == {"objective", "actionable"}
    involuntary = {row["reason_code"] for row in REASONS if row["control"] == "involuntary"}
    assert involuntary == {"non_payment", "moved_away", "died", "closed_down"}


def test_the_labels_and_the_code_of_a_reason_are_aliases_of_it():
    for row in REASONS:
        for column in ("reason_code", *LANGUAGES):
            assert REASON_OF[normalised(row[column])] == row["reason_code"]


def test_aliases_are_written_normalised_and_stand_once():
    for row in ALIASES:
        assert row["alias"] == normalised(row["alias"]) != ""
        assert row["language"] in LANGUAGES.values()
    assert len(REASON_OF) == len(ALIASES)
    assert set(REASON_OF.values()) == {row["reason_code"] for row in REASONS}


def test_every_reason_is_known_in_every_language():
    known = Counter((row["reason_code"], row["language"]) for row in ALIASES)
    assert min(known[row["reason_code"], language] for row in REASONS for language in LANGUAGES.values()) >= 8


def test_aliases_of_different_reasons_are_far_apart():
    """A note that is 0.85 similar to two aliases finds no reason;
    below 0.75 between them few misspellings lie so near both."""
    letters = sorted({letter for alias in REASON_OF for letter in alias})
    one_byte = str.maketrans({letter: chr(33 + n) for n, letter in enumerate(letters)})  # DuckDB counts bytes
    assert len(letters) < 94
    rows = [(alias, alias.translate(one_byte), code) for alias, code in REASON_OF.items()]
    with duckdb.connect() as engine:
        engine.execute(
            "create table aliases as select unnest(?) as alias, unnest(?) as bytes, unnest(?) as code",
            list(map(list, zip(*rows, strict=True))),
        )
        twins = engine.execute(
            """
            select l.alias, r.alias from aliases as l
            inner join aliases as r on l.code < r.code
                and 4 * abs(length(l.bytes) - length(r.bytes)) <= greatest(length(l.bytes), length(r.bytes))
            where 4 * levenshtein(l.bytes, r.bytes) <= greatest(length(l.bytes), length(r.bytes))
            """
        ).fetchall()
    assert twins == []


@pytest.mark.parametrize(
    "note",
    """happy with the service; good service; good customer service; friendly staff; professional staff
    the product was good; good quality; quality went up; the price is ok; easy to use; very user friendly
    customer answered; paid in full; stable system
    доволен от обслужването; добро обслужване; любезен персонал; качествен продукт; достатъчно функции
    удобно за ползване; плаща редовно
    хорошее обслуживание; понравилось обслуживание; вежливые сотрудники; качественный товар
    удобно пользоваться; понятный интерфейс; всё оплачено
    magandang serbisyo; mabait ang staff; maganda ang quality; madaling gamitin; mura ang presyo; nagbayad na; masarap
    no answer; no response; could not reach the customer; will call back; asked for an invoice
    n/a; none; ???; 12345; see above""".replace("\n", ";").split("; "),
)
def test_praise_and_office_talk_are_no_reason_to_leave(note):
    assert reason_of(note.strip()) == "unmapped"


@pytest.mark.parametrize(
    ("note", "reason_code"),
    [
        ("Too expensive!!", "high_price"),
        ("TO EXPENSIVE", "high_price"),
        ("МНОГО СКЪПО...", "high_price"),
        ("слишком дoрого", "high_price"),  # a Latin o
        ("Masyadong mahal po?", "high_price"),
        ("lumipat sa kakompitensya", "competitor"),
        ("Премина при конкурент.", "competitor"),
        ("ушел к конкурентам", "competitor"),
        ("payment_failed", "non_payment"),
        ("switched_service", "competitor"),
        ("Nobody  kept  in touch", "neglected"),
        ("Качеството: лошо", "product_quality"),
        ("качество така и така", "unmapped"),
    ],
)
def test_notes_reach_their_reason(note, reason_code):
    assert reason_of(note) == reason_code


def test_recovery_rates_are_those_of_the_definition():
    rates = {
        row["severity"]: (float(row["rate_if_heard"]), float(row["rate_if_heard_promptly"]))
        for row in seed("recovery_rates")
    }
    assert rates == {"serious": (0.34, 0.52), "minor": (0.54, 0.95)}
