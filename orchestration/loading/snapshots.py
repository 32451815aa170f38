"""What is doubtful of lists that are delivered as snapshots."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from orchestration.contract.tables import MONEY, Table, contract
from orchestration.warehouse.quoting import identifier


def renumbered(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Warnings of sources whose newest snapshot shares no key with the one before it.
    Needs the tables of `registry.settle`."""
    for table_name, source in con.execute(
        "select distinct table_name, source from snapshot_files order by all"
    ).fetchall():
        table = contract()[table_name]
        key = next(column.name for column in table.columns.values() if column.key)
        latest = con.execute(
            """
            select is_taken, list(distinct load_id), min(file)
            from (
                -- what a file held before it was written anew, and a page that is gone, are of the snapshot before
                select *, is_current and (is_present or not is_whole_folder) as is_taken
                from raw.files
                inner join snapshot_files using (table_name, source, file)
                where table_name = ? and source = ?
            )
            group by is_taken, snapshot_order
            order by is_taken desc, snapshot_order desc
            limit 2
            """,
            [table_name, source],
        ).fetchall()
        if len(latest) < 2 or not latest[0][0]:
            continue
        (_, new, file), (_, old, file_before) = latest
        keys = (
            f"select distinct {identifier(key)} from raw.{table.raw}"
            f" where list_contains(?, load_id) and {identifier(key)} is not null"
        )
        [(now, before, shared)] = con.execute(
            f"with new as ({keys}), old as ({keys}) select (select count(*) from new), (select count(*) from old),"
            " (select count(*) from new inner join old using (" + identifier(key) + "))",
            [new, old],
        ).fetchall()
        if now and before and not shared:
            yield (
                f"{table_name}: {file} shares no key ({key}) with the snapshot before it"
                f"{', ' + file_before if file_before != file else ''}:"
                f" all {before:,} of it count as gone and all {now:,} as new{_about(con, table, new)}."
                f" If the rows were numbered anew, map {key} to a column that stays."
            )


def _about(con: duckdb.DuckDBPyConnection, table: Table, load_ids: list[str]) -> str:
    """How many customers the rows of these loads name, and what their first column of money adds up to."""
    facts = []
    if "customer_id" in table.columns:
        facts.append("count(distinct customer_id)::varchar || ' customers'")
    if money := next((column.name for column in table.columns.values() if column.type in MONEY), None):
        amount = f"sum(try_cast({identifier(money)} as decimal(38, 6)))::decimal(38, 2)"
        facts.append(f"'{money} ' || {amount} || ' in all'")
    if not facts:
        return ""
    [(text,)] = con.execute(
        f"select concat_ws(', ', {', '.join(facts)}) from raw.{table.raw} where list_contains(?, load_id)",
        [load_ids],
    ).fetchall()
    return f" ({text})" if text else ""
