"""A small table of a mart for Dagster's UI: the course of its measures, or its latest rows.
Numbers and codes, nobody's row."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import duckdb

BARS = "▁▂▃▄▅▆▇█"
MONTHS = 24
ROWS = 12
COLUMNS = 6

# The rows of one grain and the whole company, where a mart stacks several.
_ONE_GRAIN = {"period_grain": "'month'", "cohort_grain": "'month'", "segment_type": "'all'"}
_KEYS = {*_ONE_GRAIN, "segment", "period_start", "period_end", "cohort_start", "is_complete"}
_SHARES = {"rate", "share", "retention", "csat", "margin"}
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL", "HUGEINT")

# What would make more of a text than a text.
_MARKUP = re.compile(r"([\\`*\[\]<>|&])")


def glimpse(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> str | None:
    """Markdown: per measure its last complete months as bars and in figures; of a mart with several rows a month the
    latest complete month. None for a table without periods."""
    types = dict(
        con.execute(
            "select column_name, data_type from duckdb_columns() where (schema_name, table_name) = (?, ?)"
            " order by column_index",
            [schema, table],
        ).fetchall()
    )
    if not {"period_start", "is_complete"} <= types.keys():
        return None
    measures = [name for name, kind in types.items() if name not in _KEYS and kind.startswith(_NUMBERS)]
    others = [name for name in types if name not in {*_KEYS, *measures}]
    among = " and ".join(["is_complete", *(f"{name} = {value}" for name, value in _ONE_GRAIN.items() if name in types)])
    if others or "age" in measures:
        return _latest(con, f"{schema}.{table}", [*others, *measures[:COLUMNS]], among)
    return _course(con, f"{schema}.{table}", measures, among)


def bars(values: list[Any]) -> str:
    """The course of numbers in one line of text; a blank where there is none."""
    known = [float(value) for value in values if value is not None]
    low, height = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(
        " " if value is None else BARS[round((float(value) - low) / height * 7) if height else 3] for value in values
    )


def _course(con: duckdb.DuckDBPyConnection, table: str, measures: list[str], among: str) -> str:
    rows = con.execute(
        f"select {', '.join(measures)} from {table} where {among} order by period_start desc limit {MONTHS}"
    ).fetchall()[::-1]
    lines = (
        [(name, bars(values), _figure(name, values[-1])) for name, *values in zip(measures, *rows, strict=True)]
        if rows
        else []
    )
    return _markdown(("measure", f"last {len(rows)} months", "latest"), lines)


def _latest(con: duckdb.DuckDBPyConnection, table: str, columns: list[str], among: str) -> str:
    latest = f"period_start = (select max(period_start) from {table} where {among})"
    rows = con.execute(
        f"select {', '.join(columns)} from {table} where {among} and {latest} order by all limit {ROWS}"
    ).fetchall()
    return _markdown(
        columns, [[_figure(name, value) for name, value in zip(columns, row, strict=True)] for row in rows]
    )


def _figure(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float | Decimal):
        return f"{value:.1%}" if _SHARES.intersection(name.split("_")) else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else _MARKUP.sub(r"\\\1", " ".join(str(value).split()))


def _markdown(header: Any, rows: list[Any]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows])
