"""Finding what a warehouse folder has published."""

from pathlib import Path

from orchestration.errors import UserError


def published_file(warehouse: Path, name: str) -> Path:
    """The path of a published file (churn.duckdb, private.duckdb); UserError when nothing is published."""
    file = warehouse / name
    if not file.exists():
        raise UserError(f"Nothing is published in {warehouse}: run `churn refresh` first.")
    return file
