"""Finding and reading what a warehouse folder has published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import UserError


def published_file(warehouse: Path, name: str) -> Path:
    """The path of a published file (churn.duckdb, private.duckdb); UserError when nothing is published."""
    file = warehouse / name
    if not file.exists():
        raise UserError(f"Nothing is published in {warehouse}: run `churn refresh` first.")
    return file


def read_private(warehouse: Path, query: str, parameters: Sequence[Any] = ()) -> list[tuple]:
    """The rows that `query` finds in the published private.duckdb, which only people of the company may see.

    Raises UserError when nothing is published.
    """
    with duckdb.connect(str(published_file(warehouse, "private.duckdb")), read_only=True) as con:
        return con.execute(query, list(parameters)).fetchall()
