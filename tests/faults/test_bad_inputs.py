"""What docs/bad-inputs.md promises for each kind of bad input, tried out with the commands that people run."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest
import xlsxwriter
import zstandard

from orchestration.loading import readers
from tests.churn import Done, churn
from tests.outcome import outcome_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
HEADER = "invoice_id,customer_id,issued_at,amount,currency\n"
GOOD = HEADER + "".join(f"{i},c,2024-01-31,{i}.5,EUR\n" for i in range(1, 1001))


def invoices(*rows: str) -> str:
    return HEADER + "".join(f"{row}\n" for row in rows)


def among_good(row: str) -> str:
    """Invoices of which the second is odd."""
    first, third = (f"{row.partition(',')[0]}{place},c,2024-01-31,1.5,EUR" for place in "ac")
    return invoices(first, row, third)


def mapping(body: str) -> str:
    return f"tables:\n  billing.invoices:\n    {body}\n"


def workbook(folder: Path, **sheets: list[list[str]]) -> None:
    with xlsxwriter.Workbook(folder / "billing" / "invoices.xlsx") as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                sheet.write_row(i, 0, row)


Files = dict[str, str | bytes]
SHEET = [HEADER.strip().split(","), ["1", "c", "2024-01-31", "1", "EUR"]]
# A company without a fault. Its prices are in cents, which the first mapping forgets to say.
COMPANY: Files = {
    "billing/subscriptions.csv": "subscription_id,customer_id,started_on,unit_amount,currency\n"
    + "".join(f"s{n},c{n},2024-01-{n + 10},{1000 + n},EUR\n" for n in range(10)),
    "crm/customers.csv": "customer_id,country\n" + "".join(f"c{n},BG\n" for n in range(10)),
}
TO_BE_CORRECTED = "tables:\n  billing.subscriptions: {columns: {unit_price: unit_amount}}\n"
CORRECTED = """
tables:
  billing.subscriptions: {columns: {unit_price: {from: unit_amount, scale: 0.01}}}
  billing.payments: {encoding: windows-1251}
  crm.cases: {columns: {kind: {from: kind, values: {problem: complaint, praise: request}}}}
