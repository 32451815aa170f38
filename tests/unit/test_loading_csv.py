"""Reading CSV: encodings, compression, delimiters, malformed rows; nothing is lost and nothing is guessed."""

import gzip
import json
from functools import partial

import pytest
import zstandard

from tests.unit.delivered import Delivered

# without the time of day, which parallel workers would make different names of tests from
gzipped = partial(gzip.compress, mtime=0)
HEADER = "invoice_id,customer_id,issued_at,amount\n"
ROWS = "1,a,2024-01-31,10.50\n2,b,2024-02-29,20\n"
AMOUNTS = ["10.50", "20"]
RUSSIAN = "invoice_id;customer_id;issued_at;amount\n1;цена;2024-01-31;5\n"


def invoices(delivered: Delivered, column: str) -> list:
    return delivered.column("billing.invoices", column)


def test_plain(delivered):
    delivered.write("billing/invoices.csv", HEADER + ROWS)
    report = delivered.load()
    assert delivered.rows(
        "billing.invoices", "invoice_id, customer_id, issued_at, amount, currency, row_number, file, malformed"
    ) == [
        ("1", "a", "2024-01-31 00:00:00", "10.50", None, 1, "billing/invoices.csv", None),
        ("2", "b", "2024-02-29 00:00:00", "20", None, 2, "billing/invoices.csv", None),
    ]
    (file,) = report.files
    assert (file.rows_read, file.rows_filtered, file.rows_malformed, file.is_new) == (2, 0, 0, True)
    assert json.loads(invoices(delivered, "raw_row")[0]) == {
        "invoice_id": "1",
        "customer_id": "a",
        "issued_at": "2024-01-31",
        "amount": "10.50",
    }


@pytest.mark.parametrize(
    "name, content",
    [
        ("invoices.csv.gz", gzipped((HEADER + ROWS).encode())),
        ("invoices.csv.gz", gzipped(HEADER.encode()) + gzipped(ROWS.encode())),  # members one after the other
        ("invoices.csv.zst", zstandard.compress((HEADER + ROWS).encode())),
        ("invoices.CSV", (HEADER + ROWS).encode()),
        ("invoices.tsv", (HEADER + ROWS).replace(",", "\t").encode()),
        ("invoices.tsv.gz", gzipped((HEADER + ROWS).replace(",", "\t").encode())),
        ("invoices.csv", (HEADER + ROWS).replace(",", ";").encode()),
        ("invoices.csv", (HEADER + ROWS).replace(",", "|").encode()),
        ("invoices.csv", (HEADER + ROWS).replace("\n", "\r\n").encode()),
        ("invoices.csv", (HEADER + ROWS).replace("\n", "\r").encode()),
        ("invoices.csv", (HEADER + ROWS).replace("20\n", "20\r\n").encode()),
        ("invoices.csv", (HEADER + ROWS).rstrip().encode()),
        ("invoices.csv", (HEADER + ROWS).replace("\n", "\n\n").encode()),
        ("invoices.csv", ("\n \n" + HEADER + "   \n" + ROWS).encode()),
        ("invoices.csv", (HEADER + ROWS).encode("utf-8-sig")),
        ("invoices.csv", (HEADER + ROWS).encode("utf-16")),
        ("invoices.csv", b"\xfe\xff" + (HEADER + ROWS).encode("utf-16-be")),
        ("invoices.csv.gz", gzipped((HEADER + ROWS).encode("utf-16"))),
        ("invoices [1].csv", (HEADER + ROWS).encode()),
        ("invoices_*?.csv", (HEADER + ROWS).encode()),
        ("invoices/part {1}.csv", (HEADER + ROWS).encode()),
    ],
)
def test_the_same_rows_in_other_clothes(delivered, name, content):
    delivered.write(f"billing/{name}", content)
    report = delivered.load()
    assert invoices(delivered, "amount") == AMOUNTS
    assert invoices(delivered, "row_number") == [1, 2]
    assert (report.files[0].rows_read, report.warnings) == (2, [])


@pytest.mark.parametrize("encoding", ["windows-1251", "utf-16", "utf-16-le", "utf-16-be", "utf-8"])
def test_a_declared_encoding(delivered, encoding):
    delivered.write("billing/invoices.csv", RUSSIAN.encode(encoding))
    delivered.load(f"tables: {{billing.invoices: {{encoding: {encoding}}}}}")
    assert invoices(delivered, "customer_id") == ["цена"]


def test_latin_letters(delivered):
    delivered.write("billing/invoices.csv", RUSSIAN.replace("цена", "Müller €").encode("windows-1252"))
    delivered.load("tables: {billing.invoices: {encoding: windows-1252}}")
    assert invoices(delivered, "customer_id") == ["Müller €"]


def test_an_undeclared_encoding_is_refused_with_a_sample_in_each(delivered):
    delivered.write("billing/invoices.csv", RUSSIAN.encode("windows-1251"))
    message = delivered.refused()
    assert "billing/invoices.csv, line 2" in message and "encoding" in message
    assert all(name in message for name in ("windows-1251", "windows-1252", "latin-1")) and "цена" in message


