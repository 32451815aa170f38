"""What a file looks like at its beginning, before anything is declared about it: for `churn init`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb

from orchestration.contract.mapping import DELIMITERS
from orchestration.errors import UserError
from orchestration.loading.decoding import CANDIDATES, UNDECODABLE, plain_text
from orchestration.loading.discovery import Delivery
from orchestration.loading.readers import HEADER_ROWS
from orchestration.loading.readings import quote
from orchestration.loading.worksheets import open_workbook, refuse_vast

ROWS = 200
# Of a JSON document that is not in lines, in characters: Python takes ten times the room for what it says.
LONGEST_DOCUMENT = 200_000_000
_JSON = json.JSONDecoder(parse_int=str)  # as delivered: of 4,300 digits Python makes no number


@dataclass(frozen=True)
class Sample:
    """The first rows of a file, by possible header row, and what must be declared to read it so.

    Of a file of objects (`records`: the array in it) or columns the header is certain, and the only row."""

    rows: list[list[str]]
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    records: str | None = None
    is_certain: bool = False


def samples(delivery: Delivery, scratch: Path) -> Iterator[Sample]:
    """Each way to look at a file: by delimiter, sheet or array. A file that can't be read gives none."""
    read = {"csv": _csv, "xlsx": _xlsx, "json": _json, "parquet": _parquet}[delivery.format]
    try:
        yield from read(delivery, scratch)
    except (UserError, csv.Error, ValueError, RecursionError, duckdb.Error):
        return


def _csv(delivery: Delivery, scratch: Path) -> Iterator[Sample]:
    encoding = None
    try:
        text = plain_text(delivery, None, scratch)
    except UserError:
        encoding = _encoding(delivery, scratch)
        text = plain_text(delivery, encoding, scratch)
    for delimiter in dict.fromkeys(DELIMITERS.values()):
        with text.path.open(encoding="utf-8", newline="") as lines:
            rows = list(islice((row for row in csv.reader(lines, delimiter=delimiter) if any(row)), ROWS))
        if rows and max(map(len, rows)) > 1:
            yield Sample(rows, encoding, delimiter)


def _encoding(delivery: Delivery, scratch: Path) -> str:
    """The encoding under which a text that is no UTF-8 has letters: Cyrillic ones, else those of the West."""
    with plain_text(delivery, CANDIDATES[0], scratch).path.open(encoding="utf-8") as text:
        letters = re.findall(r"[^\W\d_]", text.read(100_000).replace(UNDECODABLE, ""))
    beyond_ascii = [letter for letter in letters if not letter.isascii()]
    small = sum(letter.islower() for letter in beyond_ascii)
    # Western accents read as Cyrillic are single letters among Latin ones
    is_cyrillic = len(beyond_ascii) * 4 > len(letters) and small * 2 > len(beyond_ascii)
    return CANDIDATES[0] if is_cyrillic else CANDIDATES[1]


def _xlsx(delivery: Delivery, scratch: Path) -> Iterator[Sample]:
    from python_calamine import CalamineError

    workbook = open_workbook(delivery.path, delivery.file)
    try:
        for name in workbook.sheet_names:
            refuse_vast(delivery.path, delivery.file, name)
            cells = workbook.get_sheet_by_name(name).to_python()
            rows = [[str(cell) for cell in row] for row in cells if any(cell != "" for cell in row)]
            if rows:
                yield Sample(rows[:ROWS], sheet=name)
    except CalamineError:
        return


def _json(delivery: Delivery, scratch: Path) -> Iterator[Sample]:
    with plain_text(delivery, None, scratch).path.open(encoding="utf-8") as text:
        if {".jsonl", ".ndjson"} & set(delivery.suffixes):
            yield _of_objects([_JSON.decode(line) for line in islice(filter(str.strip, text), ROWS)])
            return
        document = _JSON.raw_decode(text.read(LONGEST_DOCUMENT).lstrip())[0]
    if isinstance(document, list):
        yield _of_objects(document)
    elif isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                yield _of_objects(value, key)


def _of_objects(objects: Iterable[Any], records: str | None = None) -> Sample:
    rows = [dict(_flat(one)) for one in islice(objects, ROWS) if isinstance(one, dict)]
    header = list(dict.fromkeys(name for row in rows for name in row))
    cells = [["" if row.get(name) is None else str(row[name]) for name in header] for row in rows]
    "".join(chain(header, *cells)).encode()  # ValueError for half a character, as in "\\ud800": the engine reads none
    return Sample([header, *cells], records=records, is_certain=True)


def _flat(record: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        elif not isinstance(value, list):
            yield f"{path}{key}", value


def _parquet(delivery: Delivery, scratch: Path) -> Iterator[Sample]:
    with duckdb.connect() as con:
        found = con.execute(f"select * from read_parquet({quote(str(delivery.path))}) limit {ROWS}")
        header = [column[0] for column in found.description]
        rows = [["" if cell is None else str(cell) for cell in row] for row in found.fetchall()]
    yield Sample([header, *rows], is_certain=True)


def header_rows(sample: Sample) -> Iterable[int]:
    """The positions at which the header may stand."""
    return (0,) if sample.is_certain else range(min(HEADER_ROWS, len(sample.rows)))
