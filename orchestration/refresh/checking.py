"""What a refresh would make of the extracts, in words that an owner recognises: for `churn check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestration.contract.tables import Table, contract

if TYPE_CHECKING:
    import duckdb

    from orchestration.loading import LoadReport
    from orchestration.refresh.session import Refresh


def findings(current: Refresh, report: LoadReport) -> Iterator[str]:
    """Lines about each file, about each table, and about how both were read."""
    with current.warehouse.connect() as con:
        yield from _files(con)
        yield ""
        yield f"as of {report.as_of}"
        for table in contract().values():
            yield from _table(con, table)
        yield from _mrr(con)
    yield from report.notes
    for name, readings in report.readings.items():
        for column, reading in readings.items():
            yield f"{name}.{column}: dates read as {reading}"
    for name, columns in report.unmapped.items():
        yield f"{name}: not mapped, kept with the raw row: {', '.join(columns)}"


def _files(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    files = con.execute(
        "select table_name, file, source, rows_read, rows_loaded, rows_quarantined, rows_filtered, rows_repeated"
        " from quality.load_audit order by all"
    ).fetchall()
    reasons = con.execute(
        "select table_name, file, column_name, reason, count(*), min(row_number)"
        " from restricted.quarantine group by all order by all"
    ).fetchall()
    several = {table for table, _, source, *_ in files if source != "1"}
    for table, file, source, read, usable, *others in files:
        unusable = [
            f"{count:,} {what}"
            for count, what in zip(others, ("quarantined", "filtered", "repeated"), strict=True)
            if count
        ]
        place = f"{table}, source {source}" if table in several else table
        yield f"{file} ({place}): {read:,} rows, {', '.join([f'{usable:,} usable', *unusable])}"
        for _, _, column, reason, count, row in (found for found in reasons if found[:2] == (table, file)):
            yield f"  {count:,} × {f'{column}: ' if column else ''}{reason} (first in row {row})"


def _table(con: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Rows, customers, first and last day, and the sum of amounts by currency of a table with usable rows."""
    day = f"cast({table.event_day} as date)" if table.event_day else "null"
    customers = "count(distinct customer_id)" if "customer_id" in table.columns else "null"
    relation = f"staging.stg_{table.raw}"
    [(rows, people, first, last)] = con.execute(
        f"select count(*), {customers}, min({day}), max({day}) from {relation}"
    ).fetchall()
    if not rows:
        return
    parts = [f"{rows:,} rows"]
    if people is not None:
        parts.append(f"{people:,} customers")
    if first:
        parts.append(f"{first} to {last}")
    if "amount" in table.columns:
        sums = con.execute(
            f"select coalesce({relation}.currency, reporting.currency, ''), sum(amount) from {relation}"
            " cross join intermediate.int_reporting_currency as reporting"
            " where amount is not null group by 1 order by 1"
        ).fetchall()
        parts += [f"amounts of {amount:,.2f} {currency}".rstrip() for currency, amount in sums]
    yield f"{table.name}: {', '.join(parts)}"


def _mrr(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    [(customers, mrr, currency)] = con.execute(
        "select count(distinct customer_id), sum(monthly_amount), max(reporting.currency)"
        " from intermediate.int_counting_rows cross join intermediate.int_reporting_currency as reporting"
        " where exists_yet and ended_on is null"
    ).fetchall()
    if customers:
        yield f"at the end: {customers:,} subscribers with MRR {mrr:,.2f} {currency or ''}".rstrip()
