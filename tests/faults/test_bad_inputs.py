"""What docs/bad-inputs.md promises for each kind of bad input, tried out one by one."""

import gzip
import shutil
from pathlib import Path

import pytest
import xlsxwriter
import zstandard

from orchestration.errors import UserError
from orchestration.loading import discovery
from tests.unit.delivered import Delivered, delivered  # noqa: F401

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
HEADER = "invoice_id,customer_id,issued_at,amount\n"
GOOD = HEADER + "".join(f"{i},c,2024-01-31,{i}.5\n" for i in range(1, 1001))


def csv(*rows: str) -> str:
    return HEADER + "".join(f"{row}\n" for row in rows)


def mapping(body: str) -> str:
    return f"tables:\n  billing.invoices:\n    {body}\n"


def workbook(delivered: Delivered, **sheets: list[list[str]]) -> None:
    path = delivered.write("billing/invoices.xlsx", b"")
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                sheet.write_row(i, 0, row)


def wrong_line(line: str):
    return {"billing/invoices.csv": csv("1,c,2024-01-31,1", line, "3,c,2024-01-31,3")}


SHEET = [HEADER.strip().split(","), ["1", "c", "2024-01-31", "1"]]
# Files to write, or a function that prepares the folder.
INPUTS = {
    "missing folder": lambda delivered: shutil.rmtree(delivered.folder),
    "empty folder": {},
    "no billing table": {"crm/customers.csv": "customer_id\nc\n"},
    "file that no table takes": {"billing/invoices.csv": GOOD, "billing/other.csv": "x\n"},
    "empty file": {"billing/invoices.csv": ""},
    "header only": {"billing/invoices.csv": HEADER},
    "binary junk named .csv": {"billing/invoices.csv": bytes(range(256)) * 100},
    "workbook named .csv": {"billing/invoices.csv": b"PK\x03\x04" + bytes(500)},
    "unknown kind of file in a mapping": {"invoices.pdf": "x", "extracts.yml": mapping("files: invoices.pdf")},
    "wrong delimiter declared": {"billing/invoices.csv": GOOD, "extracts.yml": mapping("delimiter: ';'")},
    "several delimiters fit": {
        "billing/invoices.csv": "a,b;c\n1,2;3\n",
        "extracts.yml": mapping("columns: {invoice_id: {value: 1}, customer_id: {value: 2}, issued_at: {value: 2024-01-31}, amount: {value: 3}}"),
    },
    "truncated gz": {"billing/invoices.csv.gz": gzip.compress(GOOD.encode())[:-100]},
    "damaged zst": {"billing/invoices.csv.zst": zstandard.compress(GOOD.encode())[:9] + b"damage" * 99},
    "wrong encoding, none declared": {"billing/invoices.csv": csv("1,цена,2024-01-31,1").encode("windows-1251")},
    "bytes that the declared encoding lacks": {
        "billing/invoices.csv": csv("1,c,2024-01-31,1").encode() + b"2,\x98,2024-01-31,2\n3,c,2024-01-31,3\n",
        "extracts.yml": mapping("encoding: windows-1251"),
    },
    "UTF-16 BE": {"billing/invoices.csv": b"\xfe\xff" + GOOD.encode("utf-16-be")},
    "missing required column": {"billing/invoices.csv": GOOD.replace("amount", "sum")},
    "column named twice": {"billing/invoices.csv": "invoice_id,customer_id,issued_at,amount,amount\n1,c,2024-01-31,1,2\n"},
    "unknown mapping key": {"billing/invoices.csv": GOOD, "extracts.yml": mapping("dateformat: '%d.%m.%Y'")},
    "mapped column that no file has": {
        "billing/invoices.csv": GOOD.replace("amount", "amount,note").replace(".5", ".5,x"),
        "extracts.yml": mapping("columns: {status: notes}"),
    },
    "pattern that matches nothing": {"billing/invoices.csv": GOOD, "extracts.yml": mapping("files: billing/invoice.csv")},
    "mapping that is no YAML": {"billing/invoices.csv": GOOD, "extracts.yml": "tables: [\n"},
    "mapped value that occurs nowhere": {
        "billing/invoices.csv": GOOD,
        "extracts.yml": mapping("columns: {status: {from: customer_id, values: {paid: paid}, default: open}}"),
    },
    "ambiguous dates": {"billing/invoices.csv": csv("1,c,01/02/2024,1", "2,c,12/11/2024,2")},
    "dates that contradict each other": {"billing/invoices.csv": csv("1,c,31/01/2024,1", "2,c,01/31/2024,2")},
    "two-digit years": {"billing/invoices.csv": csv("1,c,31.01.2024,1", "2,c,31.01.24,2", "3,c,01.02.2024,3")},
    "`1.234` without a declared decimal": {"billing/invoices.csv": csv("1,c,2024-01-31,1.234", "2,c,2024-01-31,5")},
    "NaN for a number": wrong_line("2,c,2024-01-31,NaN"),
    "wrong number of fields": wrong_line("2,c,2024-01-31"),
    "broken quoting within a line": wrong_line('2,"c"d,2024-01-31,2'),
    "one unclosed quote among a thousand rows": {"billing/invoices.csv": GOOD.replace("\n500,c", '\n500,"c')},
    "damaged Parquet": {"billing/invoices.parquet": b"PAR1" + bytes(500)},
    "cut-off JSON": {"billing/invoices.json": '[{"invoice_id": "1", "customer_id": "c", "issued_at": "2024-01-31", "amount": 1}, {"invoice'},
    "broken line in JSON Lines": {
        "billing/invoices.jsonl": '{"invoice_id": "1", "customer_id": "c", "issued_at": "2024-01-31", "amount": 1}\n{"invoice_id": \n'
    },
    "1-column xlsx": lambda delivered: workbook(delivered, Sheet1=[["invoice_id"], ["1"]]),
    "password-protected xlsx": {"billing/invoices.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)},
    "workbook with two fitting sheets": lambda delivered: workbook(delivered, January=SHEET, February=SHEET),
    "file that grows while it is read": {"billing/invoices.csv": GOOD},
}  # fmt: skip


def documented() -> dict[str, tuple[str, str, str]]:
    rows = [line.strip("|").split("|") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return {kind.strip(): (outcome.strip(), code.strip(), words.strip()) for kind, outcome, code, words in rows[1:]}


def test_every_kind_is_documented():
    assert list(INPUTS) == list(documented())


@pytest.mark.parametrize("kind", INPUTS)
def test_bad_input_does_what_the_document_says(delivered, monkeypatch, kind):
    outcome, code, words = documented()[kind]
    prepare = INPUTS[kind]
    if callable(prepare):
        prepare(delivered)
    else:
        for file, content in prepare.items():
            delivered.write(file, content)
    if "grows" in kind:
        monkeypatch.setattr(discovery.Delivery, "changed", lambda delivery: True)

    if outcome == "refused":
        message = delivered.refused()
        assert words in message
        assert "othing was loaded" in message
        assert int(code) == UserError.exit_code
        return
    report = delivered.load()
    assert code == "0"
    if outcome == "accepted":
        assert any(words in warning for warning in report.warnings) if words else report.warnings == []
        return
    row_number, *cells = delivered.con.execute("select row_number, malformed, issued_at, amount from raw.billing__invoices order by row_number").fetchall()[1]
    assert row_number == 2 and words in cells
    assert delivered.column("billing.invoices", "malformed").count(None) + (words == cells[0]) == report.files[0].rows_read


def test_a_mapping_mended_after_the_first_refresh_takes_effect_without_touching_the_file(delivered):
    delivered.write("billing/invoices.csv", csv("1,c,31.01.2024,1", "2,c,01.02.2024,2"))
    delivered.load(mapping("date_format: '%m.%d.%Y'"))
    assert delivered.column("billing.invoices", "issued_at") == ["unreadable: 31.01.2024", "2024-01-02 00:00:00"]
    delivered.load(mapping("date_format: '%d.%m.%Y'"))
    assert delivered.column("billing.invoices", "issued_at") == ["2024-01-31 00:00:00", "2024-02-01 00:00:00"]
