"""Two warehouses, one built by DuckDB and one by Spark, table by table and cell by cell."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import duckdb

from orchestration.warehouse.folder import JOURNALS
from orchestration.warehouse.quoting import identifier, quote

# Doubles may differ in their last bits where logarithms go into them.
TOLERANCE = 1e-12
# What only tells one refresh from another.
OF_THE_REFRESH = {"refresh_id", "loaded_at", "restated_at"}
# What a refresh on DuckDB notes for itself, so that the next one builds and tests only what has changed.
OF_DUCKDB = ("passed_tests", "changed_in_*")


def differences(by_duckdb: Path, by_spark: Path) -> tuple[int, list[str]]:
    """How many tables were compared, and what differs in words; everything after `raw` that both build.duckdb have."""
    with duckdb.connect() as con:
        con.execute(f"attach {quote(by_duckdb / 'build.duckdb')} as build (read_only)")  # as its views call it
        con.execute(f"attach {quote(by_spark / 'build.duckdb')} as other (read_only)")
        one, other = _relations(con, "build"), _relations(con, "other")
        found = [
            f"{name} is missing on {side}"
            for name, side in [
                *((name, "Spark") for name in sorted(one - other)),
                *((name, "DuckDB") for name in sorted(other - one)),
            ]
        ]
        return len(one & other), [*found, *(text for name in sorted(one & other) if (text := _difference(con, name)))]


def exports(warehouse: Path) -> dict[str, bytes]:
    """The bytes of each export; of survival curves, out of logarithms, those of their rows after rounding."""
    content = {file.name: file.read_bytes() for file in (warehouse / "exports").iterdir()}
    if (name := "survival_curves.parquet") in content:
        file = quote(warehouse / "exports" / name)
        rounded = "columns(name -> name not like 'survival%'), round(columns(name -> name like 'survival%'), 9)"
        content[name] = repr(duckdb.sql(f"select {rounded} from {file}").fetchall()).encode()
    return content


def _relations(con: duckdb.DuckDBPyConnection, database: str) -> set[str]:
    rows = con.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_catalog = ? and table_schema <> 'raw'",
        [database],
    ).fetchall()
    others = (*(journal.name for journal in JOURNALS), *OF_DUCKDB)
    return {name for (name,) in rows if not any(fnmatch(name.partition(".")[2], other) for other in others)}


def _difference(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """What differs in a table: columns, else the number of its rows that differ, and in which columns."""
    one, other = _columns(con, f"build.{name}"), _columns(con, f"other.{name}")
    if one.keys() != other.keys():
        return f"{name} has other columns: {sorted(one.keys() ^ other.keys())}"
    if name.startswith(("marts.", "restricted.", "quality.")) and one != other:
        return f"{name} has other types: {sorted(one.items() ^ other.items())}"
    doubles = [column for column, kind in one.items() if kind == "DOUBLE"]
    exact = [column for column in one if column not in doubles]
    order = ", ".join([*map(identifier, exact), *(f"round({identifier(column)}, 9)" for column in doubles)])
    quoted = {identifier(column): kind for column, kind in one.items()}
    for side, database in (("one", "build"), ("other", "other")):
        cells = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in quoted.items())
        con.execute(
            f"create or replace temp table {side}_rows as select *, row_number() over (order by {order}) as place"
            f" from (select {cells} from {database}.{name})"
        )
    conditions = {
        column: f"a.{identifier(column)} is distinct from b.{identifier(column)}"
        if column in exact
        else f"coalesce(abs(a.{identifier(column)} - b.{identifier(column)})"
        f" > {TOLERANCE} * greatest(abs(a.{identifier(column)}), 1),"
        f" (a.{identifier(column)} is null) <> (b.{identifier(column)} is null))"
        for column in one
    }
    counts = ", ".join(f"count(*) filter ({condition})" for condition in conditions.values())
    [row] = con.execute(f"select {counts} from one_rows as a full join other_rows as b using (place)").fetchall()
    different = {column: count for column, count in zip(conditions, row, strict=True) if count}
    return f"{name}: cells that differ: {different}" if different else None


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    described = con.execute(f"describe {relation}").fetchall()
    return {column: kind for column, kind, *_ in described if column not in OF_THE_REFRESH}
