"""The schema `raw`: rows as loaded, and which content was loaded when and lies where.

raw.loads  one row per content of a table (load_id): what decided its reading, its accounts, its place in the order.
raw.files  one row per table, path and content ever found there.
raw.<source>__<table>_rows  the rows of all loads; the view without `_rows` adds what the registry knows of their load.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import duckdb

from orchestration.contract.mapping import Mapping
from orchestration.contract.tables import Table, contract
from orchestration.loading.discovery import Delivery, file_order
from orchestration.loading.readings import identifier

REGISTRY = """
create schema if not exists raw;
create table if not exists raw.loads (
    load_id varchar, table_name varchar, content_hash varchar, mapping_hash varchar,
    readings varchar,           -- JSON: column -> reading of its undeclared dates
    evidence varchar,           -- JSON: what the values of the file voted for, and which mapped values occurred
    loaded_at timestamp,
    load_order bigint,          -- first load of the content within its table; a load that replaces it keeps it
    rows_read bigint, rows_filtered bigint, rows_malformed bigint,
    file varchar, file_order varchar, is_current boolean, in_force boolean  -- see `settle`
);
create table if not exists raw.files (
    table_name varchar, file varchar, file_order varchar, content_hash varchar, load_id varchar,
    seen_order bigint, is_current boolean,
    loaded_at timestamp         -- when the content last became the path's current one
)
"""


@dataclass(frozen=True)
class Load:
    """A content of a table, as loaded."""

    load_id: str
    mapping_hash: str
    readings: str
    evidence: str
    load_order: int
    rows_read: int
    rows_filtered: int
    rows_malformed: int


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing of the schema, for every contract table."""
    statements = [REGISTRY]
    existing = con.execute("select table_name, column_name from duckdb_columns() where schema_name = 'raw'").fetchall()
    for table in contract().values():
        rows, columns = f"{table.raw}_rows", [*table.columns, "load_id", "raw_row", "malformed"]
        types = ", ".join(f"{identifier(column)} varchar" for column in columns)
        statements.append(f"create table if not exists raw.{rows} ({types}, row_number bigint)")
        if (rows, "load_id") in existing:  # by an earlier version, with fewer columns perhaps
            new = [column for column in columns if (rows, column) not in existing]
            statements += [f"alter table raw.{rows} add column {identifier(column)} varchar" for column in new]
        names = ", ".join(f"delivered.{identifier(column)}" for column in [*columns, "row_number"])
        statements.append(
            f"create or replace view raw.{table.raw} as"
            f" select {names}, loads.file, loads.file_order, loads.load_order, loads.is_current, loads.in_force"
            f" from raw.{rows} as delivered inner join raw.loads as loads on loads.load_id = delivered.load_id"
        )
    con.execute(f"begin; {'; '.join(statements)}; commit")


def known_loads(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, Load]:
    """Loads of a table by content hash."""
    rows = con.execute(
        "select content_hash, load_id, mapping_hash, readings, evidence, load_order, rows_read, rows_filtered, rows_malformed"
        " from raw.loads where table_name = ? order by load_order",
        [table.name],
    ).fetchall()
    return {row[0]: Load(*row[1:]) for row in rows}


def replace(con: duckdb.DuckDBPyConnection, table: Table, contents: list[str], loads: list[Load]) -> None:
    """Enter the loads of these contents, and remove the earlier loads of the same contents with their rows."""
    earlier = "select load_id from raw.loads where table_name = ? and list_contains(?, content_hash)"
    con.execute(f"delete from raw.{table.raw}_rows where load_id in ({earlier})", [table.name, contents])
    con.execute("delete from raw.loads where table_name = ? and list_contains(?, content_hash)", [table.name, contents])
    names = [field.name for field in fields(Load)]
    con.execute(
        "insert into raw.loads by name select ? as table_name, ? as loaded_at, unnest(?) as content_hash,"
        f" {', '.join(f'unnest(?) as {name}' for name in names)}",
        [table.name, _now(), contents, *([getattr(load, name) for load in loads] for name in names)],
    )


