"""Extracts that are made to break the loader: each is accounted for, or rejected in a sentence."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import time
import zipfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
import sqlalchemy.exc
import xlsxwriter

from orchestration.contract.segments import refuse_reserved
from orchestration.errors import UserError
from orchestration.loading import readers, worksheets
from orchestration.loading.untangling import untangle
from orchestration.refresh.session import reason
from tests.unit.delivered import Delivered

HEADER = ["invoice_id", "customer_id", "issued_at", "amount"]
ROW = ["1", "c", "2024-01-31", 1.5]


def workbook(delivered: Delivered, stray: str, sheet: str = "Data") -> Path:
    """Two rows of invoices, and one cell somewhere in `sheet`."""
    path = delivered.folder / "billing" / "invoices.xlsx"
    path.parent.mkdir(exist_ok=True)
    with xlsxwriter.Workbook(path) as book:
        data, other = book.add_worksheet("Data"), book.add_worksheet("Ä & ö")
        data.write_row(0, 0, HEADER)
        data.write_row(1, 0, ROW)
        other.write(0, 0, "note")
        (data if sheet == "Data" else other).write(stray, 1)
    return path


def rewritten(path: Path, pattern: str, replacement: str) -> None:
    """The workbook with another way of writing its first sheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet], count = re.subn(pattern.encode(), replacement.encode(), parts[sheet])
    assert count
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


class TestStrayCells:
    """A reader makes room for every cell up to the last one: 17 thousand million of them for one in the last corner."""

    @pytest.mark.parametrize(
        ("pattern", "replacement"),
        [
            ("XFD1048576", "XFD1048576"),
            (r'r="XFD1048576"', "t='n' r='XFD1048576'"),
            (r'r="XFD1048576"', 'r="&#88;FD1048576"'),
            (r'<row r="1048576"[^>]*><c r="XFD1048576"', '<row r="1048576"><c r="XFC1048576"><v>1</v></c><c'),
        ],
    )
    def test_are_named_before_the_sheet_is_read(self, delivered, pattern, replacement):
        rewritten(workbook(delivered, "XFD1048576"), pattern, replacement)
        message = delivered.refused()
        assert "billing/invoices.xlsx, sheet 'Data': its cells reach from A1 to XFD1048576" in message
        assert "Delete the stray cells" in message

    def test_in_a_sheet_that_is_not_read_do_no_harm(self, delivered):
        workbook(delivered, "XFD1048576", "Ä & ö")
        delivered.load("tables: {billing.invoices: {sheet: Data}}")
        assert len(delivered.rows("billing.invoices", "*")) == 1
        assert "sheet 'Ä & ö'" in delivered.refused("tables: {billing.invoices: {sheet: 'Ä & ö'}}")

    @pytest.mark.parametrize("cell", ['<c r="XFD1048576"/>', '<c r="XFD1048576" s="0"></c>'])
    def test_that_only_have_a_format_are_no_values(self, delivered, cell):
        rewritten(workbook(delivered, "XFD1048576"), '<c r="XFD1048576"><v>1</v></c>', cell)
        delivered.load()
        assert len(delivered.rows("billing.invoices", "*")) == 1

    def test_nearer_ones_are_read(self, delivered):
        path = workbook(delivered, "Z900")
        delivered.load()
        assert len(delivered.rows("billing.invoices", "*")) == 2
        rewritten(path, 'r="Z900"', "r='Z900'")  # parsed, for it is written in another way
        worksheets.refuse_vast(path, path.name, "Data")

    def test_an_unpacked_giant_is_rejected(self, delivered, monkeypatch):
        monkeypatch.setattr(worksheets, "MOST_BYTES", 500)
        workbook(delivered, "B2")
        assert "too large for a workbook" in delivered.refused()


