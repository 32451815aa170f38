"""Real public extracts against the rows that the marts must show.

The data lies beside the checkout, in ../shared/data; where it isn't, these tests skip by name. `make test EVERYTHING=1` runs
all of them by the command that people run. Otherwise that is done with each whose messages count and with each sixth of
the rest; of the others only the marts are built that are compared, which takes a quarter of the time.
"""

from __future__ import annotations

import csv
import os
import shutil
import tarfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml

import expectations.judgement  # noqa: F401  (else each refresh would start a process that imports it)
from orchestration.refresh import steps
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import refreshing
from tests import staged
from tests.churn import Done, churn

ROOT = Path(__file__).resolve().parents[2]
MARTS = [path.stem for path in (ROOT / "models").rglob("*.sql")]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public extracts of ../shared/data are not here")

EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{example['folder']}")
    for name, examples in (yaml.safe_load((DATA / "examples.yml").read_text()) if DATA.is_dir() else {}).items()
    for example in examples
]


def copied(name: str, example: dict, folder: Path) -> Path:
    """A copy of an example's extracts, in `folder`."""
    shared = Path(name, example["folder"]) if name == "field" else Path(name)  # other sets share files among examples
    shutil.copytree(DATA / shared, folder / shared, copy_function=shutil.copy)
    if archive := example.get("unpack"):
        with tarfile.open(folder / name / archive) as tar:
            tar.extractall(folder / name, filter="data")
    return folder / name / example["folder"]


def refresh(name: str, example: dict, folder: Path) -> tuple[Done, Path]:
    """Refresh an example's extracts, and again when its later files have come; the last outcome and the warehouse."""
    warehouse, extracts = folder / "warehouse", copied(name, example, folder)
    day = [] if example["as_of"] == "default" else ["--as-of", str(example["as_of"])]
    arguments = ["refresh", "--extracts", extracts, "--warehouse", warehouse, *day]
    if later := example.get("later"):
        for file in later:
            shutil.move(extracts / file, folder / file)
        assert churn(*arguments).code == 0
        for file in later:
            shutil.move(folder / file, extracts / file)
    return churn(*arguments), warehouse


def is_by_command(place: int, example: dict) -> bool:
    told = {"refused", "warned", "later"} & set(example) or example["as_of"] == "default"
    return bool(told) or place % 6 == 0 or bool(os.environ.get("EVERYTHING"))


@pytest.mark.parametrize(
    ("name", "example"), [one for place, one in enumerate(EXAMPLES) if is_by_command(place, one.values[1])]
)
def test_a_public_extract_gives_its_expected_rows(name: str, example: dict, tmp_path: Path) -> None:
    done, warehouse = refresh(name, example, tmp_path)
    if "refused" in example:
        assert done.code in (1, 2), done.err
        assert [word for word in example["refused"] if word not in done.err] == []
        assert not (warehouse / "churn.duckdb").exists()
        return
    assert done.code == 0, done.err
    assert [word for word in example.get("warned", ()) if word not in done.err] == []
    assert_expected(warehouse / "churn.duckdb", name, example)


@pytest.mark.parametrize(
    ("name", "example"), [one for place, one in enumerate(EXAMPLES) if not is_by_command(place, one.values[1])]
)
def test_the_marts_of_a_public_extract_have_the_expected_rows(name: str, example: dict, tmp_path: Path) -> None:
    extracts = copied(name, example, tmp_path)
    with refreshing(extracts, tmp_path / "warehouse", Progress(), example["as_of"]) as current:
        steps.load(current)
        marts = {mart_of(file, MARTS) for file in expected_of(name, example)}
        staged.build(current.warehouse.build, [f"+{mart}" for mart in marts], current.variables)
        assert_expected(current.warehouse.build, name, example)


def expected_of(name: str, example: dict) -> list[Path]:
    """The files of expected rows, by mart and what they are of."""
    files = sorted((DATA / name / example["expected"]).glob("*.csv"))
    assert files
    return [file for file in files if file.stem != "row_counts"]


def mart_of(file: Path, names: Iterable[str]) -> str:
    return max((name for name in names if file.stem.startswith(name)), key=len)


def assert_expected(database: Path, name: str, example: dict) -> None:
    with duckdb.connect(str(database), read_only=True) as con:
        for file in expected_of(name, example):
            assert_equal_cells(con, file)


def assert_equal_cells(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Every row of the file is in its mart and the other way round, among the mart's rows of the file's grains and segment types."""
    with file.open(newline="", encoding="utf-8") as text:
        expected = list(csv.DictReader(text))
    tables = {
        row[0]: f"{row[1]}.{row[0]}"
        for row in con.execute("select table_name, table_schema from information_schema.tables").fetchall()
    }
    mart = mart_of(file, tables)
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
