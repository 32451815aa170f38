"""The floor: DuckDB alone reads every extract into a table of a database file. Nothing is checked or calculated."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers import timed


def read(extracts: Path, out: Path) -> None:
    database = out / "floor.duckdb"
    database.unlink(missing_ok=True)
    with duckdb.connect(str(database), config={"threads": 2}) as con:
        for file in sorted(extracts.glob("*/*")):
            con.execute(f"create table {file.stem} as from '{file}'")


if __name__ == "__main__":
    timed(read)