@pytest.mark.parametrize("line", ['c,"",2024-01-31,""\n', 'c","c,2024-01-31,"1\n', "c,c,2024-01-31,1\n"])
def test_an_unclosed_quote_takes_a_time_that_grows_with_the_file_only(tmp_path, line):
    """Each line that the quote takes with it was looked at again for each line after it: an hour for this file."""
    source = tmp_path / "invoices.csv"
    source.write_text(",".join(HEADER) + '\n1,"c,2024-01-31,1\n' + line * 100_000, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(UserError, match=r"row 1 \(line 2\): a quote opens here"):
        untangle(source, tmp_path / "copy.csv", "billing/invoices.csv", ",", len(HEADER))
    assert time.process_time() - started < 20


def test_a_quoted_value_of_many_lines_is_one_value(tmp_path):
    source, copy = tmp_path / "notes.csv", tmp_path / "copy.csv"
    source.write_text('a,b\n1,"first ""line""\n\n "" \nlast" \n2,y\n', encoding="utf-8")
    untangle(source, copy, "notes.csv", ",", 2)
    with copy.open(encoding="utf-8", newline="") as lines:
        assert [row[4:] for row in csv.reader(lines)] == [["1", 'first "line"\n\n " \nlast'], ["2", "y"]]


GOOD = ",".join(HEADER) + "\n1,c,2024-01-31,1.5\n"
# Each line stands for four times as many values as the one before.
BOMB = "a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]" for a, b in pairwise("abcdefghijkl"))
ONE_TABLE = "tables:\n  billing.invoices:\n    files: "


class TestMapping:
    """extracts.yml may come from whoever delivers the extracts."""

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (BOMB, "more than 50,000 values"),
            ("tables: &a\n  billing.invoices: *a\n", "nested too deeply"),
            ("tables: &a [*a]\n", "nested too deeply"),
            ("tables: " + "[" * 5_000, "nested too deeply"),
            ("tables: " + "{a: " * 5_000, "nested too deeply"),
            ("\n".join(" " * i + "a:" for i in range(900)), "nested too deeply"),
            ("#" * 1_000_001, "larger than 1,000,000 bytes"),
            ('time_zone: "UTC\\0"\n', r"line 1: a value holds the character '\x00'"),
            ('time_zone: "\\ud800"\n', r"line 1: a value holds the character '\ud800'"),
            ("preset: ../../secret\n", "there is no preset '../../secret'"),
            ("preset: {a: b}\n", "there is no preset"),
            ("preset: [[a]]\n", "there is no preset"),
            ("preset:\n", "there is no preset"),
            (ONE_TABLE + "../../secret/*.csv\n", "leads further out of the extracts folder"),
            (ONE_TABLE + "billing/../../secret/x.csv\n", "leads further out of the extracts folder"),
            (ONE_TABLE + "/etc/passwd\n", "leads further out of the extracts folder"),
            (ONE_TABLE + f"'{'*' * 2_000}'\n", "too long a pattern"),
            (ONE_TABLE + "a" * 300 + "\n", "no file matches"),
            (ONE_TABLE + "'**/**/**/*.csv'\n", "more than two **"),
        ],
    )
    def test_what_would_break_the_reader_is_rejected(self, delivered, text, told):
        (delivered.root / "secret").mkdir()
        (delivered.root / "secret" / "x.csv").write_text("Marked Person\n" + GOOD)
        delivered.write("billing/invoices.csv", GOOD)
        started = time.process_time()
        message = delivered.refused(text)
        assert told in message
        assert "Marked" not in message
        assert time.process_time() - started < 20

    def test_aliases_of_ordinary_size_are_followed(self, delivered):
        delivered.write("a/invoices.csv", GOOD)
        delivered.load(
            "tables:\n  billing.invoices:\n"
            "  - {name: a, files: a/*.csv, columns: &columns {amount: {from: amount, scale: 0.01}}}\n"
            "  - {name: b, files: a/*.csv, columns: *columns}\n"
        )
        assert delivered.column("billing.invoices", "amount") == ["0.015", "0.015"]


