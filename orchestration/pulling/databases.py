"""Sources that are tables of a database: each becomes a Parquet file, whose decimals are exact.

Postgres copies its rows out (COPY), all tables as of one moment; other databases are read by dlt, which is imported for
them alone: that takes longer than copying half a million rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import csv, parquet
from sqlalchemy.dialects import postgresql

from orchestration.contract.names import nearest
from orchestration.contract.pulls import Pull
from orchestration.errors import ChurnError, EnvironmentFailure, UserError
from orchestration.pulling.secrets import Secrets
from orchestration.warehouse.quoting import identifier

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mssql": "mssql+pymssql"}
# What was changed in a transaction that ended later than the newest row seen was written may be older than that row.
OVERLAP = timedelta(hours=1)
_ROWS = 100_000

Newer = Callable[[sa.Select, sa.Table], sa.Select]


def tables(pull: Pull, secrets: Secrets, folder: Path, earlier: list[Path]) -> Iterator[tuple[str, int]]:
    """Write each table of the source to a file of its own. Yields its name and the number of rows."""
    engine = _engine(pull, secrets)
    try:
        with engine.connect() as connection:
            is_postgres = engine.dialect.name == "postgresql"
            if is_postgres:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            for name in pull.tables:
                schema, _, table = name.rpartition(".")
                _refuse_unknown(engine, schema or pull.schema, table, pull.changed.get(name))
                newer = _newer(pull, name, earlier)
                read = _copied if is_postgres else _read_by_dlt
                yield name, _write(folder / f"{name}.parquet", read(connection, schema or pull.schema, table, newer))
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        raise _explained(error) from None
    finally:
        engine.dispose()


def _engine(pull: Pull, secrets: Secrets) -> sa.Engine:
    try:
        url = sa.make_url(secrets["credentials"])
    except sa.exc.ArgumentError:
        raise UserError("its credentials must have the form postgresql://USER:PASSWORD@HOST/DATABASE.") from None
    if url.drivername not in DRIVERS:
        raise UserError(f"there is no driver for '{url.drivername}'; {nearest(url.drivername, DRIVERS)}.")
    return sa.create_engine(url.set(drivername=DRIVERS[url.drivername]))


def _refuse_unknown(engine: sa.Engine, schema: str | None, table: str, column: str | None) -> None:
    inspector = sa.inspect(engine)
    known = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    if table not in known:
        raise UserError(f"the database has no table '{table}'; {nearest(table, known)}.")
    columns = [one["name"] for one in inspector.get_columns(table, schema)]
    if column and column not in columns:
        raise UserError(f"the table '{table}' has no column '{column}'; {nearest(column, columns)}.")


def _newer(pull: Pull, name: str, earlier: list[Path]) -> Newer:
    """What leaves of a query the rows since the pulls before, where the table has a column of the last change."""
    changed = pull.changed.get(name)
    since = _last_change([folder / f"{name}.parquet" for folder in earlier], changed) if changed else None
    if changed is None or since is None:
        return lambda query, source: query
    return lambda query, source: query.where(source.c[changed] >= since)


def _read_by_dlt(connection: sa.Connection, schema: str | None, table: str, newer: Newer) -> Iterator[pa.Table]:
    """The rows through SQLAlchemy; a table without rows has its columns all the same."""
    from dlt.extract.exceptions import ResourceExtractionError
    from dlt.sources.sql_database import sql_table
    from dlt.sources.sql_database.helpers import TableLoader

    class ColumnwiseLoader(TableLoader):
        def load_rows(self, backend_kwargs: dict[str, Any] | None = None) -> Iterator[pa.Table]:
            yield pa.table({column.name: pa.array([], pa.string()) for column in self.table.columns})
            yield from super().load_rows(backend_kwargs or {})

    try:
        yield from sql_table(
            credentials=connection.engine,
            table=table,
            schema=schema,
            backend="pyarrow",
            chunk_size=_ROWS,
            reflection_level="full_with_precision",
            query_adapter_callback=newer,
            table_loader_class=ColumnwiseLoader,
        )
    except ResourceExtractionError as error:
        raise _explained(error.__cause__ or error) from None


def _copied(connection: sa.Connection, schema: str | None, table: str, newer: Newer) -> Iterator[pa.Table]:
    """The rows as Postgres copies them out, as they come, in the types that its columns declare."""
    source = sa.Table(table, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
    types = {column.name: _arrow_type(column.type) for column in source.columns}
    # the driver's own dialect would double each percent sign, for a text with parameters
    dialect = postgresql.dialect(paramstyle="named")
    query = newer(sa.select(source), source).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    driver = connection.connection.driver_connection
    assert driver is not None
    connection.execute(sa.text("set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'"))
    with driver.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (format csv)") as copy:
        stream = _Stream(iter(copy))
        if stream.is_empty:
            yield pa.Table.from_batches([], pa.schema(types))  # an empty_table() imports pandas
            return
        try:
            for batch in csv.open_csv(
                pa.PythonFile(stream, "r"),
                read_options=csv.ReadOptions(column_names=list(types), block_size=1 << 22),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=types,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    true_values=["t"],
                    false_values=["f"],
                ),
            ):
                yield pa.Table.from_batches([batch])
        except pa.ArrowInvalid as error:
            raise _unwritable(error, types) from None


def _unwritable(error: pa.ArrowInvalid, types: dict[str, pa.DataType]) -> ChurnError:
    """Which column holds what its type can't, without the value."""
    if not (number := re.search(r"CSV column #(\d+): CSV conversion error", str(error))):
        return EnvironmentFailure("the database answered what can't be written as Parquet.")
    column = list(types)[int(number[1])]
    return UserError(
        f"the column '{column}' holds a value that can't be written as {types[column]}, such as infinity, NaN or a year"
        " after 9999. Pull a view that casts the column to text, or that leaves such rows out."
    )


