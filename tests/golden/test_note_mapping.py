"""The departure notes of the demo company, in four languages and as people write them,
through the models that map them."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime

import pytest

from orchestration.demo import live
from tests.properties.harness import ROOT, Warehouse
from tests.reference.company import Company, Departure


class _WarehouseWithItsSeeds(Warehouse):
    """Of a company without reasons of its own, the product's seeds stay."""

    def _fill(self, database, table, row_type, rows, provenance=False) -> None:
        if rows:
            super()._fill(database, table, row_type, rows, provenance)


@pytest.fixture(scope="module")
def notes():
    """Language, note and the reason that its writer had in mind."""
    company = live()
    languages = {
        card: customer.language for customer in company.customers for card in (customer.customer_id, customer.former_id)
    }
    return [(languages[note.customer_id], note.reason, note.reason_code) for note in company.departures]


@pytest.fixture(scope="module")
def mapped(notes, tmp_path_factory) -> dict[str, dict]:
    written = [
        Departure(f"d{n}", "c1", datetime(2025, 1, 1), text)
        for n, text in enumerate(dict.fromkeys(text for _, text, _ in notes))
    ]
    warehouse = _WarehouseWithItsSeeds(tmp_path_factory.mktemp("notes"), ["int_reason_texts"])
    rows = warehouse.build(Company(as_of=datetime(2025, 12, 31).date(), departures=written))["int_reason_texts"]
    assert len(rows) == len(written)
    return {row["reason_text"]: row for row in rows}


def test_nearly_every_note_reaches_its_reason_and_none_a_wrong_one(notes, mapped):
    outcomes: dict[str, Counter] = {"all": Counter()}
    for language, text, meant in notes:
        found = mapped[text]["reason_code"]
        assert found in (meant, "unmapped"), text
        for group in ("all", language):
            outcomes.setdefault(group, Counter())[found != "unmapped"] += 1
    assert set(outcomes) == {"all", "en", "bg", "ru", "fil"}
    assert outcomes["all"][True] >= 0.95 * len(notes)
    assert all(outcome[True] > 9 * outcome[False] > 0 for outcome in outcomes.values())  # some are left to a person


def test_the_notes_are_not_the_seeds_rows(notes, mapped):
    """Most must be read through their case, punctuation and misspellings."""
    with (ROOT / "seeds" / "churn_reason_aliases.csv").open(encoding="utf-8", newline="") as file:
        aliases = {row["alias"] for row in csv.DictReader(file)}
    texts = [text for _, text, _ in notes]
    assert not aliases & set(texts)
    by_similarity = [
        text
        for text in texts
        if mapped[text]["normalised"] not in aliases and mapped[text]["reason_code"] != "unmapped"
    ]
    assert len(by_similarity) > 0.2 * len(texts)
