"""The currency and the price that plans have, as far as they decide what is loaded of another table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from orchestration.contract.mapping import MINOR_UNITS, Mapping, SourceRule
from orchestration.contract.tables import contract
from orchestration.loading import registry
from orchestration.loading.discovery import Delivery
from orchestration.loading.report import LoadReport
from orchestration.warehouse.quoting import identifier

if TYPE_CHECKING:
    from orchestration.loading.source_load import SourceLoad

PLANS = "billing.plans"
RELATION = "known_plans"
Plans = dict[str, list[str | None]]  # plan_id as in `raw`: currency and price


def are_asked(rule: SourceRule) -> bool:
    """Whether what is loaded of a source may depend on its plans: on their minor units, or on the prices from which a
    discount of an exploded record is taken off."""
    if rule.table.name == PLANS or "plan_id" not in rule.table.columns:
        return False
    return bool(rule.explode) or any(mapped.scale == MINOR_UNITS for mapped in rule.columns.values())


def look_up(
    con: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    deliveries: list[Delivery],
    loads: Sequence[SourceLoad],
    delivered: Path | None,
) -> Plans:
    """What the plans are once all deliveries are loaded, also as the temporary table known_plans; `loads` are those of
    plans, which have been read. What will be in force only the registry can say: they are written and taken back."""
    con.execute("begin")
    try:
        for load in loads:
            load.write(LoadReport(mapping))
        found = [delivery for load in loads for delivery in load.deliveries]
        registry.register(con, found, {place: load_id for load in loads for place, load_id in load.load_ids.items()})
        registry.take_back(con, deliveries)
        registry.settle(con, mapping)
        plans = con.execute(_newest_rows(con, delivered)).fetchall()
    finally:
        con.execute("rollback")
    columns = [list(column) for column in zip(*plans, strict=True)] or [[]] * 3
    con.execute(
        f"create or replace temp table {RELATION} as select unnest(?::varchar[]) as known_plan_id,"
        " unnest(?::varchar[]) as plan_currency, unnest(?::varchar[]) as plan_price",
        columns,
    )
    return {plan: terms for plan, *terms in plans}


def _newest_rows(con: duckdb.DuckDBPyConnection, delivered: Path | None) -> str:
    """The newest row in force of each plan, in the order of macros/staging/base_table.sql. Of the rows that staging
    quarantines, those with a value that can't be read are left out here."""
    table = contract()[PLANS]
    unreadable = " or ".join(f"starts_with({identifier(name)}, 'unreadable: ')" for name in table.columns)
    newest = "arg_max({'currency': currency, 'price': price}, (file_order, load_order, source, row_number))"
    return (
        f"select plan_id, newest.currency, newest.price from (select plan_id, {newest} as newest"
        f" from {registry.rows(con, table, delivered)} inner join raw.loads using (load_id)"
        f" where in_force and malformed is null and plan_id is not null and not coalesce({unreadable}, false)"
        " group by plan_id)"
    )
