"""Reading private.duckdb: what only people of the company may see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import UserError


def read_private(warehouse: Path, query: str, parameters: Sequence[Any] = ()) -> list[tuple]:
    """The rows that `query` finds in the published private.duckdb of this warehouse; UserError when nothing is published."""
    file = warehouse / "private.duckdb"
    if not file.exists():
        raise UserError(f"Nothing is published in {warehouse}: run `churn refresh` first.")
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(query, list(parameters)).fetchall()
