"""What is doubtful of lists that are delivered as snapshots."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from orchestration.contract.tables import contract
from orchestration.loading.readings import identifier


def doubts(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Warnings of the newest snapshot of each source against the one before it. Needs the tables of `registry.settle`."""
    return [*_renumbered(con), *_rewritten(con)]


def _renumbered(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for table_name, source in con.execute(
        "select distinct table_name, source from snapshot_files order by all"
    ).fetchall():
        table = contract()[table_name]
        key = next(column.name for column in table.columns.values() if column.key)
        latest = con.execute(
            """
            select snapshot_order, list(distinct load_id), min(file)
            from raw.files
            inner join snapshot_files using (table_name, source, file)
            where table_name = ? and source = ? and is_current
            group by snapshot_order
            order by snapshot_order desc
            limit 2
            """,
            [table_name, source],
        ).fetchall()
        if len(latest) < 2:
            continue
        (_, new, file), (_, old, file_before) = latest
        keys = (
            f"select distinct {identifier(key)} from raw.{table.raw}_rows"
            f" where list_contains(?, load_id) and {identifier(key)} is not null"
        )
        [(now, before, shared)] = con.execute(
            f"with new as ({keys}), old as ({keys}) select (select count(*) from new), (select count(*) from old),"
            " (select count(*) from new inner join old using (" + identifier(key) + "))",
            [new, old],
        ).fetchall()
        if now and before and not shared:
            yield (
                f"{table_name}: {file} shares no key ({key}) with the snapshot before it, {file_before}: all {before:,} of it"
                f" count as gone and all {now:,} as new. If the rows were numbered anew, map {key} to a column that stays."
            )


def _rewritten(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Keys that are new in the newest list and say that they started before a list that lacked them."""
    rows = con.execute(
        """
        with lists as (
            select table_name, source, load_id, snapshot_on
            from raw.snapshots
            inner join raw.loads using (table_name, source, content_hash)
        ),
        seen as (
            select lists.source, subscription_id, try_cast(min(started_on) as timestamp)::date as started_on,
                min(snapshot_on) as first_seen_on
            from raw.billing__subscriptions_rows as rows
            inner join lists using (load_id)
            where subscription_id is not null
            group by lists.source, subscription_id
        ),
        days as (
            select source, max(snapshot_on) as newest_on,
                max(snapshot_on) filter (snapshot_on < (select max(snapshot_on) from lists as others where others.source = lists.source)) as before_on
            from lists
            group by source
        )
        select count(*), before_on, newest_on
        from seen
        inner join days using (source)
        where first_seen_on = newest_on and started_on <= before_on
        group by source, before_on, newest_on
        """
    ).fetchall()
    for count, before, newest in rows:
        yield (
            f"billing.subscriptions: {count:,} subscription{'s' if count > 1 else ''} of the list of {newest} started on or"
            f" before {before} by their own account, and the list of that day lacks them: months that were closed are"
            " restated. If the day is that of another event, map another column to started_on."
        )
