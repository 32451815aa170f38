"""What the current version was made from, and whether everything is still as the refresh that published it left it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import file_digest
from typing import Any

from orchestration.warehouse import publishing
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.replacing import replacing


def keep(warehouse: Warehouse, made_from: Mapping[str, Any]) -> None:
    """Note what the current version was made from, once its refresh has left everything as it is to stay."""
    version = publishing.current_version(warehouse)
    assert version
    note = {"version": version, "made_from": made_from, "hashes": _hashes(warehouse, version)}
    _write(warehouse, note)


def kept(warehouse: Warehouse) -> Mapping[str, Any] | None:
    """What the current version was made from; None where that is unknown, or where somebody has written to build.duckdb
    since: another refresh, that of a killed process too."""
    note = _read(warehouse)
    is_current = note and note.get("version") == publishing.current_version(warehouse)
    return note.get("made_from") if is_current and note.get("build") == _stamp(warehouse) else None


def is_intact(warehouse: Warehouse) -> bool:
    """Whether the current version is, at every path and byte for byte, what was published, with its `data_docs`."""
    note = _read(warehouse)
    changes = warehouse.current.with_name("churn.duckdb.wal")  # DuckDB would replay them for readers
    return (
        not changes.exists()
        and publishing.is_linked(warehouse)
        and note.get("hashes") == _hashes(warehouse, note["version"])
    )


def keep_still(warehouse: Warehouse) -> None:
    """What has been written to build.duckdb since changes nothing of it."""
    _write(warehouse, _read(warehouse))


def _write(warehouse: Warehouse, note: Mapping[str, Any]) -> None:
    with replacing(warehouse.origin) as new:
        new.write_text(json.dumps({**note, "build": _stamp(warehouse)}), encoding="utf-8")


def _read(warehouse: Warehouse) -> dict[str, Any]:
    try:
        note = json.loads(warehouse.origin.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _stamp(warehouse: Warehouse) -> list[int] | None:
    """Size and time of change of build.duckdb; None where it is missing or some of it is still beside it."""
    if not warehouse.build.exists() or warehouse.build.with_name("build.duckdb.wal").exists():
        return None
    status = warehouse.build.stat()
    return [status.st_size, status.st_mtime_ns]


def _hashes(warehouse: Warehouse, version: str) -> dict[str, str]:
    """The hash of each file of a version and of `data_docs`, by its path in the warehouse folder."""
    hashes = {}
    for place in (warehouse.published / version, warehouse.data_docs):
        for path in place.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    hashes[path.relative_to(warehouse.folder).as_posix()] = file_digest(file, "sha256").hexdigest()
    return hashes
