"""Extracts that are made to break the loader: each is accounted for, or rejected in a sentence."""

from __future__ import annotations

import csv
import re
import time
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from orchestration.errors import UserError
from orchestration.loading import worksheets
from orchestration.loading.untangling import untangle
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
