"""JSON, Parquet and Excel: what they hold as numbers and dates needs no declaration, the rest is read like text."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter

from tests.unit.delivered import Delivered

JSON_MAPPING = """
tables:
  billing.invoices:
    files: "*.json*"
    {keys}
    columns:
      invoice_id: id
      customer_id: customer
      issued_at: {{from: created, format: epoch_s}}
      amount: {{from: total, scale: 0.01}}
"""


def invoice(number: int, **more) -> dict:
    return {"id": f"in_{number}", "customer": "c", "created": 1706745600 + number, "total": 1000 + number} | more


def invoices(delivered: Delivered, columns: str = "invoice_id, issued_at, amount, row_number") -> list[tuple]:
    return delivered.rows("billing.invoices", columns)


EXPECTED = [("in_1", "2024-02-01 00:00:01", "10.01", 1), ("in_2", "2024-02-01 00:00:02", "10.02", 2)]
TWO = [invoice(1), invoice(2)]
LINES = "\n".join(map(json.dumps, TWO))


@pytest.mark.parametrize(
    "name, text, keys",
    [
        ("a.json", json.dumps(TWO), ""),
        ("a.json", json.dumps(TWO, indent=2), ""),
        ("a.json", LINES, ""),
        ("a.jsonl", LINES + "\n\n", ""),
        ("a.jsonl", LINES.replace("\n", "\r\n"), ""),
        ("a.ndjson", LINES, ""),
        ("a.json", json.dumps({"data": TWO}), "records: data"),
        ("a.json", json.dumps({"has_more": False, "x": {"data": TWO}}, indent=1), "records: x.data"),
        ("a.json", json.dumps([{"data": TWO[:1]}, {"data": TWO[1:]}]), "records: data"),
        ("a.json", json.dumps({"pages": [{"data": []}, {"data": TWO}]}), "records: 'pages[1].data'"),
        ("a.jsonl", json.dumps({"data": TWO[:1]}) + "\n" + json.dumps({"data": TWO[1:]}), "records: data"),
    ],
)
def test_json_in_every_shape(delivered, name, text, keys):
    delivered.write(name if keys or "ndjson" not in name else "a.jsonl", text)
    delivered.load(JSON_MAPPING.format(keys=keys))
    assert invoices(delivered) == EXPECTED


def test_one_json_object_is_one_row(delivered):
    delivered.write("a.json", json.dumps({"invoice": invoice(1)}, indent=2))
    delivered.load(JSON_MAPPING.format(keys="records: invoice"))
    assert invoices(delivered) == EXPECTED[:1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_with_a_byte_order_mark(delivered, encoding):
    delivered.write("a.jsonl", LINES.encode(encoding))
    delivered.load(JSON_MAPPING.format(keys=""))
    assert invoices(delivered) == EXPECTED


def test_json_keeps_what_the_mapping_does_not_name(delivered):
    delivered.write("a.jsonl", json.dumps(invoice(1, note={"a": [1]}, vip=True)))
    report = delivered.load(JSON_MAPPING.format(keys=""))
    assert report.unmapped == {"billing.invoices": ["note", "vip"]}
    assert json.loads(invoices(delivered, "raw_row")[0][0]) == invoice(1, note={"a": [1]}, vip=True)


def test_json_paths_and_exploded_arrays(delivered):
    def subscription(name: str, *prices: str) -> dict:
        items = [{"id": f"{name}-{price}", "price": {"id": price, "cents": "1.5"}} for price in prices]
        return {"id": name, "customer": {"id": "c"}, "start": "2024-01-31", "items": {"data": items}, "dotted.key": "x"}

    delivered.write(
        "s.json", json.dumps({"data": [subscription("s1", "p1", "p2"), subscription("s2"), subscription("s3", "p3")]})
    )
    columns = (
        "subscription_id: [id, items.data.id]\n      customer_id: customer.id\n      started_on: start\n"
        "      end_reason: dotted.key\n      status: price.id\n"
    )
    mapping = (
        "tables:\n  billing.subscriptions:\n    files: s.json\n    records: data\n    EXPLODE\n    columns:\n      "
        + columns
    )
    for path in ("items.data.price.id", "items.data[0].price.id"):
        delivered.load(mapping.replace("EXPLODE", "explode: items.data") + f"      plan_id: '{path}'\n")
        assert delivered.rows(
            "billing.subscriptions", "subscription_id, customer_id, plan_id, status, end_reason, row_number"
        ) == [
            ("s1|s1-p1", "c", "p1", "p1", "x", 1),
            ("s1|s1-p2", "c", "p2", "p2", "x", 2),
            ("s3|s3-p3", "c", "p3", "p3", "x", 3),
        ]
    assert json.loads(delivered.column("billing.subscriptions", "raw_row")[1])["items"]["data"]["price"]["id"] == "p2"
    delivered.load(
        mapping.replace("      status: price.id\n", "").replace("EXPLODE", "").replace("[id, items.data.id]", "id")
        + "      plan_id: 'items.data[1].price.id'\n"
    )
    assert delivered.column("billing.subscriptions", "plan_id") == ["p2", None, None]


def test_json_lines_that_are_no_records_are_malformed(delivered):
    delivered.write("a.jsonl", "\n".join([json.dumps(invoice(1)), '{"id": "in_2', "", "[1]", json.dumps(invoice(3))]))
    report = delivered.load(JSON_MAPPING.format(keys=""))
    assert invoices(delivered, "row_number, invoice_id, malformed") == [
        (1, "in_1", None),
        (2, None, "not valid JSON"),
        (3, None, "not a JSON object"),
        (4, "in_3", None),
    ]
    assert [json.loads(raw_row) for (raw_row,) in invoices(delivered, "raw_row")[1:3]] == [
        {"line": '{"id": "in_2'},
        {"line": "[1]"},
    ]
    assert (report.files[0].rows_read, report.files[0].rows_malformed) == (4, 2)


def test_a_malformed_line_before_its_records_are_taken_out(delivered):
    delivered.write("a.jsonl", json.dumps({"data": TWO}) + '\n{"data": [\n')
    delivered.load(JSON_MAPPING.format(keys="records: data"))
    assert invoices(delivered, "row_number, invoice_id, malformed") == [
        (1, "in_1", None),
        (2, "in_2", None),
        (3, None, "not valid JSON"),
    ]


@pytest.mark.parametrize(
    "name, text, keys, words",
    [
        ("a.json", json.dumps(TWO)[:-3], "", ["not valid JSON"]),
        ("a.json", json.dumps({"data": TWO})[:-3], "records: data", ["not valid JSON"]),
        ("a.json", json.dumps({"data": TWO}), "records: dat", ["'dat'", "'data'", "line 5"]),
        ("a.json", json.dumps({"data": TWO}), "", ["'id'", "data"]),
        ("a.json", json.dumps([{"id": 1, "customer": 2, "created": 3, "totals": 4}]), "", ["'total'", "totals"]),
        ("a.json", "", "", ["empty"]),
        ("a.json", json.dumps(TWO), "explode: 'id[0]'", ["explode"]),
    ],
)
def test_json_that_is_refused(delivered, name, text, keys, words):
    delivered.write(name, text)
    message = delivered.refused(JSON_MAPPING.format(keys=keys))
    assert all(word in message for word in words), message


EXPLODED = (
    "tables:\n  billing.subscriptions:\n    files: '*.json'\n    records: data\n    explode: {explode}\n    columns:"
    " {{subscription_id: [id, {explode}.id], customer_id: c, started_on: d}}\n"
)
SUBSCRIPTION = {"id": 1, "c": "a", "d": "2024-01-01"}


@pytest.mark.parametrize(
    "found, words",
    [
        ({"items": {"data": [{"id": 1}]}, "tags": ["x"]}, "the nearest valid name is 'items.data'"),
        ({"item": {"data": "none"}, "items": {"data": []}}, "the nearest valid name is 'items.data'"),
        ({}, "there are no valid names"),
    ],
)
def test_a_list_that_no_file_has_cannot_be_exploded(delivered, found, words):
    delivered.write("a.json", json.dumps({"data": [SUBSCRIPTION | found]}))
    message = delivered.refused(EXPLODED.format(explode="item.data"))
    expected = "extracts.yml, line 5: no file of billing.subscriptions has a list 'item.data' (explode)"
    assert f"{expected}; {words}." in message


def test_some_files_may_lack_the_list_that_is_exploded(delivered):
    for text in ({"data": []}, {"data": [SUBSCRIPTION | {"items": {"data": []}}]}):  # nothing says that it is wrong
        delivered.write("a.json", json.dumps(text))
        delivered.load(EXPLODED.format(explode="items.data"))
    delivered.write("a.json", json.dumps({"data": [SUBSCRIPTION | {"items": {"data": [{"id": 1}]}}]}))
    delivered.load()
    delivered.write("b.json", json.dumps({"data": [SUBSCRIPTION]}))
    delivered.load()
    assert delivered.column("billing.subscriptions", "subscription_id") == ["1|1"]
    (delivered.folder / "a.json").unlink()
    delivered.write("b.json", json.dumps({"data": [SUBSCRIPTION, SUBSCRIPTION]}))
    delivered.load()  # a.json had it


def test_a_preset_may_explode_a_list_that_no_file_has(delivered, monkeypatch):
    from orchestration.contract import mapping

    monkeypatch.setattr(mapping, "PRESETS", delivered.root)
    (delivered.root / "vendor.yml").write_text(EXPLODED.format(explode="items.data"))
    delivered.write("a.json", json.dumps({"data": [SUBSCRIPTION]}))
    delivered.load("preset: vendor")
    assert delivered.column("billing.subscriptions", "subscription_id") == []


def test_json_without_records_has_no_rows(delivered):
    delivered.write("a.json", '{"data": []}')
    assert delivered.load(JSON_MAPPING.format(keys="records: data")).files[0].rows_read == 0
    delivered.write("a.json", "[]")
    assert delivered.load(JSON_MAPPING.format(keys="")).files[0].rows_read == 0


def test_a_filter_and_values_on_json(delivered):
    delivered.write("a.jsonl", "\n".join(json.dumps(invoice(i, paid=i % 2 == 0)) for i in range(1, 5)))
    report = delivered.load(
        JSON_MAPPING.format(keys="where: {paid: ['true']}") + "      status: {from: paid, values: {'true': paid}}\n"
    )
    assert invoices(delivered, "invoice_id, status") == [("in_2", "paid"), ("in_4", "paid")]
    assert (report.files[0].rows_read, report.files[0].rows_filtered) == (4, 2)


@pytest.mark.parametrize("folder", ["plain", "odd [name] *"])
def test_parquet(delivered, folder):
    path = delivered.folder / "billing" / "invoices" / folder / "part.parquet"
    path.parent.mkdir(parents=True)
    delivered.con.execute(
        f"""copy (select 'i' || i as invoice_id, i as customer_id,
            timestamptz '2024-03-30 22:30:00+00' + interval (i) hour as issued_at, 1.234::double as amount,
        date '2024-05-01' as paid_at, true as vip, [1, 2] as tags, 'x'::blob as status
            from range(3) t(i)) to '{path}' (format parquet)"""
    )
    delivered.load("time_zone: Europe/Sofia\ntables: {billing.invoices: {date_format: '%d.%m.%Y', decimal: ','}}")
    assert invoices(delivered, "invoice_id, customer_id, issued_at, amount, paid_at, status, row_number") == [
        ("i0", "0", "2024-03-31 00:30:00", "1.234", "2024-05-01 00:00:00", "x", 1),
        ("i1", "1", "2024-03-31 01:30:00", "1.234", "2024-05-01 00:00:00", "x", 2),
        ("i2", "2", "2024-03-31 02:30:00", "1.234", "2024-05-01 00:00:00", "x", 3),
    ]
    raw_row = json.loads(invoices(delivered, "raw_row")[0][0])
    assert (raw_row["vip"], raw_row["tags"]) == ("true", "[1,2]")


def test_parquet_text_is_read_like_any_text(delivered):
    path = delivered.folder / "invoices.parquet"
    delivered.con.execute(
        "copy (select 1 as invoice_id, 'c' as customer_id, '31/01/2024' as issued_at, '1,5' as amount)"
        f" to '{path}' (format parquet)"
    )
    delivered.load("tables: {billing.invoices: {files: '*.parquet', date_format: '%d/%m/%Y', decimal: ','}}")
    assert invoices(delivered, "issued_at, amount") == [("2024-01-31 00:00:00", "1.5")]


def test_an_instant_in_parquet_belongs_to_no_zone_but_the_companys(delivered):
    target = delivered.folder / "billing" / "invoices.parquet"
    target.parent.mkdir()
    delivered.con.execute(
        "copy (select 1 as invoice_id, 'c' as customer_id, timestamptz '2024-01-01 03:00:00+00' as issued_at,"
        f" timestamp '2024-01-01 03:00:00' as paid_at, 1 as amount) to '{target}'"
    )
    delivered.load("{time_zone: America/New_York, tables: {billing.invoices: {time_zone: Europe/Berlin}}}")
    assert invoices(delivered, "issued_at, paid_at") == [("2023-12-31 22:00:00", "2023-12-31 21:00:00")]


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", b"x" * 100])
def test_broken_parquet_is_refused(delivered, content):
    delivered.write("billing/invoices.parquet", content)
    message = delivered.refused()
    assert "billing/invoices.parquet" in message and "Parquet" in message


def test_parquet_that_is_damaged_inside_is_refused(delivered):
    path = delivered.folder / "invoices.parquet"
    delivered.con.execute(
        "copy (select 'i' || i as invoice_id, 'c' as customer_id, '2024-01-31' as issued_at,"
        f" hash(i)::varchar as amount from range(50000) t(i)) to '{path}' (format parquet)"
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 5000] = bytes(5000)
    path.write_bytes(content)
    assert "invoices.parquet" in delivered.refused("tables: {billing.invoices: {files: '*.parquet'}}")


def workbook(path: Path, **sheets: list[list]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(path, {"default_date_format": "dd.mm.yyyy"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                for j, value in enumerate(row):
                    sheet.write(i, j, value)


HEADER = ["invoice_id", "customer_id", "issued_at", "amount"]


def test_xlsx(delivered):
    rows = [
        HEADER,
        [17850, "c", date(2024, 1, 31), 1.234],
        ["007", True, datetime(2024, 1, 31, 10, 30), 5],
        [],
        ["x", "y", "2024-02-01", "49,5"],
        ["", "y", "2024-02-01", 1.05],
    ]
    workbook(delivered.folder / "billing" / "invoices.xlsx", Empty=[], Invoices=rows)
    delivered.load("tables: {billing.invoices: {decimal: ','}}")
    assert invoices(delivered, "invoice_id, customer_id, issued_at, amount, row_number") == [
        ("17850", "c", "2024-01-31 00:00:00", "1.234", 1),
        ("007", "TRUE", "2024-01-31 10:30:00", "5", 2),
        ("x", "y", "2024-02-01 00:00:00", "49.5", 3),
        (None, "y", "2024-02-01 00:00:00", "1.05", 4),
    ]
    assert json.loads(invoices(delivered, "raw_row")[0][0]) == {
        "invoice_id": "17850",
        "customer_id": "c",
        "issued_at": "2024-01-31",
        "amount": "1.234",
    }


def test_native_numbers_and_dates_are_never_ambiguous(delivered):
    workbook(delivered.folder / "billing" / "invoices.xlsx", Sheet1=[HEADER, [1, "c", date(2024, 2, 1), 1.234]])
    delivered.load()
    assert invoices(delivered, "issued_at, amount") == [("2024-02-01 00:00:00", "1.234")]
    delivered.load("tables: {billing.invoices: {date_format: '%m/%d/%Y'}}")
    assert invoices(delivered, "issued_at, amount") == [("2024-02-01 00:00:00", "1.234")]


def test_days_may_be_numbers(delivered):
    delivered.write(
        "billing/invoices.jsonl", '{"invoice_id": 1, "customer_id": "c", "issued_at": 20240201, "amount": 1}\n'
    )
    delivered.load("tables: {billing.invoices: {date_format: '%Y%m%d'}}")
    assert invoices(delivered, "issued_at") == [("2024-02-01 00:00:00",)]


def test_the_sheet_is_the_only_one_that_fits_or_the_declared_one(delivered):
    rows = [HEADER, [1, "c", date(2024, 2, 1), 10]]
    path = delivered.folder / "billing" / "invoices.xlsx"
    workbook(path, Notes=[["hello"]], Data=rows)
    delivered.load()
    assert invoices(delivered, "amount") == [("10",)]
    workbook(path, First=rows, Second=[HEADER, [2, "c", date(2024, 2, 1), 20]])
    message = delivered.refused()
    assert "sheet:" in message and "First, Second" in message
    delivered.load("tables: {billing.invoices: {sheet: Second}}")
    assert invoices(delivered, "amount") == [("10",), ("20",)]
    assert "'Second'" in delivered.refused("tables: {billing.invoices: {sheet: Secnd}}")


def test_a_pattern_leaves_out_sheets_of_another_kind_and_says_so(delivered):
    path = delivered.folder / "billing" / "invoices.xlsx"
    rows = [HEADER, [1, "c", date(2024, 2, 1), 10]]
    workbook(path, Data=rows, Notes=[["hello"]], Empty=[])
    delivered.write("billing/copy of invoices.xlsx", path.read_bytes())
    for _ in range(2):  # a later refresh looks at them again
        warnings = delivered.load("tables: {billing.invoices: {files: billing/*.xlsx, sheet: '*'}}").warnings
        assert [name for name in ("Notes", "Empty") if name not in " ".join(warnings)] == []
    assert invoices(delivered, "amount") == [("10",)]
    workbook(path, Data=[["Title"], *rows, *rows])
    assert "header_row" in delivered.refused()


def test_the_sheets_of_a_workbook_are_one_snapshot(delivered):
    def sheet(*ids: int) -> list:
        return [HEADER, *([name, "c", date(2024, 2, 1), 10] for name in ids)]

    def in_force() -> list:
        return delivered.con.execute(
            "select invoice_id from raw.billing__invoices where in_force order by all"
        ).fetchall()

    path = delivered.folder / "billing" / "invoices.xlsx"
    workbook(path, North=sheet(1), South=sheet(2))
    delivered.load("tables: {billing.invoices: {sheet: '*', delivery: snapshot}}")
    assert in_force() == [("1",), ("2",)]
    workbook(path, North=sheet(1, 3), East=sheet(4))
    delivered.load()
    assert in_force() == [("1",), ("3",), ("4",)]
    path.unlink()
    workbook(delivered.folder / "billing" / "invoices_2.xlsx", North=sheet(5), South=sheet(6))
    delivered.load()
    assert in_force() == [("5",), ("6",)]
    workbook(delivered.folder / "billing" / "invoices_3.xlsx", North=sheet(7))
    workbook(delivered.folder / "billing" / "invoices_4.xlsx", North=sheet(8))
    assert "nothing says what one snapshot is" in delivered.refused()


def test_two_columns_that_unpivot_takes_for_one_are_refused(delivered):
    delivered.write("months.csv", "Client,2024-01,2024-02,2024-01\nA,10,20,30\n")
    message = delivered.refused(
        'tables: {billing.invoices: {files: months.csv, unpivot: {columns: "20.*", name: m, value: v},'
        ' columns: {invoice_id: [Client, m], customer_id: Client, issued_at: {from: m, format: "%Y-%m"}, amount: v}}}'
    )
    assert "two columns are named '2024-01'" in message


def test_unpivot_may_name_the_columns_that_stay(delivered):
    delivered.write("months.csv", "Client,2024-01,2024-02,TOTAL\nA,10,20,30\n")
    delivered.load(
        'tables: {billing.invoices: {files: months.csv, unpivot: {columns: "(?!Client|TOTAL).+", name: m, value: v},'
        ' columns: {invoice_id: [Client, m], customer_id: Client, issued_at: {from: m, format: "%Y-%m"}, amount: v}}}'
    )
    assert invoices(delivered, "invoice_id, amount") == [("A|2024-01", "10"), ("A|2024-02", "20")]


SUBSCRIPTIONS = "subscription_id: [id, items.id], customer_id: c, started_on: d"


@pytest.mark.parametrize(
    "columns, off",
    [
        # of the whole record: off the first element as far as that goes, then the next
        ("unit_price: items.price, discount_amount: off", ["100.000000", "20.000000"]),
        # prices of the plans
        ("plan_id: items.plan, discount_amount: off", ["80.000000", "40.000000"]),
        # of each element
        ("unit_price: items.price, discount_amount: items.off", ["10", "5"]),
    ],
)
def test_what_is_waived_of_an_exploded_record_is_waived_once(delivered, columns, off):
    delivered.write("billing/plans.csv", "plan_id,price\nx,80\ny,70\n")
    elements = [{"id": 1, "price": 100, "off": 10, "plan": "x"}, {"id": 2, "price": 50, "off": 5, "plan": "y"}]
    delivered.write("s.json", json.dumps([{"id": 1, "c": "a", "d": "2024-01-01", "off": 120, "items": elements}]))
    delivered.load(
        f"tables: {{billing.subscriptions: {{files: s.json, explode: items, columns: {{{SUBSCRIPTIONS}, {columns}}}}}}}"
    )
    assert delivered.column("billing.subscriptions", "discount_amount") == off


@pytest.mark.parametrize(
    "content, word",
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "password"),
        (b"", "empty"),
        (b"not a workbook", "workbook"),
    ],
)
def test_workbooks_that_cannot_be_read(delivered, content, word):
    delivered.write("billing/invoices.xlsx", content)
    message = delivered.refused()
    assert "billing/invoices.xlsx" in message and word in message


def test_a_workbook_of_one_column_is_refused(delivered):
    workbook(delivered.folder / "billing" / "invoices.xlsx", Sheet1=[["invoice_id"], [1], [2]])
    message = delivered.refused()
    assert "'customer_id'" in message and "invoice_id" in message
    workbook(delivered.folder / "billing" / "invoices.xlsx", Sheet1=[])
    assert "no rows" in delivered.refused()
