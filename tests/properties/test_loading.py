"""Whatever text a file holds, its records come out as they went in,
wherever the blocks end and however it is encoded."""

import csv
import io
import json
import tempfile
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.loading import decoding, readings
from orchestration.loading.decoding import RecordCount
from orchestration.loading.untangling import untangle
from tests.unit.delivered import Delivered

# what trips CSV readers, and letters of several bytes
CELLS = st.text(st.sampled_from(list("ab1,;|\t\"'\r\n .\\é€ц")), max_size=6)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8))


def written(rows: list[list[str]], delimiter: str, terminator: str, quoting: int) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=terminator, quoting=quoting).writerows(rows)
    return text.getvalue()


@given(
    TABLES,
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.integers(1, 9),
)
@settings(max_examples=200, deadline=None)
def test_the_count_of_records_does_not_depend_on_blocks(rows, delimiter, terminator, quoting, size):
    text = written([["head"] * len(rows[0]), *rows] if rows else [["head"]], delimiter, terminator, quoting).encode()
    whole, parts = RecordCount(), RecordCount()
    whole.feed(text)
    for start in range(0, len(text), size):
        parts.feed(text[start : start + size])
    whole.close()
    parts.close()
    assert whole == parts
    assert not whole.inside
    if quoting == csv.QUOTE_ALL:
        assert whole.records == len(rows) + 1
        assert whole.delimiters[delimiter] == whole.records * (len(rows[0]) - 1 if rows else 0)


@given(st.lists(st.text(st.sampled_from([*readings.MARGIN, *"a ц'\v\u2028"]), max_size=5), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_cells_lose_the_blanks_around_them_and_no_others(cells):
    with duckdb.connect() as con:
        con.execute(
            "create table cells as select unnest(?::varchar[]) as cell, unnest(range(?)) as n", [cells, len(cells)]
        )
        constants = ", ".join(map(readings.trimmed_constant, cells))
        found = con.execute(
            f"select {readings.trimmed('cell')}, ([{constants}])[n + 1], {readings.trimmed('null::varchar')}"
            " from cells order by n"
        ).fetchall()
    expected = [cell.strip(readings.MARGIN) or None for cell in cells]
    assert found == [(text, text, None) for text in expected]


@given(TABLES, st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=200, deadline=None)
def test_untangled_records_are_those_that_were_written(rows, delimiter, terminator):
    width = len(rows[0]) if rows else 1
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_text(
            written([["head"] * width, *rows], delimiter, terminator, csv.QUOTE_ALL), encoding="utf-8", newline=""
        )
        untangle(source, target, "source", delimiter, width)
        with target.open(encoding="utf-8", newline="") as lines:
            assert list(csv.reader(lines)) == [[str(number), "", "", "", *row] for number, row in enumerate(rows, 1)]


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    st.sampled_from([(",", "\n"), (";", "\r\n"), ("\t", "\n")]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1251"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from([5, 1 << 20]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_raw_rows_are_the_cells_as_delivered(rows, dialect, encoding, quoting, block):
    rows = [[cell.encode(encoding, "ignore").decode(encoding) for cell in row] for row in rows]
    if quoting == csv.QUOTE_MINIMAL:  # Python leaves a lone return unquoted, where it is a line break
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    header = ["invoice_id", "customer_id", "issued_at", "amount", "a", "b", "c"]
    records = [[f"i{number}", "c", "2024-01-31", "1", *row] for number, row in enumerate(rows, 1)]
    decoding.BLOCK, usual = block, decoding.BLOCK
    try:
        with tempfile.TemporaryDirectory() as folder:
            delivered = Delivered(Path(folder))
            delivered.write("billing/invoices.csv", written([header, *records], *dialect, quoting).encode(encoding))
            delivered.load(
                "tables: {billing.invoices: {encoding: windows-1251}}" if encoding == "windows-1251" else None
            )
            found = [
                [json.loads(raw_row)[name] or "" for name in header]
                for raw_row in delivered.column("billing.invoices", "raw_row")
            ]
            assert found == records
            assert delivered.column("billing.invoices", "row_number") == list(range(1, len(records) + 1))
    finally:
        decoding.BLOCK = usual
