"""What customers may be split by (the policy `segments`): the named columns of the marts, or any column of the
customers files that holds nothing personal, for the values of a segment are published."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from orchestration.contract.mapping import Mapping
from orchestration.contract.names import nearest
from orchestration.contract.tables import contract
from orchestration.errors import UserError

CUSTOMERS = "crm.customers"


def named_segments() -> tuple[str, ...]:
    """The segments that the contract names, and the one that billing gives; any other is read from the raw row of the
    customer's card."""
    columns = contract()[CUSTOMERS].columns.values()
    return (*(column.segment for column in columns if column.segment), "first_plan")


def refuse_personal(segments: Iterable[str], mapping: Mapping) -> None:
    """UserError for a segment that names a personal column, as the contract or as the company's files call it."""
    table = contract()[CUSTOMERS]
    rules = [rule.columns for rule in mapping.sources(table)]
    pseudonyms = {name for columns in rules for name, mapped in columns.items() if mapped.pseudonym}
    for name in (column.name for column in table.columns.values() if column.personal or column.name in pseudonyms):
        sources = [source for columns in rules if name in columns for source in columns[name].read_from]
        # of a path into JSON, everything on the way holds it
        steps = {source[: end.start()] for source in sources for end in re.finditer(r"[.\[]|$", source)}
        if personal := sorted({name, *steps}.intersection(segments)):
            called = "" if personal[0] == name else f" ({CUSTOMERS}.{name} comes from it)"
            raise UserError(
                f"policy segments: '{personal[0]}' is personal{called}, and the values of segments are published."
                " Split by something else.",
                code="segments",
            )


def refuse_reserved(segments: Iterable[str]) -> None:
    """UserError for a segment that could not be told from the whole company, or not be found in a row."""
    for name in segments:
        if name == "all":
            raise UserError(
                "policy segments: 'all' stands for the whole company. Give the column another name.", code="segments"
            )
        if name == "*" or re.search(r'["\\]', name):
            raise UserError(
                f"policy segments: {name!r} cannot be read by its name. Give the column another one.", code="segments"
            )


def refuse_unknown(segments: Iterable[str], con: duckdb.DuckDBPyConnection) -> None:
    """UserError for a segment that no row of the customers files that are in force has."""
    named = named_segments()
    rows = f"from raw.{contract()[CUSTOMERS].raw} where in_force and malformed is null"
    for name in segments:
        if (
            name not in named
            and not con.execute(f"select 1 {rows} and list_contains(json_keys(raw_row), ?) limit 1", [name]).fetchone()
        ):
            keys = con.execute(f"select distinct unnest(json_keys(raw_row)) {rows}").fetchall()
            raise UserError(
                f"policy segments: no file of {CUSTOMERS} has a column '{name}';"
                f" {nearest(name, [*named, *(key for (key,) in keys)])}. Nothing was published.",
                code="segments",
            )
