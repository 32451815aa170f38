"""`churn mailing-list`: who is in it, how phones and dangerous cells are written, who may read the file."""

from __future__ import annotations

import csv
import stat
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from python_calamine import CalamineWorkbook

from orchestration.errors import UserError
from orchestration.readers.mailing_list import address_on, command, defused, e164, region_of, write_mailing_list

# customer_id, name, channel, address, country, reason_code, win_back_rank
CONTACTS = [
    ("c1", "Иван", "sms", "0888 123 456", "България", "high_price", 2),
    ("c2", '=HYPERLINK("http://evil")', "sms", "+63 917 123 4567", None, "unmapped", 1),
    ("c3", "@Cid", "sms", "call me", "BG", "high_price", 3),
    ("-4", "Dora\rD.", "email", "=dora@example.com", "BG", "moved_away", 4),
]


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "private.duckdb")) as con:
        con.execute(
            "create schema restricted; create table restricted.win_back_contacts (customer_id varchar, name varchar,"
            " channel varchar, address varchar, "
            "country varchar, reason_code varchar, reason varchar, lost_on date, last_purchase_on date,"
            " sales_last_365_days decimal(18,2), expected_recoverable_sales decimal(18,2), win_back_rank bigint)"
        )
        for customer, name, channel, address, country, reason, rank in CONTACTS:
            con.execute(
                "insert into restricted.win_back_contacts values (?, ?, ?, ?, ?, ?, 'label', ?, null, ?, 1.5, ?)",
                [customer, name, channel, address, country, reason, date(2024, 4, 1), Decimal("-10.20"), rank],
            )
    return tmp_path


def cells(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_csv_lists_the_channel_in_order_of_rank(warehouse) -> None:
    out = warehouse / "list.csv"
    assert write_mailing_list(warehouse, "sms", out) == (2, 1)
    rows = cells(out)
    assert [(row["customer_id"], row["win_back_rank"]) for row in rows] == [("c2", "1"), ("c1", "2")]
    assert [row["address"] for row in rows] == ["+639171234567", "+359888123456"]
    assert rows[0]["name"] == '\'=HYPERLINK("http://evil")'
    assert (rows[1]["name"], rows[1]["lost_on"], rows[1]["last_purchase_on"], rows[1]["sales_last_365_days"]) == (
        "Иван",
        "2024-04-01",
        "",
        "-10.20",
    )
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_no_text_of_the_csv_is_a_formula(warehouse) -> None:
    write_mailing_list(warehouse, "email", warehouse / "list.csv")
    [row] = cells(warehouse / "list.csv")
    assert (row["customer_id"], row["name"], row["address"]) == ("'-4", "Dora\rD.", "'=dora@example.com")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
@pytest.mark.parametrize("separator", ["", ";", "|", "\t", "\n", "\r\n", "x;", " ", "x\n ", 'x; "'])
def test_no_part_of_a_text_is_a_formula_whatever_separates_the_cells(separator, start) -> None:
    assert defused(f"{separator}{start}cmd()") == f"{separator}'{start}cmd()"


@pytest.mark.parametrize(
    "text", ["+359888123456", "a-b@example.org", "Anna-Maria", "1 + 1 = 2", "x; y", "", "R&D | HR"]
)
def test_what_is_no_formula_stays_as_it_is(text) -> None:
    assert defused(text) == text


def test_xlsx_keeps_phones_as_text(warehouse) -> None:
    out = warehouse / "list.XLSX"
    write_mailing_list(warehouse, "sms", out)
    header, first, second = CalamineWorkbook.from_path(str(out)).get_sheet_by_index(0).to_python()
    assert first[header.index("address")] == "+639171234567"
    assert first[header.index("name")] == '\'=HYPERLINK("http://evil")'
    assert (second[header.index("lost_on")], second[header.index("sales_last_365_days")]) == (date(2024, 4, 1), -10.2)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_reasons_choose_who_is_in_it(warehouse) -> None:
    out = warehouse / "list.csv"
    assert write_mailing_list(warehouse, "sms", out, ["unmapped"]) == (1, 0)
    assert [row["customer_id"] for row in cells(out)] == ["c2"]
    with pytest.raises(UserError, match="did you mean high_price"):
        write_mailing_list(warehouse, "sms", out, ["high_prices"])


def test_refuses_other_kinds_of_file_and_missing_folders(warehouse) -> None:
    for out, told in [
        ("list.pdf", r"\.csv or \.xlsx"),
        ("nowhere/list.csv", "no folder"),
        ("list", r"\.csv or \.xlsx"),
    ]:
        with pytest.raises(UserError, match=told):
            write_mailing_list(warehouse, "sms", warehouse / out)
    assert [file.name for file in warehouse.iterdir()] == ["private.duckdb"]


def test_the_command_says_how_many_were_left_out(warehouse) -> None:
    arguments = [
        "--warehouse",
        str(warehouse),
        "--channel",
        "sms",
        "--reason",
        "high_price",
        "--out",
        str(warehouse / "list.csv"),
    ]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "1 customer written" in result.stdout and "1 left out" in result.stderr


@pytest.mark.parametrize(
    ("phone", "country", "expected"),
    [
        ("0888 123 456", "BG", "+359888123456"),
        ("00359 888/123-456", "bulgaria", "+359888123456"),
        ("(0917) 123-4567", "Philippines", "+639171234567"),
        ("8 (495) 123-45-67", "Россия", "+74951234567"),
        ("+1 (555) 010-9999", "Atlantis", "+15550109999"),
        ("415 555 2671", "USA", "+14155552671"),
        ("0888 123 456", None, None),
        ("12", "BG", None),
        ("none", "BG", None),
    ],
)
def test_phones_as_e164(phone, country, expected) -> None:
    assert e164(phone, country) == expected


def test_messengers_have_names_or_phones() -> None:
    assert address_on("viber", "ivan.petrov", "BG") == "ivan.petrov"
    assert address_on("viber", "0888 123 456", "BG") == "+359888123456"
    assert region_of(" Deutschland ") == "DE" and region_of("") is None