class _Stream:
    """Blocks of bytes as a file."""

    closed = False

    def __init__(self, blocks: Iterator[memoryview]) -> None:
        self._blocks, self._left = blocks, bytearray(next(blocks, b""))
        self.is_empty = not self._left

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._left) < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._left += block
        size = len(self._left) if size < 0 else size
        given = bytes(self._left[:size])
        del self._left[:size]
        return given


def _arrow_type(kind: sa.types.TypeEngine) -> pa.DataType:
    """The type that holds the values exactly; text for all that has none, such as a numeric without a scale."""
    if isinstance(kind, sa.Boolean):
        return pa.bool_()
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, sa.Float):  # before Numeric, of which it is one for SQLAlchemy
        return pa.float64()
    if isinstance(kind, sa.Numeric) and kind.precision is not None and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale or 0)
    if isinstance(kind, sa.Date):
        return pa.date32()
    if isinstance(kind, postgresql.TIMESTAMP | sa.DateTime):
        return pa.timestamp("us", "UTC" if kind.timezone else None)
    return pa.string()


def _write(file: Path, rows: Iterator[pa.Table]) -> int:
    writer, count = None, 0
    try:
        for table in rows:
            if not table.num_rows and writer is None:
                empty = table
                continue
            # without dictionaries: zstd makes the file smaller by itself, in less than half the time
            writer = writer or parquet.ParquetWriter(file, table.schema, compression="zstd", use_dictionary=False)
            writer.write_table(table.cast(writer.schema))
            count += table.num_rows
        if writer is None:
            parquet.write_table(empty, file)
    finally:
        if writer:
            writer.close()
    return count


def _last_change(files: list[Path], column: str) -> date | datetime | int | None:
    """The newest value of the column in earlier pulls, and an hour before it where it is a time."""
    found = [str(file) for file in files if file.exists()]
    if not found:
        return None
    import duckdb

    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        [(newest,)] = con.execute(
            f"select max({identifier(column)}) from read_parquet(?, union_by_name = true)", [found]
        ).fetchall()
    return newest - OVERLAP if isinstance(newest, datetime) else newest


def _explained(error: BaseException) -> ChurnError:
    """What the driver said first, without the statement and without what it was called with; of an error in the data
    only its kind, for it may quote a value."""
    driver = getattr(error, "orig", None) or (error if isinstance(error, psycopg.Error) else None)
    if isinstance(error, sa.exc.DataError | sa.exc.IntegrityError | psycopg.DataError | psycopg.errors.RaiseException):
        driver = None
    said = str(driver or type(error).__name__).strip().partition("\n")[0].rstrip(".")
    return EnvironmentFailure(f"the database answered: {said}.")
