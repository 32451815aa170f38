"""settings.yml of a warehouse folder: the settings of every refresh whose command line names no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from orchestration.errors import SetupError
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.replacing import replacing

PUBLISH = "publish"


def read_settings(warehouse: Warehouse) -> dict[str, Any]:
    """Every setting by its name; none where there is no file."""
    file = warehouse.settings
    kept = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    if not isinstance(kept or {}, dict):
        raise SetupError(f"{file} must hold lines of the form engine: spark. Nothing was changed.")
    return kept or {}


def write_settings(warehouse: Warehouse, settings: Mapping[str, Any]) -> None:
    """Set these, and leave the others as they are."""
    text = yaml.safe_dump({**read_settings(warehouse), **settings}, sort_keys=False)
    with replacing(warehouse.settings) as new:
        new.write_text(text, encoding="utf-8")