"""

# What is rejected: files to write, or a function that prepares the folder.
REJECTED: dict[str, Files | Callable[[Path], None]] = {
    "missing folder": shutil.rmtree,
    "empty folder": {},
    "no billing table": {"crm/customers.csv": "customer_id\nc\n"},
    "empty file": {"billing/invoices.csv": ""},
    "binary junk named .csv": {"billing/invoices.csv": bytes(range(256)) * 100},
    "workbook named .csv": {"billing/invoices.csv": b"PK\x03\x04" + bytes(500)},
    "unknown kind of file in a mapping": {"invoices.pdf": "x", "extracts.yml": mapping("files: invoices.pdf")},
    "wrong delimiter declared": {"billing/invoices.csv": GOOD, "extracts.yml": mapping("delimiter: ';'")},
    "several delimiters fit": {
        "billing/invoices.csv": "a,b;c\n1,2;3\n",
        "extracts.yml": mapping(
            "columns: {invoice_id: {value: 1}, customer_id: {value: 2}, issued_at: {value: 2024-01-31},"
            " amount: {value: 3}}"
        ),
    },
    "truncated gz": {"billing/invoices.csv.gz": gzip.compress(GOOD.encode())[:-100]},
    "damaged zst": {"billing/invoices.csv.zst": zstandard.compress(GOOD.encode())[:9] + b"damage" * 99},
    "wrong encoding, none declared": {
        "billing/invoices.csv": invoices("1,цена,2024-01-31,1,EUR").encode("windows-1251")
    },
    "UTF-16 without a byte order mark": {"billing/invoices.csv": GOOD.encode("utf-16-le")},
    "missing required column": {"billing/invoices.csv": GOOD.replace("amount", "sum")},
    "column named twice": {
        "billing/invoices.csv": "invoice_id,customer_id,issued_at,amount,amount\n1,c,2024-01-31,1,2\n"
    },
    "unknown mapping key": {"billing/invoices.csv": GOOD, "extracts.yml": mapping("dateformat: '%d.%m.%Y'")},
    "mapped column that no file has": {
        "billing/invoices.csv": GOOD.replace("currency", "note"),
        "extracts.yml": mapping("columns: {status: notes}"),
    },
    "pattern that matches nothing": {
        "billing/invoices.csv": GOOD,
        "extracts.yml": mapping("files: billing/invoice.csv"),
    },
    "mapping that is not valid YAML": {"billing/invoices.csv": GOOD, "extracts.yml": "tables: [\n"},
    "ambiguous dates": {"billing/invoices.csv": invoices("1,c,01/02/2024,1,EUR", "2,c,12/11/2024,2,EUR")},
    "dates that contradict each other": {
        "billing/invoices.csv": invoices("1,c,31/01/2024,1,EUR", "2,c,01/31/2024,2,EUR")
    },
    "`1.234` without a declared decimal": {
        "billing/invoices.csv": invoices("1,c,2024-01-31,1.234,EUR", "2,c,2024-01-31,5,EUR")
    },
    "one unclosed quote among a thousand rows": {"billing/invoices.csv": GOOD.replace("\n500,c", '\n500,"c')},
    "currency without a rate": {
        "billing/invoices.csv": invoices("1,c,2024-01-31,1,usd", "2,c,2024-02-01,1,USD"),
        "extracts.yml": "reporting_currency: EUR\n",
    },
    "several currencies, none declared": {
        "billing/invoices.csv": invoices("1,c,2024-01-31,1,USD", "2,c,2024-01-31,1,EUR")
    },
    "damaged Parquet": {"billing/invoices.parquet": b"PAR1" + bytes(500)},
    "cut-off JSON": {
        "billing/invoices.json": (
            '[{"invoice_id": "1", "customer_id": "c", "issued_at": "2024-01-31", "amount": 1}, {"invoice'
        )
    },
    "1-column xlsx": lambda folder: workbook(folder, Sheet1=[["invoice_id"], ["1"]]),
    "password-protected xlsx": {"billing/invoices.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)},
    "workbook with two fitting sheets": lambda folder: workbook(folder, January=SHEET, February=SHEET),
    "file that grows while it is read": {"billing/invoices.csv": GOOD},
}
NOT_PUBLISHED: dict[str, Files] = {
    "header only, and no other billing rows": {"billing/invoices.csv": HEADER},
    "table of only bad rows": COMPANY
    | {
        "extracts.yml": TO_BE_CORRECTED,
        "billing/invoices.csv": invoices("1,c,2024-01-31,one,EUR", "2,c,soon,2,EUR", ",c,2024-01-31,3,EUR"),
    },
}
# What is accepted and what is quarantined, all in one company: kind -> file, content.
ACCEPTED = {
    "file that no table takes": ("billing/other.csv", "x\n"),
    "header only": ("billing/refunds_1.csv", "refund_id,customer_id,refunded_at,amount\n"),
    "UTF-16 BE": ("billing/invoices_utf16.csv", b"\xfe\xff" + GOOD.encode("utf-16-be")),
    "mapped value that occurs nowhere": (
        "crm/cases.csv",
        "case_id,customer_id,opened_at,kind\n1,c1,2024-02-01,problem\n",
    ),
    "mapping corrected after a first refresh": ("billing/subscriptions.csv", COMPANY["billing/subscriptions.csv"]),
}
QUARANTINED = {
    "bytes that the declared encoding lacks": (
        "billing/payments.csv",
        b"payment_id,customer_id,paid_at,amount,status\n1,c,2024-01-31,1.5,failed\n2,\x98,2024-01-31,1.5,failed\n3,c,2024-01-31,1.5,failed\n",
    ),
    "two-digit years": (
        "billing/refunds_2.csv",
        "refund_id,customer_id,refunded_at,amount\n1,c,31.01.2024,1\n2,c,31.01.24,2\n3,c,01.02.2024,3\n",
    ),
    "decimal comma that is not declared": ("billing/invoices_comma.csv", among_good('comma,c,2024-01-31,"2,5",EUR')),
    "NaN for a number": ("billing/invoices_nan.csv", among_good("nan,c,2024-01-31,NaN,EUR")),
    "value outside the list": (
        "billing/invoices_status.csv",
        "invoice_id,customer_id,issued_at,amount,status\npaid,c,2024-01-31,1.5, PAID \ndraft,c,2024-01-31,1.5,draft\n",
    ),
    "two rows of one file with one key": (
        "billing/invoices_key.csv",
        invoices("x,c,2024-01-31,1.5,EUR", "key,c,2024-01-31,1.5,EUR", "key,c,2024-01-31,2.5,EUR"),
    ),
    "wrong number of fields": ("billing/invoices_fields.csv", among_good("fields,c,2024-01-31")),
    "broken quoting within a line": ("billing/invoices_quotes.csv", among_good('quotes,"c"d,2024-01-31,2.5,EUR')),
    "broken line in JSON Lines": (
        "billing/invoices.jsonl",
        '{"invoice_id": "j", "customer_id": "c", "issued_at": "2024-01-31", "amount": 1.5}\n{"invoice_id": \n',
    ),
}


def documented() -> dict[str, tuple[str, int, int, str, str]]:
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {
        kind: (outcome, int(refresh), int(check), code.strip("`"), words)
        for kind, outcome, refresh, check, code, words in cells
    }


PROMISED = documented()


def deliver(folder: Path, files: Files) -> Path:
    for source in ("crm", "billing"):
        (folder / source).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def refresh(extracts: Path, warehouse: Path, prepare: Callable[[], None] | None = None) -> Done:
    return churn("refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", "2024-02-29", prepare=prepare)


def grow(file: Path) -> None:
    """From now on the file gains a row whenever its text has been read."""
    read = readers.plain_text

    def read_while_it_grows(*arguments):
        text = read(*arguments)
        with file.open("a") as writer:
            writer.write("g,c,2024-01-31,1,EUR\n")
        return text

    readers.plain_text = read_while_it_grows


def readers_see(warehouse: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in [warehouse / "churn.duckdb", warehouse / "private.duckdb", *(warehouse / "exports").iterdir()]
    }


def first_mrr(warehouse: Path) -> Decimal:
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        return con.execute("select sum(mrr_after) from marts.fct_mrr_movements where movement = 'new'").fetchone()[0]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A warehouse that has published the company, by the mapping that is to be corrected."""
    root = tmp_path_factory.mktemp("published")
    done = refresh(deliver(root / "extracts", COMPANY | {"extracts.yml": TO_BE_CORRECTED}), root / "warehouse")
    assert done.code == 0, done.err
    assert first_mrr(root / "warehouse") == 10 * 1000 + 45
    return root / "warehouse"


