"""Extracts by chance: rows of odd values in every format, odd mappings for them, and now and then damage to the bytes.
One seed is one folder of extracts."""

from __future__ import annotations

import csv
import gc
import gzip
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import duckdb
import xlsxwriter
import zstandard

from orchestration.contract import tables

HEADER = ["invoice_id", "customer_id", "issued_at", "amount", "currency"]
NAMES = [*HEADER, "status", "note", "", " ", "a.b", 'a"b', "a'b", "a\\b", "*", "$", "[0]", "цена", "x" * 300, "\u200b"]
TEXTS = [
    *("", " ", "c", "c1", "null", "NULL", "-", "a;b", "a,b", 'a"b', "a\nb", "\r", "\t", "'; drop table x; --", "=1+1"),
    *("Иван", "日本", "e\u0301", "\u202e", "\ufeff", "\U0010ffff", "\uffff", "\ufffe", "\x7f", "\x1b[31m", "x" * 5_000),
]
DAYS = [
    *("2024-01-31", "31.01.2024", "01/31/2024", "2024-01-31T12:00:00Z", "2024-01-31 12:00:00.123456+05:30", "soon"),
    *("2024-02-30", "9999-12-31", "0001-01-01", "294247-01-10", "1706745600", "45322", "31 января 2024 г.", "24:00"),
]
NUMBERS = [
    *("1", "1.5", "1,5", "1.234", "1 234,56", "1'234.56", "$1", "1 EUR", "(200.00)", "99.00-", "5%", "NaN", "inf"),
    *("1e400", "1e-400", "9" * 40, "-" + "9" * 20, "0." + "1" * 60, "0x10", "²", "٣", "--1", "+", "1" + "0" * 3_000),
]
CURRENCIES = ["EUR", "usd", "лв.", "", "XXX", "E"]
COLUMNS = {"issued_at": DAYS, "amount": NUMBERS, "currency": CURRENCIES}
FORMATS = ("csv", "tsv", "txt", "json", "jsonl", "xlsx", "parquet", "csv.gz", "csv.zst", "jsonl.gz", "json.zst")
ENCODINGS = (*["utf-8"] * 20, "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "windows-1251", "latin-1")
VALUES = [
    "utf-16",
    "utf-7",
    "unicode_escape",
    "hex",
    "a",
    "true",
    "1",
    "-1",
    "%Y-%m-%d",
    "%",
    "**",
    "../x",
    "[",
    "(",
    "*",
    "amount",
    "now",
    "none",
]
KEYS = {
    "mapping": ["encoding", "delimiter", "decimal", "date_format", "date_language", "time_zone", "header_row", "sheet"],
    "shape": [
        "records",
        "explode",
        "fill_down",
        "empty",
        "key_prefix",
        "delivery",
        "snapshot",
        "status_means",
        "files",
    ],
    "column": ["from", "first_of", "value", "default", "format", "scale", "add", "normalise", "pseudonym", "optional"],
}


@dataclass(frozen=True)
class Shape:
    """A table that is delivered: the columns of its files, and of each the usual value and the odd ones."""

    table: str
    usual: dict[str, str]
    odd: dict[str, list[str]]


INVOICES = Shape("billing.invoices", dict(zip(HEADER, ["i{}", "c", "2024-01-31", "1.5", "EUR"], strict=True)), COLUMNS)


def shape_of(table: str) -> Shape:
    """A table of the contract with all its columns."""
    usual, odd = {}, {}
    for column in tables.contract()[table].columns.values():
        usual[column.name] = "i{}" if column.key else "c"
        if column.type in tables.DATES:
            usual[column.name], odd[column.name] = "2024-01-31", DAYS
        elif column.type in tables.NUMBERS:
            usual[column.name], odd[column.name] = "1", NUMBERS
        elif column.type == "currency":
            usual[column.name], odd[column.name] = "EUR", CURRENCIES
    return Shape(table, usual, odd)


def write_extracts(folder: Path, seed: int, shape: Shape = INVOICES) -> None:
    """Write the extracts of a seed."""
    chance = Random(seed)
    source, _, name = shape.table.partition(".")
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        kind = chance.choice(FORMATS)
        path = folder / source / f"{name}{chance.choice(['', '_2024-01', ' [1]', '_é'])}.{kind}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_damaged(chance, _file(chance, kind, shape)))
    if chance.random() < 0.35:
        (folder / "extracts.yml").write_bytes(_damaged(chance, _mapping(chance, shape).encode(), 0.05))


def _rows(chance: Random, shape: Shape) -> tuple[list[str], list[list[str]]]:
    header = list(shape.usual)
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        header.insert(chance.randrange(len(header) + 1), chance.choice(NAMES))
    if chance.random() < 0.1:
        header.pop(chance.randrange(len(header)))
    odd = chance.choice([0, 0, 0.03, 0.3])

    def cell(name: str, number: int) -> str:
        if chance.random() < odd:
            return chance.choice(shape.odd.get(name, TEXTS))
        return shape.usual.get(name, "c").format(number)

    rows = [[cell(name, number) for name in header] for number in range(chance.choice([0, 1, 2, 5, 40]))]
    if rows and chance.random() < 0.2:
        row = chance.choice(rows)
        row += ["x"] if chance.random() < 0.5 else []
        row[:] = row[: chance.randrange(len(row) + 1)]
    return header, rows


def _file(chance: Random, kind: str, shape: Shape) -> bytes:
    header, rows = _rows(chance, shape)
    form, _, compression = kind.partition(".")
    if form == "xlsx":
        return _xlsx(chance, header, rows)
    if form == "parquet":
        return _parquet(header, rows, shape)
    text = _json(chance, form, header, rows) if form.startswith("json") else _csv(chance, form, header, rows)
    content = text.encode(chance.choice(ENCODINGS), "replace")
    return {"gz": gzip.compress, "zst": zstandard.compress}.get(compression, bytes)(content)


def _csv(chance: Random, form: str, header: list[str], rows: list[list[str]]) -> str:
    output = io.StringIO()
    delimiter = "\t" if form == "tsv" else chance.choice(",,,;|\t")
    ending = chance.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(output, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    writer.writerows([["Export of", "today"]] * chance.choice([0, 0, 0, 1, 3]))
    writer.writerow(header)
    writer.writerows(rows)
    text = output.getvalue()
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(['"', '""', "'", delimiter, "\n", "\r", "\0", "\\", '"\n']) + text[at:]
    return text


def _json(chance: Random, form: str, header: list[str], rows: list[list[str]]) -> str:
    def value(text: str) -> object:
        others = [text, text, text, 1, 1.5, 10**30, True, None, [], {}, [{"id": text}], {"id": text}, "\ud800"]
        return chance.choice(others) if chance.random() < 0.1 else text

    records: list[object] = [{name: value(cell) for name, cell in zip(header, row, strict=False)} for row in rows]
    for _ in range(chance.choice([0, 0, 0, 1])):
        records.insert(0, chance.choice([None, 1, "x", [], {}, [{}]]))
    if form == "jsonl":
        return "\n".join(map(json.dumps, records))
    document = chance.choice([records, records, {"data": records}, {"a": {"b": records}}, records[:1], None, ""])
    text = json.dumps(document, indent=chance.choice([None, 1]), ensure_ascii=chance.random() < 0.5)
    depth = chance.choice([0] * 20 + [100, 3_000])
    text = text.replace('"c"', "[" * depth + "]" * depth, 1) if depth else text
    text = text.replace('"1.5"', "1" + "0" * 5_000, 1) if chance.random() < 0.02 else text
    return text.replace("\ud800", "\\ud800")


def _xlsx(chance: Random, header: list[str], rows: list[list[str]]) -> bytes:
    output = io.BytesIO()
    with xlsxwriter.Workbook(output, {"in_memory": True, "strings_to_numbers": chance.random() < 0.5}) as book:
        for _ in range(chance.choice([1, 1, 2])):
            sheet = book.add_worksheet()
            for number, row in enumerate([header, *rows], chance.choice([0, 0, 3])):
                for column, cell in enumerate(row):
                    sheet.write(number, column, cell[:100])
        if is_far := chance.random() < 0.1:
            sheet.write(chance.choice(["XFD1", "A1048576", "XFD1048576", "AAA9000"]), 1)
    if is_far:  # 130 MB in a circle of objects, which would count as the loader's
        del book, sheet
        gc.collect()
    return output.getvalue()


def _parquet(header: list[str], rows: list[list[str]], shape: Shape) -> bytes:
    names = ", ".join('"' + f"{name}_{number}".replace('"', '""') + '" varchar' for number, name in enumerate(header))
    for name in shape.usual:
        for number, given in enumerate(header):
            if given == name:
                names = names.replace(f'"{name}_{number}"', f'"{name}"', 1)
                break
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as con:
        path = Path(folder, "rows.parquet")
        con.execute(f"create table rows ({names})")
        whole = [[*row, *[None] * len(header)][: len(header)] for row in rows]
        if whole:
            con.executemany(f"insert into rows values ({', '.join('?' * len(header))})", whole)
        con.execute(f"copy rows to '{path}' (format parquet)")
        return path.read_bytes()


def _mapping(chance: Random, shape: Shape) -> str:
    def value() -> object:
        plain = chance.choice(VALUES)
        return chance.choice(
            [plain, plain, plain, [plain, chance.choice(VALUES)], {plain: chance.choice(VALUES)}, None]
        )

    table: dict[str, object] = {}
    for _ in range(chance.choice([0, 1, 1, 2])):
        table[chance.choice(KEYS["mapping"] + KEYS["shape"])] = value()
    if chance.random() < 0.5:
        columns = {name: chance.choice(NAMES) for name in chance.sample(list(shape.usual), 2)}
        odd = {chance.choice(KEYS["column"]): value() for _ in range(2)}
        table["columns"] = columns | ({chance.choice(list(shape.usual)): odd} if chance.random() < 0.5 else {})
    if chance.random() < 0.2:
        table["where"] = {chance.choice(NAMES): value()}
    if chance.random() < 0.1:
        table["unpivot"] = {"columns": chance.choice(VALUES), "name": "status", "value": "amount"}
    tree: dict[str, object] = {"tables": {shape.table: chance.choice([table, table, [table, table]])}}
    if chance.random() < 0.3:
        tree[chance.choice(["time_zone", "reporting_currency", "preset", "policies", "tables"])] = value()
    text = json.dumps(tree, ensure_ascii=False)  # which is YAML, too
    if chance.random() < 0.05:
        text = text.replace('"tables": ', '"tables": &tables ', 1)[:-1] + f', "{chance.choice(NAMES[:5])}": *tables}}'
    return text


def _damaged(chance: Random, content: bytes, probability: float = 0.15) -> bytes:
    if not content or chance.random() > probability:
        return content
    at = chance.randrange(len(content))
    some = bytes(chance.randrange(256) for _ in range(chance.choice([1, 4, 50])))
    return chance.choice(
        [content[:at], content[:at] + some + content[at:], content[:at] + some + content[at + len(some) :], content * 2]
    )