class TestLinks:
    """What the extracts folder holds is read, and nothing else."""

    @pytest.fixture
    def secret(self, delivered) -> Path:
        folder = delivered.root / "secret"
        folder.mkdir()
        (folder / "invoices.csv").write_text("Marked Person\n" + GOOD)
        (folder / "extracts.yml").write_text("Marked: Person\n")
        return folder

    @pytest.mark.parametrize(
        ("link", "target", "mapping"),
        [
            ("billing/invoices.csv", "invoices.csv", None),
            ("billing/invoices", "", "tables: {billing.invoices: {files: 'billing/**/*.csv'}}"),
            ("billing", "", None),
            ("linked", "", "tables: {billing.invoices: {files: linked/invoices.csv}}"),
        ],
    )
    def test_that_lead_out_are_not_followed(self, delivered, secret, link, target, mapping):
        delivered.write("notes.txt", "")
        (delivered.folder / link).parent.mkdir(exist_ok=True)
        (delivered.folder / link).symlink_to(secret / target)
        message = delivered.refused(mapping)
        assert "leads out of" in message
        assert "Marked" not in message

    def test_of_the_mapping_that_lead_out_are_not_followed(self, delivered, secret):
        delivered.write("billing/invoices.csv", GOOD)
        (delivered.folder / "extracts.yml").symlink_to(secret / "extracts.yml")
        message = delivered.refused()
        assert "extracts.yml is a link that leads out of" in message
        assert "Marked" not in message

    def test_within_the_folder_are_followed(self, delivered):
        delivered.write("2024/export.csv", GOOD)
        (delivered.folder / "billing").mkdir()
        (delivered.folder / "billing" / "invoices.csv").symlink_to("../2024/export.csv")
        delivered.load()
        assert len(delivered.rows("billing.invoices", "*")) == 1


def test_a_name_that_is_not_utf8_is_told(delivered):
    delivered.write("billing/invoices.csv", GOOD)
    os.close(os.open(os.fsencode(delivered.folder) + b"/billing/invoices_\xff.csv", os.O_CREAT | os.O_WRONLY))
    assert r"billing/invoices_\udcff.csv': the name of this file is not UTF-8" in delivered.refused()


def parquet(folder: Path) -> bytes:
    path = folder / "sound.parquet"
    columns = "i::varchar as invoice_id, 'c' as customer_id, date '2024-01-31' as issued_at, 1.5 as amount"
    with duckdb.connect() as con:
        con.execute(f"copy (select {columns} from range(1000) as numbers (i)) to '{path}' (format parquet)")
    return path.read_bytes()