@pytest.fixture(scope="module")
def odd(tmp_path_factory, published) -> Path:
    """The company with everything that is accepted or quarantined, and its mapping corrected."""
    return deliver(
        tmp_path_factory.mktemp("odd") / "extracts",
        COMPANY | dict([*ACCEPTED.values(), *QUARANTINED.values()]) | {"extracts.yml": CORRECTED},
    )


@pytest.fixture(scope="module")
def odd_refresh(tmp_path_factory, published, odd) -> tuple[Path, Done]:
    """A warehouse that had published the company before, and how its refresh from the odd extracts ended."""
    warehouse = Path(shutil.copytree(published, tmp_path_factory.mktemp("odd") / "warehouse", symlinks=True))
    return warehouse, refresh(odd, warehouse)


@pytest.fixture(scope="module")
def odd_check(odd) -> Done:
    return churn("check", "--extracts", odd)


def test_every_kind_is_documented():
    tried = {"rejected": REJECTED, "not published": NOT_PUBLISHED, "quarantined": QUARANTINED, "accepted": ACCEPTED}
    assert {kind: outcome for outcome, kinds in tried.items() for kind in kinds} == {
        kind: outcome for kind, (outcome, *_) in PROMISED.items()
    }


@pytest.mark.parametrize("kind", [*REJECTED, *NOT_PUBLISHED])
def test_what_stops_a_refresh_changes_nothing_for_readers(tmp_path, published, kind):
    outcome, refresh_code, check_code, code, words = PROMISED[kind]
    prepare = (REJECTED | NOT_PUBLISHED)[kind]
    folder = deliver(tmp_path / "extracts", {} if callable(prepare) else prepare)
    if callable(prepare):
        prepare(folder)
    meanwhile = partial(grow, folder / "billing" / "invoices.csv") if "grows" in kind else None
    fresh = "billing" in kind  # billing that was delivered before stays
    warehouse = (
        tmp_path / "warehouse" if fresh else Path(shutil.copytree(published, tmp_path / "warehouse", symlinks=True))
    )

    done, checked = refresh(folder, warehouse, meanwhile), churn("check", "--extracts", folder, prepare=meanwhile)
    assert (done.code, done.out) == (refresh_code, ""), done.err
    assert checked.code == check_code, checked.err
    assert words in done.err and words in checked.err, done.err
    assert "Traceback" not in done.err + checked.err
    assert ("Not published" if outcome == "not published" else "othing was ") in done.err
    ended = outcome_of(warehouse)
    assert (ended["exit_code"], ended["headline"]) == (refresh_code, None)
    assert [problem["code"] for problem in ended["problems"]] == ([code] if code else [])
    if code:
        assert words in Path(ended["details"]).read_text(encoding="utf-8")
    if fresh:
        assert not (warehouse / "churn.duckdb").exists()
    else:
        assert readers_see(warehouse) == readers_see(published)
        if "currenc" not in kind and outcome == "rejected":
            with duckdb.connect(str(warehouse / "build.duckdb"), read_only=True) as con:
                assert con.execute("select distinct table_name from raw.loads order by all").fetchall() == [
                    ("billing.subscriptions",),
                    ("crm.customers",),
                ]


