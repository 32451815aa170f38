"""`churn reasons`: what is asked, what is written, and what the next refresh reads."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from orchestration.contract.reason_aliases import ALIASES, own_aliases
from orchestration.errors import UserError
from orchestration.readers.reasons import command, language_of

# text, normalised, count, nearest_alias, nearest_reason_code, nearest_language, similarity
TEXTS = [
    ("Mega pricy!", "mega pricy", 7, "very pricy", "high_price", "en", 0.7),
    ("mega pricey", "mega pricey", 2, "very pricey", "high_price", "en", 0.64),
    ("Скъпичко", "скъпичко", 3, "скъпо", "high_price", "bg", 0.5),
    ("my cat sat on the router", "my cat sat on the router", 1, "bad router", "technical_problems", "en", 0.3),
    ("???", "", 1, None, None, None, None),
]


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "private.duckdb")) as con:
        con.execute(
            "create schema restricted; create table restricted.unmapped_reasons (text varchar, normalised varchar,"
            " count bigint, "
            "nearest_alias varchar, nearest_reason_code varchar, nearest_language varchar, similarity double)"
        )
        con.executemany("insert into restricted.unmapped_reasons values (?, ?, ?, ?, ?, ?, ?)", TEXTS)
    return tmp_path


def run(warehouse: Path, answers: str):
    result = CliRunner().invoke(command, ["--warehouse", str(warehouse)], input=answers)
    assert result.exit_code == 0, result.output
    return result


def test_lists_the_most_frequent_first_and_writes_nothing_unasked(warehouse) -> None:
    result = run(warehouse, "")
    lines = result.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["7", "3", "2", "1", "1"]
    assert "70%" in lines[0] and "high_price" in lines[0] and "very pricy" in lines[0] and "Mega pricy!" in lines[0]
    assert not (warehouse / ALIASES).exists()


def test_writes_what_is_confirmed_and_does_not_ask_for_its_twin(warehouse) -> None:
    # "mega pricey" is 1 − 1/11 similar to "mega pricy" and needs no alias; a slip is asked again; "???" is not asked
    result = run(warehouse, "y\nhigh_prize\nhigh_price\n\n")
    assert "did you mean high_price?" in result.stderr
    assert own_aliases(warehouse) == [
        {"alias": "mega pricy", "reason_code": "high_price", "language": "en"},
        {"alias": "скъпичко", "reason_code": "high_price", "language": "bg"},
    ]
    assert stat.S_IMODE((warehouse / ALIASES).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "nearest", "language"),
    [
        ("Много ми е скъпо, ще търся друго", "ru", "bg"),
        ("Никой не ми се обади", "ru", "bg"),
        ("вече няма нужда", "ru", "bg"),
        ("шофьорът закъснява", "ru", "bg"),
        ("не харесвам качеството", "ru", "bg"),
        ("Очень дорого", "bg", "ru"),
        ("не нравится качество", "bg", "ru"),
        ("нося го на друго място", "bg", "bg"),
        ("съехал в другой город", "bg", "ru"),
        ("слишком дорого для нас", "bg", "ru"),
        ("цены выросли", "bg", "ru"),
        ("Masyadong mahal para sa akin", "en", "fil"),
        ("hindi na kailangan", "en", "fil"),
        ("ang bagal ng sagot, may problema", "en", "fil"),
        ("The price is too high", "fil", "en"),
        ("we moved to another city", "fil", "en"),
        ("nobody ever called me", "fil", "en"),
        # nothing in the text tells
        ("висока цена", "bg", "bg"),
        ("дорого", "ru", "ru"),
        ("mahal", "fil", "fil"),
        ("pricy", "en", "en"),
        ("дорого", "en", ""),
        ("pricy", None, ""),
    ],
)
def test_tells_the_language_of_a_text(text, nearest, language) -> None:
    assert language_of(text, nearest) == language


def test_an_alias_has_the_language_of_its_text(warehouse) -> None:
    with duckdb.connect(str(warehouse / "private.duckdb")) as con:
        con.execute(
            "insert into restricted.unmapped_reasons values ('Няма кой да ми отговори', 'няма кой да ми отговори', 9,"
            " 'медленный ответ', 'slow_answer', 'ru', 0.4)"
        )
    run(warehouse, "y\nq\n")
    assert own_aliases(warehouse) == [
        {"alias": "няма кой да ми отговори", "reason_code": "slow_answer", "language": "bg"}
    ]


def test_asks_only_what_is_left_the_next_time(warehouse) -> None:
    run(warehouse, "y\nq\n")
    second = run(warehouse, "q\n")
    assert "mega" not in second.stdout.lower() and "Скъпичко" in second.stdout
    assert len(own_aliases(warehouse)) == 1


def test_a_text_near_to_two_reasons_needs_an_alias_of_its_own(warehouse) -> None:
    (warehouse / ALIASES).write_text(
        "alias,reason_code,language\nmega pricy,high_price,en\nmega pricex,competitor,en\n", encoding="utf-8"
    )
    listed = run(warehouse, "q\n").stdout
    assert "mega pricey" in listed and "Mega pricy!" not in listed


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("alias,reason_code\nmega,high_prize\n", "line 2: there is no reason 'high_prize'; did you mean high_price?"),
        ("alias,reason_code\n!!,high_price\n", "line 2: the alias has neither letters nor digits"),
        (
            "alias,reason_code\nmega,high_price\nMEGA!,competitor\n",
            "line 3: 'mega' means high_price in an earlier line",
        ),
        ("text;reason\n", "the first line must be alias,reason_code,language"),
    ],
)
def test_an_alias_file_that_cannot_be_used_says_where(tmp_path, rows, told) -> None:
    (tmp_path / ALIASES).write_text(rows, encoding="utf-8")
    with pytest.raises(UserError) as error:
        own_aliases(tmp_path)
    assert told in str(error.value)


def test_an_alias_file_out_of_a_spreadsheet_is_read(tmp_path) -> None:
    (tmp_path / ALIASES).write_text('alias,reason_code\n"Mega, pricy",high_price\n', encoding="utf-8-sig")
    assert own_aliases(tmp_path) == [{"alias": "mega pricy", "reason_code": "high_price", "language": ""}]


def test_no_aliases_and_nothing_published(tmp_path) -> None:
    assert own_aliases(tmp_path) == []
    result = CliRunner().invoke(command, ["--warehouse", str(tmp_path)])
    assert isinstance(result.exception, UserError) and "churn refresh" in str(result.exception)


def test_an_alias_with_letters_in_two_parts_is_the_same(tmp_path) -> None:
    (tmp_path / ALIASES).write_text("alias,reason_code\ntrop che\u0301r,high_price\n", encoding="utf-8")
    assert [row["alias"] for row in own_aliases(tmp_path)] == ["trop ch\u00e9r"]
