"""What of a published file goes to a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from orchestration.warehouse.quoting import identifier

SCHEMAS = ("marts", "quality")


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # DuckDB's
    comment: str


@dataclass(frozen=True)
class Published:
    """A table, or a view if it has `sql`, of a published file."""

    schema: str
    name: str
    comment: str
    columns: tuple[Column, ...] = ()
    sql: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{identifier(self.name)}"


def tables(con: duckdb.DuckDBPyConnection) -> Iterator[Published]:
    found = con.execute(
        "select schema_name, table_name, comment from duckdb_tables() where schema_name in ? order by all", [SCHEMAS]
    ).fetchall()
    for schema, name, comment in found:
        columns = con.execute(
            "select column_name, data_type, comment from duckdb_columns() where schema_name = ? and table_name = ?"
            " order by column_index",
            [schema, name],
        ).fetchall()
        yield Published(
            schema, name, comment or "", tuple(Column(column, kind, text or "") for column, kind, text in columns)
        )


def views(con: duckdb.DuckDBPyConnection) -> Iterator[Published]:
    found = con.execute(
        "select schema_name, view_name, comment, sql from duckdb_views() where schema_name in ? order by all", [SCHEMAS]
    ).fetchall()
    return (Published(schema, name, comment or "", sql=sql) for schema, name, comment, sql in found)
