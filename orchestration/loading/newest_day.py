"""The last day that the data speaks of: the default of as_of, and whether the extracts are stale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from orchestration.contract.tables import contract
from orchestration.warehouse.folder import today
from orchestration.warehouse.quoting import identifier

# Data that ends longer than this before yesterday is worth a warning.
STALE_AFTER = timedelta(days=7)


@dataclass(frozen=True)
class NewestDay:
    """A day and the row that speaks of it."""

    day: date
    place: str


def yesterday_in(time_zone: str) -> date:
    """The last day that is over in the company's time zone."""
    return today(time_zone) - timedelta(days=1)


def default_as_of(newest: NewestDay | None, yesterday: date) -> date:
    """The day as of which a refresh is that was given none."""
    return min(yesterday, newest.day) if newest else yesterday


def stale_warning(newest: NewestDay | None, as_of: date, yesterday: date) -> str | None:
    """What a person should know of an as_of by default that lies long before yesterday; None where it does not."""
    if newest is None or yesterday - as_of <= STALE_AFTER:
        return None
    return (
        f"as_of is {as_of}, the newest day in the extracts ({newest.place}),"
        f" {(yesterday - as_of).days} days before yesterday: what happened since is not in the numbers."
        " Export anew, or, if the extracts cover later days, say which with --as-of."
    )


def newest_day(con: duckdb.DuckDBPyConnection, yesterday: date) -> NewestDay | None:
    """The newest day in `raw`; starts and invoices after all other days are announcements and don't count."""
    found = _newest_of(con, "happened")
    found += [_newest(con, table.name, "updated_at") for table in contract().values() if "updated_at" in table.columns]
    found.append(_newest(con, "billing.subscriptions", "ended_on", yesterday))
    found.append(_newest_snapshot(con))
    others = [newest for newest in found if newest]
    if others:
        return max(others, key=lambda newest: newest.day)
    announced = [newest for newest in _newest_of(con, "announced") if newest]
    return max(announced, key=lambda newest: newest.day, default=None)


def _newest_of(con: duckdb.DuckDBPyConnection, kind: str) -> list[NewestDay | None]:
    """The newest day of each table whose event day is of this kind."""
    tables = [table for table in contract().values() if table.event_day_is == kind]
    return [_newest(con, table.name, table.event_day) for table in tables if table.event_day]


def _newest(con: duckdb.DuckDBPyConnection, table: str, column: str, limit: date | None = None) -> NewestDay | None:
    day = f"try_cast({identifier(column)} as timestamp)::date"
    [(newest, file, row)] = con.execute(
        f"select max(day), arg_max(file, day), arg_max(row_number, day)"
        f" from (select {day} as day, file, row_number from raw.{table.replace('.', '__')}"
        f" where malformed is null and in_force) where day <= ?",
        [limit or date.max],
    ).fetchall()
    return newest and NewestDay(newest, f"{table}.{column}, {file}, row {row}")


def _newest_snapshot(con: duckdb.DuckDBPyConnection) -> NewestDay | None:
    [(newest, table)] = con.execute(
        "select max(snapshot_on), arg_max(table_name, snapshot_on) from raw.snapshots"
    ).fetchall()
    return newest and NewestDay(newest, f"the newest list of {table}")