def register(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery], load_ids: dict[tuple[str, str], str]) -> None:
    """Enter every path with its content, which is the path's current one now. `load_ids` by table and content hash."""
    seen = con.execute("select coalesce(max(seen_order), 0) from raw.files").fetchone()[0]
    rows = [
        (
            one.table,
            one.file,
            file_order(one.file),
            one.content_hash,
            load_ids[one.table, one.content_hash],
            seen + number,
        )
        for number, one in enumerate(deliveries, 1)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    con.execute(
        "create or replace temp table found as select unnest(?) as table_name, unnest(?) as file, unnest(?) as file_order,"
        " unnest(?) as content_hash, unnest(?) as load_id, unnest(?) as seen_order",
        columns,
    )
    same_path = "files.table_name = found.table_name and files.file = found.file"
    con.execute(
        "update raw.files set is_current = files.content_hash = found.content_hash,"
        " loaded_at = if(files.content_hash = found.content_hash and not files.is_current, ?, files.loaded_at)"
        f" from found where {same_path}",
        [_now()],
    )
    con.execute(
        f"insert into raw.files select found.*, true, ? from found"
        f" where not exists (select 1 from raw.files where {same_path} and files.content_hash = found.content_hash) order by seen_order",
        [_now()],
    )
    con.execute(
        "update raw.files set load_id = found.load_id from found"
        " where files.table_name = found.table_name and files.content_hash = found.content_hash"
    )
    con.execute("drop table found")


def restored(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery]) -> list[tuple[str, str]]:
    """Path and table of what holds an earlier content again since the last load: before `register`."""
    now = [f"{one.table} {one.file} {one.content_hash}" for one in deliveries]
    return con.execute(
        "select file, table_name from raw.files where not is_current and list_contains(?, table_name || ' ' || file || ' ' || content_hash)"
        " order by all",
        [now],
    ).fetchall()


def take_back(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery]) -> list[tuple[str, str]]:
    """Forget the paths that a mended mapping now gives to other tables only, with the rows that no other path delivers.
    Returns path and former table."""
    present = sorted({one.file for one in deliveries})
    given = [f"{one.table} {one.file}" for one in deliveries]
    moved = con.execute(
        "delete from raw.files where list_contains(?, file) and not list_contains(?, table_name || ' ' || file) returning file, table_name",
        [present, given],
    ).fetchall()
    for table_name in {table_name for _, table_name in moved}:
        left = "not exists (select 1 from raw.files where files.load_id = loads.load_id and files.table_name = loads.table_name)"
        gone = con.execute(
            f"delete from raw.loads where table_name = ? and {left} returning load_id", [table_name]
        ).fetchall()
        con.execute(
            f"delete from raw.{contract()[table_name].raw}_rows where list_contains(?, load_id)",
            [[load_id for (load_id,) in gone]],
        )
    return sorted(set(moved))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def settle(con: duckdb.DuckDBPyConnection, mapping: Mapping) -> None:
    """Work out the place of each load from the paths that deliver it.

    file, file_order: its smallest path, of those whose current content it is if there are any; is_current: there are;
    in_force: in a snapshot table, only the content of the newest path."""
    con.execute(
        """
        update raw.loads set file = places.file, file_order = places.file_order, is_current = places.is_current,
            in_force = places.is_newest or not list_contains(?, loads.table_name)
        from (
            select load_id, arg_min(file, (not is_current, file_order)) as file, arg_min(file_order, (not is_current, file_order)) as file_order,
                bool_or(is_current) as is_current, bool_or(newest) as is_newest
            from (
                select *, is_current and file_order = max(file_order) over (partition by table_name) as newest from raw.files
            )
            group by load_id
        ) as places
        where loads.load_id = places.load_id
        """,
        [mapping.snapshots],
    )
