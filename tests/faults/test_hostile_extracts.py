"""Extracts that are made to break the loader: each is accounted for, or rejected in a sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
import sqlite3
import time
import tracemalloc
import zipfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
import python_calamine
import sqlalchemy.exc
import xlsxwriter
import zstandard

from orchestration.cli import cli
from orchestration.contract.mapping import SourceRule, load_mapping
from orchestration.contract.patterns import DAY_PARTS, full_matches
from orchestration.contract.segments import refuse_reserved
from orchestration.contract.tables import contract
from orchestration.errors import UserError
from orchestration.loading import decoding, readers, untangling, worksheets
from orchestration.loading.decoding import RecordCount
from orchestration.loading.discovery import Delivery, find_extracts, readable_files, snapshot_of
from orchestration.loading.samples import samples
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


class TestManyTexts:
    """Opening a workbook makes room for every text that its cells share: 36 million, 1.5 MB when packed, take 2 GB."""

    @pytest.fixture
    def unopened(self, monkeypatch):
        class Never:
            @staticmethod
            def from_path(path):
                raise AssertionError(f"{path} was opened")

        monkeypatch.setattr(python_calamine, "CalamineWorkbook", Never)

    @pytest.mark.parametrize(
        "mapping", [None, "tables: {billing.invoices: {files: billing/*, sheet: '*'}}"], ids=["read", "sheets listed"]
    )
    def test_are_counted_before_it_is_opened(self, delivered, unopened, monkeypatch, mapping):
        monkeypatch.setattr(worksheets, "MOST_TEXTS", 3)
        workbook(delivered, "B2")
        assert "billing/invoices.xlsx holds more than 3 different texts" in delivered.refused(mapping)

    def test_are_counted_before_init_opens_it(self, delivered, unopened, monkeypatch):
        monkeypatch.setattr(worksheets, "MOST_TEXTS", 3)
        workbook(delivered, "B2")
        [delivery] = readable_files(delivered.folder)
        assert list(samples(delivery, delivered.root)) == []

    @pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"])
    def test_parts_that_are_read_whole_are_measured_before(self, delivered, unopened, monkeypatch, part):
        monkeypatch.setitem(worksheets._READ_WHOLE, part.lower().removeprefix("xl/"), 50)
        workbook(delivered, "B2")
        assert "billing/invoices.xlsx is too large for a workbook" in delivered.refused()

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("xl/sharedStrings.xml", b"<x:si><x:t>a</x:t></x:si>"),
            ("xl/sharedStrings.xml", b"<si/>"),
            ("XL\\SharedStrings.XML", b"<si><t>a</t></si>"),
            ("elsewhere/sharedStrings.xml", b"<si >\n</si>"),
        ],
    )
    def test_are_counted_however_they_are_written(self, tmp_path, monkeypatch, name, text):
        monkeypatch.setattr(worksheets, "_BLOCK", 100)  # so that texts lie across two blocks
        path, content = tmp_path / "book.xlsx", text * 1_000 + b"</sst>"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        # what the archive states is less than what is in it
        path.write_bytes(path.read_bytes().replace(len(content).to_bytes(4, "little"), b"\1\0\0\0"))
        for most, message in [(999, "more than 999 different texts"), (1_000, "not a valid workbook")]:
            monkeypatch.setattr(worksheets, "MOST_TEXTS", most)
            with pytest.raises(UserError, match=message):
                worksheets.open_workbook(path, "book.xlsx")


@pytest.mark.parametrize("line", ['c,"",2024-01-31,""\n', 'c","c,2024-01-31,"1\n', "c,c,2024-01-31,1\n"])
def test_an_unclosed_quote_takes_a_time_that_grows_with_the_file_only(tmp_path, line):
    """Each line that the quote takes with it was looked at again for each line after it: an hour for this file."""
    source = tmp_path / "invoices.csv"
    source.write_text(",".join(HEADER) + '\n1,"c,2024-01-31,1\n' + line * 100_000, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(UserError, match=r"row 1 \(line 2\): a quote opens here"):
        untangle(source, tmp_path / "copy.csv", "billing/invoices.csv", ",", len(HEADER))
    assert time.process_time() - started < 20


def test_an_unclosed_quote_keeps_no_more_in_memory_than_a_line_may_have(tmp_path, monkeypatch):
    """All lines after it were kept until the end of the file, however large it is."""
    monkeypatch.setattr(untangling, "LONGEST_LINE", 1 << 20)
    source = tmp_path / "invoices.csv"
    source.write_text(",".join(HEADER) + '\n1,"c,2024-01-31,1\n' + "c,c,2024-01-31,1\n" * 1_000_000, encoding="utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"row 1 \(line 2\): a quote opens here"):
            untangle(source, tmp_path / "copy.csv", "billing/invoices.csv", ",", len(HEADER))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_line_without_an_end_takes_a_time_that_grows_with_it_only():
    """All that was read of it was copied again for each block: ten minutes for 1 GB of JSON, or of returns."""
    count = RecordCount()
    started = time.process_time()
    for _ in range(30_000):
        count.feed(b"1,c,2024-01-31," * 60 + b"\r")
    count.close()
    assert time.process_time() - started < 20
    assert (count.records, count.delimiters[","], count.irregular) == (1, 30_000 * 180, True)


def packed(delivered: Delivered, file: str, text: bytes) -> Delivery:
    compress = {"gz": gzip.compress, "zst": zstandard.compress}.get(file.rpartition(".")[2], bytes)
    delivered.write(f"billing/{file}", compress(text))
    [delivery] = find_extracts(delivered.folder, load_mapping(delivered.folder)).deliveries
    return delivery


@pytest.mark.parametrize("file", ["invoices.csv.gz", "invoices.csv.zst", "invoices.json.zst"])
def test_a_small_archive_of_much_text_does_not_take_all_memory(delivered, file):
    """A block of it was all that a megabyte holds: of zstd, 8 GB."""
    line = b"1,c,2024-01-31,1.5\n" if "csv" in file else b"{},"
    text = line * ((64 << 20) // len(line))
    delivery = packed(delivered, file, text)
    tracemalloc.start()
    try:
        plain = decoding.plain_text(delivery, None, delivered.root)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert plain.path.read_bytes() == text
    assert plain.count.records == (text.count(b"\n") if "csv" in file else 0)


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("zst", zstandard.compress)])
def test_zeros_after_the_archives_in_a_file_are_padding_and_in_between_damage(delivered, suffix, compress):
    header, row = GOOD.encode().splitlines(keepends=True)
    file = f"billing/invoices.csv.{suffix}"
    delivered.write(file, compress(header) + compress(row) + bytes(2_000))
    delivered.load()
    assert len(delivered.rows("billing.invoices", "*")) == 1
    delivered.write(file, compress(header) + bytes(2_000) + compress(row))
    assert f"{file} is damaged" in delivered.refused()


def test_an_endless_line_of_csv_is_rejected_before_a_reader_takes_it_whole(delivered, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK", 10)
    monkeypatch.setattr(decoding, "LONGEST_LINE", 100)
    delivered.write("billing/invoices.csv", GOOD + "2,c,2024-01-31,1" + "0" * 1_000)
    assert "billing/invoices.csv, line 3: longer than 100 bytes, so it cannot be read" in delivered.refused()
    delivered.write("billing/invoices.csv", (GOOD + "2,c,2024-01-31,1\n" * 50).replace("\n", "\r"))
    delivered.load()
    assert len(delivered.rows("billing.invoices", "*")) == 51


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


class TestPatterns:
    """A pattern of the mapping takes a time that grows with what it is matched with only."""

    def test_of_columns_does_not_try_every_way_to_match(self, delivered):
        """(a+)+b tried all ways to cut forty letters into pieces: hours."""
        delivered.write("wide.csv", f"Client,{'a' * 40},{'a' * 5}b\nA,10,20\n")
        started = time.process_time()
        delivered.load(
            'tables: {billing.invoices: {files: wide.csv, unpivot: {columns: "(a+)+b", name: m, value: v},'
            " columns: {invoice_id: [Client, m], customer_id: Client, issued_at: {value: 2024-01-31}, amount: v}}}"
        )
        assert time.process_time() - started < 20
        assert delivered.column("billing.invoices", "invoice_id") == ["A|aaaaab"]

    @pytest.mark.parametrize(
        ("columns", "told"),
        [
            ("(a)\\1", "invalid escape"),
            ("a(?!b)", "(?!"),
            ("(?!a)b|c", "(?!"),
            ("\\w+", "[\\pL\\pN_]"),
            ("(", "missing )"),
        ],
    )
    def test_of_columns_that_the_engine_reads_otherwise_are_rejected(self, delivered, columns, told):
        delivered.write("billing/invoices.csv", GOOD)
        message = delivered.refused(
            f"tables: {{billing.invoices: {{unpivot: {{columns: {json.dumps(columns)}, name: m, value: v}}}}}}"
        )
        assert f"'{columns}' is not a pattern: " in message
        assert told in message.partition("is not a pattern")[2]

    def test_of_columns_may_leave_out_those_that_begin_so(self):
        names = ["Client", "TOTAL 2", "January", "a\\w"]
        assert full_matches("(?!(Client|TOTAL)$).+", names) == {"TOTAL 2", "January", "a\\w"}
        assert full_matches(r"(?!\)|T).+", names) == {"Client", "January", "a\\w"}
        assert full_matches(r"a\\w", names) == {"a\\w"}

    @pytest.mark.parametrize(
        ("snapshot", "told"),
        [
            ("%Y%m" + "%A" * 20 + "Z", "has %A more than once"),
            ("%Y-%m-%Y", "has %Y more than once"),
            ("%Y%m%Z", "has %Z, which is no part of a day"),
            ("%Y-%m-%-d", "has %-, which is no part of a day"),
            ("%Y-%m%", "has %, which is no part of a day"),
        ],
    )
    def test_of_a_day_has_each_part_once(self, delivered, snapshot, told):
        """Twenty times "anything" side by side tried all ways to share a name among them."""
        delivered.write("billing/invoices.csv", GOOD)
        message = delivered.refused(
            f"tables: {{billing.invoices: {{files: billing/*, delivery: snapshot, snapshot: '{snapshot}'}}}}"
        )
        assert f"'{snapshot}' {told}" in message

    def test_of_a_day_with_every_part_is_found_at_once(self):
        rule = SourceRule(contract()["billing.invoices"], delivery="snapshot", snapshot="".join(DAY_PARTS) + "Z")
        started = time.process_time()
        assert all(snapshot_of(rule, stem * 60) is None for stem in ("May", "2024", "Sunday", "20240131"))
        assert time.process_time() - started < 5
        named = SourceRule(rule.table, delivery="snapshot", snapshot="%A, %d %B %Y (%m)")
        assert snapshot_of(named, "lists/wednesday, 31 JANUARY 2024 (01).csv") == "2024-01-31"


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


@pytest.mark.parametrize(
    "command",
    [
        "refresh --extracts ODD --warehouse warehouse",
        "refresh --extracts extracts --warehouse ODD",
        "check --extracts ODD",
        "init --extracts ODD",
        "export --warehouse ODD --xlsx out.xlsx",
    ],
)
def test_a_folder_that_is_not_utf8_is_told(delivered, command):
    delivered.write("billing/invoices.csv", GOOD)
    odd = Path(os.fsdecode(os.fsencode(delivered.root) + b"/dir\xff"))
    shutil.copytree(delivered.folder, odd)
    places = {"ODD": odd, "extracts": delivered.folder, "warehouse": delivered.root / "warehouse"}
    with pytest.raises(UserError, match=r"dir\\udcff': the name of this folder is not UTF-8"):
        cli([str(places.get(word, word)) for word in command.split()], standalone_mode=False)
    assert sorted(path.name for path in odd.iterdir()) == ["billing"]


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
            assert "billing/invoices.parquet is not a valid Parquet file" in str(error)
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


@pytest.mark.parametrize(
    ("encoding", "half"), [("utf-7", "+2AA-"), ("unicode_escape", r"\ud800"), ("raw_unicode_escape", r"\ud800")]
)
def test_an_encoding_that_gives_half_a_character_is_told(delivered, encoding, half):
    delivered.write("billing/invoices.csv", GOOD.replace("c,", f"{half},"))
    message = delivered.refused(f"tables: {{billing.invoices: {{encoding: {encoding}}}}}")
    assert f"billing/invoices.csv cannot be read as {encoding.replace('_', '-')}" in message.replace("_", "-")


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
