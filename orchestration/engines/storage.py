"""The storage of Spark: a folder whose files the refresh writes and deletes, so that it is of one warehouse alone."""

from __future__ import annotations

from pathlib import Path

from orchestration.errors import SetupError
from orchestration.warehouse.replacing import replacing

# Holds the identity of the warehouse whose storage the folder is.
MARKER = "churn-warehouse.id"


def is_ours(storage: Path, identity: str) -> bool:
    """Whether the folder is marked as the storage of this warehouse."""
    marker = storage / MARKER
    return marker.exists() and marker.read_text(encoding="utf-8", errors="replace").strip() == identity


def refuse_foreign(storage: Path, identity: str) -> None:
    """SetupError where the folder holds anything, unless it is marked as the storage of this warehouse."""
    marker = storage / MARKER
    if is_ours(storage, identity) or not storage.exists() or not any(storage.iterdir()):
        return
    if marker.exists():
        lack = "belongs to another warehouse, or to the one that this warehouse is a copy of"
    else:
        lack = "holds files that no warehouse has marked as its own"
    raise SetupError(
        f"--spark-storage {storage}: the folder {lack}. Name an empty folder, or one that does not exist yet. Only if"
        " it is the folder of this very warehouse, which was moved to another disk or restored from a backup, write"
        f" {identity} into {marker}. Nothing was changed.",
        code="engine",
    )


def claim(storage: Path, identity: str) -> None:
    """Make the folder, its owner's alone, and mark it."""
    storage.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage.chmod(0o700)
    with replacing(storage / MARKER, private=True) as new:
        new.write_text(f"{identity}\n", encoding="utf-8")