def test_bytes_that_the_declared_encoding_does_not_know(delivered):
    text = RUSSIAN.encode("windows-1251") + b"2;\x98;2024-01-31;6\n3;c;2024-01-31;7\n"
    delivered.write("billing/invoices.csv", text)
    report = delivered.load("tables: {billing.invoices: {encoding: windows-1251}}")
    assert delivered.rows("billing.invoices", "row_number, amount, malformed") == [
        (1, "5", None),
        (2, None, "undecodable bytes"),
        (3, "7", None),
    ]
    assert json.loads(invoices(delivered, "raw_row")[1]) == {"line": r"2;\x98;2024-01-31;6"}
    assert (report.files[0].rows_read, report.files[0].rows_malformed) == (3, 1)


def test_an_undecodable_header_is_refused(delivered):
    delivered.write("billing/invoices.csv", b"invoice_id;\x98;customer_id;issued_at;amount\n1;x;a;2024-01-31;6\n")
    assert "header" in delivered.refused("tables: {billing.invoices: {encoding: windows-1251}}")


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("invoices.csv", b"", ["empty"]),
        ("invoices.csv", b"\n \n", ["empty"]),
        ("invoices.csv.gz", gzipped(b""), ["empty"]),
        ("invoices.csv", bytes(range(256)) * 20, ["binary"]),
        ("invoices.csv", b"\x01\x02\x03\x04\x05\x06\x07\x08 words", ["binary"]),
        ("invoices.csv", (HEADER + ROWS).encode("utf-16-le"), ["binary", "utf-16-le"]),
        ("invoices.csv", b"PK\x03\x04" + bytes(100), ["xlsx"]),
        ("invoices.csv", b"PAR1" + bytes(100), ["Parquet"]),
        ("invoices.csv", gzipped((HEADER + ROWS).encode()), ["gzip"]),
        ("invoices.csv.gz", gzipped((HEADER + ROWS * 999).encode())[:-20], ["cut off"]),
        ("invoices.csv.gz", (HEADER + ROWS).encode(), ["damaged"]),
        ("invoices.csv.zst", zstandard.compress((HEADER + ROWS * 999).encode())[:-3], ["cut off"]),
        ("invoices.csv.zst", (HEADER + ROWS).encode(), ["damaged"]),
        ("invoices.csv", HEADER.replace("amount", "sum").encode(), ["required", "'amount'", "sum"]),
        ("invoices.csv", HEADER.replace(",", ":").encode(), ["required", "'invoice_id'", "delimiter"]),
        ("invoices.xls", b"x", ["billing"]),
    ],
)
def test_what_cannot_be_read_is_refused(delivered, name, content, words):
    delivered.write(
        "billing/subscriptions.csv",
        "subscription_id,customer_id,started_on\n1,a,2024-01-01\n" if name != "invoices.xls" else "",
    )
    if name == "invoices.xls":
        (delivered.folder / "billing/subscriptions.csv").unlink()
    delivered.write(f"billing/{name}", content)
    message = delivered.refused()
    assert f"billing/{name}" in message or "billing table" in message
    assert all(word in message for word in words), message
    assert "Nothing was loaded" in message


def test_a_header_alone_has_no_rows(delivered):
    delivered.write("billing/invoices.csv", HEADER)
    delivered.write("billing/invoices_2.csv", HEADER.rstrip())
    report = delivered.load()
    assert [file.rows_read for file in report.files] == [0, 0]
    assert invoices(delivered, "amount") == []


def test_a_declared_delimiter_that_is_wrong_is_refused(delivered):
    delivered.write("billing/invoices.csv", HEADER + ROWS)
    message = delivered.refused("tables: {billing.invoices: {delimiter: ';'}}")
    assert "invoice_id,customer_id" in message


def test_a_delimiter_that_is_not_unique_is_refused(delivered):
    columns = "invoice_id;customer_id;issued_at;amount,x,a;b,amount\n"
    delivered.write("billing/invoices.csv", "i,c;d,amount,t\n1,2;3,4,5\n")
    mapping = (
        "tables: {billing.invoices: {columns: {invoice_id: {value: 1}, customer_id: {value: 2},"
        " issued_at: {value: 2024-01-01}, amount: {value: 3}}}}"
    )
    message = delivered.refused(mapping)
    assert "delimiter" in message and columns


def test_a_column_named_twice_is_refused_where_it_matters(delivered):
    delivered.write("billing/invoices.csv", "invoice_id,customer_id,issued_at,amount,amount\n1,a,2024-01-01,1,2\n")
    assert "two columns are named 'amount'" in delivered.refused()
    delivered.write(
        "billing/invoices.csv", "invoice_id,customer_id,issued_at,amount,note,note,,\n1,a,2024-01-01,1,2,3,4,5\n"
    )
    delivered.load()
    raw_row = json.loads(invoices(delivered, "raw_row")[0])
    assert (raw_row["note"], raw_row["note_6"], raw_row["column_7"], raw_row["column_8"]) == ("2", "3", "4", "5")


