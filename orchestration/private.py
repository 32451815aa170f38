"""Reading private.duckdb: what only people of the company may see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.published import published_file


def read_private(warehouse: Path, query: str, parameters: Sequence[Any] = ()) -> list[tuple]:
    """The rows that `query` finds in the published private.duckdb of this warehouse; UserError when nothing is published."""
    with duckdb.connect(str(published_file(warehouse, "private.duckdb")), read_only=True) as con:
        return con.execute(query, list(parameters)).fetchall()
