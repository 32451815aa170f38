"""The demo company from its messy extracts to the published file, by the command that people run, twice."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration.demo.writing import BAD_ROWS, FILTERED_ROWS, REPEATED_ROWS

CHURN = Path(sys.executable).with_name("churn")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The warehouse folder after `churn demo`, and what the command said."""
    folder = tmp_path_factory.mktemp("demo")
    command = [CHURN, "demo", "--extracts", folder / "extracts", "--warehouse", folder / "warehouse"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "warehouse", done.stdout


def rows(file: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(query).fetchall()


def test_the_bad_rows_are_reported_exactly(demo) -> None:
    warehouse, said = demo
    found = rows(
        warehouse / "private.duckdb", "select table_name, column_name, count(*) from restricted.quarantine group by all"
    )
    assert {(table, column): count for table, column, count in found} == BAD_ROWS
    [(read, loaded, quarantined)] = rows(
        warehouse / "churn.duckdb",
        "select sum(rows_read), sum(rows_loaded), sum(rows_quarantined) from quality.load_audit",
    )
    assert quarantined == sum(BAD_ROWS.values())
    assert f"{read:,} read, {loaded:,} loaded, {quarantined:,} quarantined" in said


@pytest.mark.parametrize(("column", "expected"), [("rows_filtered", FILTERED_ROWS), ("rows_repeated", REPEATED_ROWS)])
def test_what_is_left_out_is_counted(demo, column: str, expected: dict[str, int]) -> None:
    warehouse, _ = demo
    found = rows(
        warehouse / "churn.duckdb",
        f"select table_name, sum({column}) from quality.load_audit group by all having sum({column}) > 0",
    )
    assert dict(found) == expected


def test_the_same_folder_again_gives_the_same_bytes_and_loads_nothing(demo) -> None:
    def exports(warehouse: Path) -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (warehouse / "exports").iterdir()}

    warehouse, _ = demo
    before, loads = (
        exports(warehouse),
        rows(warehouse / "build.duckdb", "select count(*), max(loaded_at) from raw.loads"),
    )
    command = [
        CHURN,
        "refresh",
        "--extracts",
        warehouse.with_name("extracts"),
        "--warehouse",
        warehouse,
        "--as-of",
        "2025-12-31",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing new since ")
    (warehouse / "origin.json").unlink()
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "nothing new" not in done.stdout
    assert exports(warehouse) == before
    assert rows(warehouse / "build.duckdb", "select count(*), max(loaded_at) from raw.loads") == loads