def test_header_names_that_differ_in_case_or_hold_quotes(delivered):
    delivered.write(
        "billing/invoices.csv",
        'invoice_id, customer_id ,issued_at,amount,Amount,"it\'s ""so"""\n1,a,2024-01-01,1,2,3\n',
    )
    delivered.load()
    raw_row = json.loads(invoices(delivered, "raw_row")[0])
    assert (raw_row["Amount"], raw_row['it\'s "so"'], invoices(delivered, "customer_id")) == ("2", "3", ["a"])


def test_quoted_fields(delivered):
    delivered.write(
        "billing/invoices.csv",
        'invoice_id,"customer_id",issued_at,amount\n1,"a,b\nc",2024-01-31,10\n2,"say ""hi""",2024-01-31,20\n'
        '3,5" pipe,2024-01-31,30\n4,"",2024-01-31,40\n',
    )
    delivered.load()
    assert invoices(delivered, "customer_id") == ["a,b\nc", 'say "hi"', '5" pipe', None]
    assert invoices(delivered, "row_number") == [1, 2, 3, 4]


def test_malformed_lines_stay_with_their_row_number(delivered):
    delivered.write(
        "billing/invoices.csv",
        HEADER
        + (
            '1,a,2024-01-31,10\n\n2,b,2024-01-31\n3,c,2024-01-31,30,x\n4,"d"e,2024-01-31,40\n5,"e\nf",2024-01-31,50\n'
            "6,f,2024-01-31,60,\n7,g,2024-01-31,70"
        ),
    )
    delivered.write("billing/invoices_2.csv", HEADER + ROWS)
    report = delivered.load()
    assert delivered.rows("billing.invoices", "row_number, invoice_id, malformed")[:7] == [
        (1, "1", None),
        (2, None, "3 fields instead of 4"),
        (3, None, "5 fields instead of 4"),
        (4, None, "broken quoting"),
        (5, "5", None),
        (6, None, "5 fields instead of 4"),
        (7, "7", None),
    ]
    assert json.loads(invoices(delivered, "raw_row")[3]) == {"line": '4,"d"e,2024-01-31,40'}
    assert [(file.rows_read, file.rows_malformed) for file in report.files] == [(7, 4), (2, 0)]


@pytest.mark.parametrize(
    "lines",
    [
        '500,"x,2024-01-31,10\n' + "501,y,2024-01-31,10\n" * 500,  # never closed
        '500,"x,2024-01-31,10\n501,y,2024-01-31,10\n502,"z",2024-01-31,10\n'
        + "503,y,2024-01-31,10\n" * 500,  # closed by the next quote
        '500,"x,2024-01-31,10\n501,y,2024-01-31,10\n502,"",2024-01-31,10\n503,"z",2024-01-31,9\n',
    ],
)
def test_a_quote_that_swallows_lines_is_refused_with_its_row(delivered, lines):
    delivered.write("billing/invoices.csv", HEADER + "".join(f"{i},a,2024-01-31,10\n" for i in range(1, 500)) + lines)
    message = delivered.refused()
    assert "billing/invoices.csv, row 500 (line 501)" in message and "quote" in message


def test_an_unclosed_quote_in_the_last_line_takes_nothing_with_it(delivered):
    delivered.write("billing/invoices.csv", HEADER + '1,a,2024-01-31,10\n2,"b,2024-01-31,20\n')
    delivered.load()
    assert delivered.rows("billing.invoices", "row_number, malformed") == [(1, None), (2, "broken quoting")]


def test_a_single_column(delivered):
    delivered.write("billing/invoices.csv", HEADER + ROWS)
    delivered.write("crm/employees.csv", 'employee_id\ne1\n\n"e2"\n')
    delivered.load()
    assert delivered.rows("crm.employees", "employee_id, row_number") == [("e1", 1), ("e2", 2)]


def test_all_problems_are_told_at_once(delivered):
    delivered.write("billing/invoices_1.csv", "")
    delivered.write("billing/invoices_2.csv", "x,y\n1,2\n")
    delivered.write("crm/cases.csv", b"\x00\x01")
    message = delivered.refused()
    assert all(file in message for file in ("invoices_1.csv", "invoices_2.csv", "cases.csv"))


def test_many_files_are_read_in_the_order_of_their_lines(delivered):
    for number in range(1, 30):
        rows = "".join(f"{number}-{i},a,2024-01-31,{i}\n" for i in range(1, 40))
        delivered.write(f"billing/invoices/{number}.csv", HEADER + rows + ("bad\n" if number % 7 == 0 else ""))
    report = delivered.load()
    assert [file.file for file in report.files] == [f"billing/invoices/{number}.csv" for number in range(1, 30)]
    found = delivered.rows("billing.invoices", "file, row_number, invoice_id")
    expected = [(f"billing/invoices/{n}.csv", i, f"{n}-{i}") for n in range(1, 30) for i in range(1, 40)]
    expected += [(f"billing/invoices/{n}.csv", 40, None) for n in (7, 14, 21, 28)]
    assert sorted(found, key=str) == sorted(expected, key=str)