def test_the_refresh_goes_on_without_what_is_quarantined(odd_refresh):
    warehouse, done = odd_refresh
    assert done.code == 0, done.err
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        audit = con.execute(
            "select rows_read, rows_loaded + rows_quarantined + rows_filtered + rows_repeated from quality.load_audit"
        ).fetchall()
        assert all(read == accounted for read, accounted in audit)
        total, quarantined = con.execute(
            "select sum(rows_read), sum(rows_quarantined) from quality.load_audit"
        ).fetchone()
        assert quarantined == len(QUARANTINED)
        assert f"{total:,} read, {total - quarantined:,} loaded, {quarantined} quarantined" in done.out
    with duckdb.connect(str(warehouse / "private.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from restricted.quarantine").fetchone() == (len(QUARANTINED),)


@pytest.mark.parametrize("kind", QUARANTINED)
def test_a_bad_row_is_quarantined_whole(odd_refresh, odd_check, kind):
    _, _, check_code, _, words = PROMISED[kind]
    file, content = QUARANTINED[kind]
    with duckdb.connect(str(odd_refresh[0] / "private.duckdb"), read_only=True) as con:
        found = con.execute(
            "select row_number, reason, raw_row from restricted.quarantine where file = ?", [file]
        ).fetchall()
    assert [(number, reason) for number, reason, _ in found] == [(2, words)]
    lines = (content if isinstance(content, str) else content.decode("windows-1251", "backslashreplace")).splitlines()
    line, raw_row = lines[1 if file.endswith(".jsonl") else 2], json.loads(found[0][2])
    assert raw_row == {"line": line} if "line" in raw_row else list(raw_row.values()) == next(csv.reader([line]))
    assert odd_check.code == check_code, odd_check.err
    told = odd_check.out.split(f"{file} (")[1].splitlines()
    assert "1 quarantined" in told[0]
    assert f"1 × {words}" in told[1] or f": {words} (first in row 2)" in told[1]


@pytest.mark.parametrize("kind", ACCEPTED)
def test_what_is_merely_odd_is_accepted_and_told(odd_refresh, odd_check, kind):
    _, refresh_code, check_code, _, words = PROMISED[kind]
    file, content = ACCEPTED[kind]
    warehouse, done = odd_refresh
    assert (done.code, odd_check.code) == (refresh_code, check_code)
    assert words in done.err and words in odd_check.err
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        rows = con.execute("select rows_read, rows_loaded from quality.load_audit where file = ?", [file]).fetchall()
    records = len(content.splitlines()) - 1 if isinstance(content, str) else 1000
    assert rows == ([] if kind == "file that no table takes" else [(records, records)])


def test_a_mapping_corrected_after_the_first_refresh_takes_effect_without_touching_the_file(odd_refresh):
    assert first_mrr(odd_refresh[0]) == Decimal("100.45")
