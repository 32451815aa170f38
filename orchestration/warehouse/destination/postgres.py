"""Publishing to Postgres, through psycopg: one transaction, with what is there already kept where it is the same."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

from orchestration.errors import EnvironmentFailure, SetupError
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.destination.relations import SCHEMAS, Published, tables, views
from orchestration.warehouse.dlt_settings import INSTALL
from orchestration.warehouse.quoting import identifier, quote

if TYPE_CHECKING:
    import psycopg

FORM = "postgresql://USER@HOST:PORT/DATABASE"
# How a schema of ours is known: it is written to only if it bears this, or is empty.
OURS = "Written by churn-warehouse at each publish; what else is in it is removed."
_TYPES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric(38,0)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "JSON": "json",
}
# A reader may hold a table that has other columns now for so long.
_PATIENCE = "60s"


class Postgres(Destination):
    """The database at an address, postgresql://USER@HOST:PORT/NAME."""

    @classmethod
    def at(cls, address: str) -> Postgres:
        if find_spec("psycopg") is None:
            raise SetupError(
                f"Publishing to Postgres needs packages that are not installed: {INSTALL}. Nothing was changed."
            )
        if not _is_address(address):
            raise SetupError(f"What to publish to must have the form {FORM}. Nothing was changed.")
        return cls(address)

    def __str__(self) -> str:
        parts = urlsplit(self.address)
        return f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"

    def replace(self, con: duckdb.DuckDBPyConnection, scratch: Path) -> dict[str, int]:
        import psycopg

        try:
            with psycopg.connect(self.address) as database:
                return _replace(con, database, scratch)
        except psycopg.Error as error:
            said = (error.diag.message_primary or str(error).strip().partition("\n")[0]).rstrip(".")
            detail = f" ({error.diag.message_detail.rstrip('.')})" if error.diag.message_detail else ""
            raise EnvironmentFailure(
                f"The warehouse is published, but {self} keeps its earlier version: {said}{detail}. Correct that and"
                " refresh again."
            ) from None


def _replace(con: duckdb.DuckDBPyConnection, database: psycopg.Connection, scratch: Path) -> dict[str, int]:
    """One transaction, which the end of the connection commits."""
    ours, shown = list(tables(con)), list(views(con))
    database.execute(f"set local lock_timeout = {quote(_PATIENCE)}")
    database.execute("select pg_advisory_xact_lock(hashtext('churn-warehouse'))")  # one publisher at a time
    for schema in SCHEMAS:
        _own(database, schema)
    _remove_others(database, {str(one) for one in (*ours, *shown)})
    _renew(database, ours)
    counts = {f"{table.schema}.{table.name}": _fill(con, database, table, scratch) for table in ours}
    for view in shown:
        _create(database, view)
    return counts


def _type(kind: str) -> str:
    """Postgres's name of a type, as it says it itself."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return f"numeric({decimal[1]},{decimal[2]})"
    return _TYPES[kind]


def _own(database: psycopg.Connection, schema: str) -> None:
    """Make the schema ours. Raises EnvironmentFailure if it is somebody else's."""
    [(comment, is_used)] = database.execute(
        "select obj_description(to_regnamespace(%(schema)s), 'pg_namespace'),"
        " exists (select 1 from pg_class where relnamespace = to_regnamespace(%(schema)s))",
        {"schema": schema},
    ).fetchall()
    if comment == OURS:
        return
    if is_used:
        raise EnvironmentFailure(
            f"The warehouse is published, but not to the database: its schema {schema} holds what is not of this"
            " warehouse. Publish to another database, or move that away; nothing was changed there."
        )
    database.execute(f"create schema if not exists {schema}")
    database.execute(f"comment on schema {schema} is {quote(OURS)}")


def _remove_others(database: psycopg.Connection, published: set[str]) -> None:
    """Remove what an earlier version published and this one doesn't."""
    for kind, word in (("v", "view"), ("r", "table")):
        for relation in _present(database, kind):
            if relation not in published:
                database.execute(f"drop {word} {relation}")


def _renew(database: psycopg.Connection, ours: list[Published]) -> None:
    """Make the tables that are missing, and those anew that have other columns."""
    for table in ours:
        found = database.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
            [str(table)],
        ).fetchall()
        if found == [(column.name, _type(column.type)) for column in table.columns]:
            continue
        if found:
            for view in _present(database, "v"):
                database.execute(f"drop view {view}")
            database.execute(f"drop table {table}")
        columns = ", ".join(f"{identifier(column.name)} {_type(column.type)}" for column in table.columns)
        database.execute(f"create table {table} ({columns})")


def _present(database: psycopg.Connection, kind: str) -> list[str]:
    """The tables (r) or views (v) of our schemas."""
    found = database.execute(
        "select nspname, relname from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = any(%s) and relkind = %s",
        [list(SCHEMAS), kind],
    ).fetchall()
    return [f"{schema}.{identifier(name)}" for schema, name in found]


def _fill(con: duckdb.DuckDBPyConnection, database: psycopg.Connection, table: Published, scratch: Path) -> int:
    """Replace the rows of a table, and what is said about it. Returns the number of rows."""
    file = scratch / f"{table.schema}.{table.name}.csv"
    con.execute(f"copy (from {table}) to {quote(file)} (format csv, header false, force_quote *)")
    database.execute(f"delete from {table}")
    with file.open("rb") as rows, database.cursor() as cursor:
        with cursor.copy(f"copy {table} from stdin (format csv, encoding 'UTF8')") as copy:
            while block := rows.read(1 << 20):
                copy.write(block)
        count = cursor.rowcount
    file.unlink()
    database.execute(f"comment on table {table} is {quote(table.comment)}")
    for column in table.columns:
        database.execute(f"comment on column {table}.{identifier(column.name)} is {quote(column.comment)}")
    return count


def _create(database: psycopg.Connection, view: Published) -> None:
    """Make a view where it is missing, and anew where it is another one now: its comment says which rows it shows."""
    [(exists, comment)] = database.execute(
        "select to_regclass(%(view)s) is not null, obj_description(to_regclass(%(view)s), 'pg_class')",
        {"view": str(view)},
    ).fetchall()
    if exists and comment == view.comment:
        return
    if exists:
        database.execute(f"drop view {view}")
    database.execute(view.sql)
    database.execute(f"comment on view {view} is {quote(view.comment)}")


def _is_address(address: str) -> bool:
    """Whether the driver takes it; what it says of one that it doesn't may hold the password."""
    from psycopg import ProgrammingError, conninfo

    try:
        parts = urlsplit(address)
        conninfo.conninfo_to_dict(address)
        return parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1 and parts.port != 0
    except (ProgrammingError, ValueError):
        return False