def test_a_damaged_parquet_file_is_named(delivered):
    """The engine has a dozen kinds of errors for it; what it reads in spite of the damage is none."""
    sound, named = parquet(delivered.root), 0
    places = [len(sound) * part // 12 for part in range(1, 12)]
    for damaged in [sound[: len(sound) // 2], *(sound[:at] + b"\xff\xfe\xfd" + sound[at + 3 :] for at in places)]:
        delivered.write("billing/invoices.parquet", damaged)
        try:
            delivered.load()
        except UserError as error:
            assert "billing/invoices.parquet is no readable Parquet file" in str(error)
            named += 1
    assert named > 5


@pytest.mark.parametrize("encoding", ["hex", "rot13", "base64", "zlib", "idna", "undefined", "no-such", "'a\\0b'"])
def test_an_encoding_that_is_none_of_text_is_rejected(delivered, encoding):
    delivered.write("billing/invoices.csv", GOOD)
    message = delivered.refused(f'tables: {{billing.invoices: {{encoding: "{encoding}"}}}}')
    assert "there is no encoding" in message or "which no text has" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "punycode"])
def test_an_encoding_that_cannot_read_the_file_is_told(delivered, encoding):
    delivered.write("billing/invoices.csv", GOOD)
    message = delivered.refused(f"tables: {{billing.invoices: {{encoding: {encoding}}}}}")
    assert f"billing/invoices.csv cannot be read as {encoding}" in message


ODD_KEYS = ['a"b', "a\\b", "a'b", "*", "/", "~", "$", "#"]


@pytest.mark.parametrize("key", ODD_KEYS)
@pytest.mark.parametrize("file", ["invoices.json", "invoices.csv"])
def test_any_name_of_a_column_is_read(delivered, key, file):
    row = dict(zip(HEADER, ROW, strict=True))
    row[key] = row.pop("customer_id")
    text = io.StringIO()
    csv.writer(text).writerows([row, row.values()])
    delivered.write(f"billing/{file}", json.dumps([row]) if file.endswith("json") else text.getvalue())
    mapped = json.dumps(key)
    delivered.load(f"tables: {{billing.invoices: {{columns: {{customer_id: {mapped}}}, where: {{{mapped}: c}}}}}}")
    assert delivered.column("billing.invoices", "customer_id") == ["c"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_name_of_an_array_is_read_or_rejected(delivered, key):
    row = dict(zip(HEADER, ROW, strict=True))
    delivered.write("billing/invoices.json", json.dumps({key: [row]}))
    mapping = f"tables: {{billing.invoices: {{records: {json.dumps(key)}}}}}"
    if key == "*":  # the engine's sign for every key
        assert "must be the keys that lead to an array" in delivered.refused(mapping)
    else:
        delivered.load(mapping)
        assert delivered.column("billing.invoices", "customer_id") == ["c"]


@pytest.mark.parametrize("name", ["invoices.json", "invoices.jsonl"])
@pytest.mark.parametrize("depth", [100, 5_000, 100_000])
def test_json_nested_to_any_depth_is_read_or_rejected(delivered, name, depth):
    row = json.dumps(dict(zip(HEADER, ROW, strict=True))).removesuffix("}")
    delivered.write(f"billing/{name}", f'{row}, "deep": {"[" * depth}{"]" * depth}}}\n' * 2)
    with suppress(UserError):
        delivered.load()
        assert delivered.con.execute("select sum(rows_read) from raw.loads").fetchone() == (2,)


def test_too_many_columns_are_rejected(delivered):
    names = [*HEADER, *(f"c{number}" for number in range(readers.MOST_COLUMNS))]
    delivered.write("billing/invoices.csv", ",".join(names) + "\n")
    assert "5,004 columns; at most 5,000 can be read" in delivered.refused()


@pytest.mark.parametrize("name", ["invoices.csv", "invoices.json", "invoices.parquet", "invoices.xlsx"])
@pytest.mark.parametrize("becomes", ["nothing", "a folder", "longer"])
def test_a_file_that_changes_or_vanishes_while_it_is_read_is_told(delivered, monkeypatch, name, becomes):
    if name.endswith("xlsx"):
        workbook(delivered, "A3")
    else:
        content = {"csv": GOOD, "json": json.dumps([dict(zip(HEADER, ROW, strict=True))])}
        delivered.write(f"billing/{name}", content.get(name.partition(".")[2]) or parquet(delivered.root))
    stages = readers.Readers.stages

    def vanished(self, rule, deliveries, problems):
        for delivery in deliveries:
            content = delivery.path.read_bytes()
            delivery.path.unlink()
            if becomes == "a folder":
                delivery.path.mkdir()
            if becomes == "longer":
                delivery.path.write_bytes(content + content)
        return stages(self, rule, deliveries, problems)

    monkeypatch.setattr(readers.Readers, "stages", vanished)
    assert f"billing/{name} changed while it was being read" in delivered.refused()


@pytest.mark.parametrize(
    ("segment", "told"),
    [
        ("all", "stands for the whole company"),
        ("*", "cannot be read by its name"),
        ('a"b', "cannot be read by its name"),
    ],
)
def test_a_segment_that_cannot_be_told_apart_is_rejected(segment, told):
    with pytest.raises(UserError, match=told):
        refuse_reserved(["country", segment])


def test_a_full_disk_in_the_run_history_is_told():
    full = sqlalchemy.exc.OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))
    assert reason(full) == "database or disk is full (Dagster's run history)"


def test_a_full_disk_at_a_commit_is_told():
    full = duckdb.TransactionException(
        'TransactionContext Error: Failed to commit: Could not write file "build.duckdb.wal": File too large'
    )
    assert reason(full) == str(full)
