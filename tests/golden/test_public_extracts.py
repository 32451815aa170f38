"""Real public extracts, refreshed by the command that people run, against the rows that the marts must show.

The data lies beside the checkout, in ../shared/data; where it isn't, these tests skip by name.
"""

from __future__ import annotations

import csv
import shutil
import tarfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml

from tests.churn import Done, churn

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public extracts of ../shared/data are not here")

EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{example['folder']}")
    for name, examples in (yaml.safe_load((DATA / "examples.yml").read_text()) if DATA.is_dir() else {}).items()
    for example in examples
]


def refresh(name: str, example: dict, folder: Path) -> tuple[Done, Path]:
    """Refresh a copy of an example's folder, and again when its later files have come;
    the last outcome and the warehouse."""
    shared = Path(name, example["folder"]) if name == "field" else Path(name)  # other sets share files among examples
    shutil.copytree(DATA / shared, folder / shared, copy_function=shutil.copy)
    if archive := example.get("unpack"):
        with tarfile.open(folder / name / archive) as tar:
            tar.extractall(folder / name, filter="data")
    warehouse, extracts = folder / "warehouse", folder / name / example["folder"]
    day = [] if example["as_of"] == "default" else ["--as-of", str(example["as_of"])]
    arguments = ["refresh", "--extracts", extracts, "--warehouse", warehouse, *day]
    if later := example.get("later"):
        for file in later:
            shutil.move(extracts / file, folder / file)
        assert churn(*arguments).code == 0
        for file in later:
            shutil.move(folder / file, extracts / file)
    return churn(*arguments), warehouse


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_a_public_extract_gives_its_expected_rows(name: str, example: dict, tmp_path: Path) -> None:
    done, warehouse = refresh(name, example, tmp_path)
    if "refused" in example:
        assert done.code in (1, 2), done.err
        assert [word for word in example["refused"] if word not in done.err] == []
        assert not (warehouse / "churn.duckdb").exists()
        return
    assert done.code == 0, done.err
    assert [word for word in example.get("warned", ()) if word not in done.err] == []
    files = sorted((DATA / name / example["expected"]).glob("*.csv"))
    assert files
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        for file in files:
            if file.stem != "row_counts":
                assert_equal_cells(con, file)


def assert_equal_cells(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Every row of the file is in its mart and the other way round,
    among the mart's rows of the file's grains and segment types."""
    with file.open(newline="", encoding="utf-8") as text:
        expected = list(csv.DictReader(text))
    tables = {
        row[0]: f"{row[1]}.{row[0]}"
        for row in con.execute("select table_name, table_schema from information_schema.tables").fetchall()
    }
    mart = max((table for table in tables if file.stem.startswith(table)), key=len)
    columns = list(expected[0])
    rows = [
        dict(zip(columns, row, strict=True))
        for row in con.execute(f"select {', '.join(columns)} from {tables[mart]}").fetchall()
    ]
    for scope in {"period_grain", "cohort_grain", "segment_type"} & set(columns):
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
            assert same(found[column], row[column]), (
                f"{file.name} {[row[key] for key in keys]} {column}: {found[column]} instead of {row[column]}"
            )


KEYS = {
    "table_name",
    "file",
    "source",
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


def same(found: object, expected: str) -> bool:
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
