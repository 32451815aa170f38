"""Rows that a mart must show, in CSV files called after it, against a database that has it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import duckdb

MODELS = [path.stem for path in (Path(__file__).resolve().parents[1] / "models").rglob("*.sql")]


def marts_of(folder: Path) -> set[str]:
    """The marts that the files of expected rows are of."""
    return {_mart_of(file, MODELS) for file in _files(folder)}


def assert_expected(database: Path, folder: Path) -> None:
    """Every row of every file of `folder` is in its mart, and the other way round."""
    with duckdb.connect(str(database), read_only=True) as con:
        for file in _files(folder):
            _assert_equal_cells(con, file)


def _files(folder: Path) -> list[Path]:
    """The files, called after the mart and what they are of; row_counts is no mart."""
    files = sorted(folder.glob("*.csv"))
    assert files
    return [file for file in files if file.stem != "row_counts"]


def _mart_of(file: Path, names: Iterable[str]) -> str:
    return max((name for name in names if file.stem.startswith(name)), key=len)


def _assert_equal_cells(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Every row of the file is in its mart and the other way round, among the mart's rows of the file's grains,
    dimensions and segment types."""
    with file.open(newline="", encoding="utf-8") as text:
        expected = list(csv.DictReader(text))
    tables = {
        row[0]: f"{row[1]}.{row[0]}"
        for row in con.execute("select table_name, table_schema from information_schema.tables").fetchall()
    }
    mart = _mart_of(file, tables)
    columns = list(expected[0])
    rows = [
        dict(zip(columns, row, strict=True))
        for row in con.execute(f"select {', '.join(columns)} from {tables[mart]}").fetchall()
    ]
    for scope in {"period_grain", "cohort_grain", "segment_type", "dimension"} & set(columns):
        rows = [row for row in rows if row[scope] in {row[scope] for row in expected}]
    for row in rows:
        if "file" in row:  # the files of an example may lie in a folder beside its own
            row["file"] = next(
                (line["file"] for line in expected if row["file"].endswith("/" + line["file"])), row["file"]
            )
    keys = [column for column in columns if column in KEYS]
    actual = {tuple(str(row[key]) for key in keys): row for row in rows}
    assert len(actual) == len(rows)
    assert set(actual) == {tuple(row[key] for key in keys) for row in expected}, mart
    for row in expected:
        found = actual[tuple(row[key] for key in keys)]
        for column in columns:
            assert _same(found[column], row[column]), (
                f"{file.name} {[row[key] for key in keys]} {column}: {found[column]} instead of {row[column]}"
            )


KEYS = {
    "table_name",
    "file",
    "source",
    "dimension",
    "dimension_value",
    "period_grain",
    "period_start",
    "segment_type",
    "segment",
    "definition",
    "cohort_grain",
    "cohort_start",
    "age",
    "customer_id",
    "occurred_on",
    "spell_number",
    "tenure_days",
}


def _same(found: object, expected: str) -> bool:
    """Rates to 1e-6, money to the cent (quotients may be left unrounded), everything else exactly."""
    if found is None or expected == "":
        return found is None and expected == ""
    if isinstance(found, bool):
        return str(found).lower() == expected
    if isinstance(found, float):
        return abs(found - float(expected)) <= 1e-6
    if isinstance(found, Decimal):
        return abs(found - Decimal(expected)) <= Decimal("0.006")
    return str(found) == expected
