"""refresh.json as programs read it: held to its schema in the docs."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).parents[1]
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs" / "refresh.schema.json").read_text(encoding="utf-8"))
)


def outcome_of(warehouse: Path) -> dict[str, Any]:
    """What refresh.json of a warehouse says; with permissions and a form as documented."""
    file = warehouse / "refresh.json"
    outcome = json.loads(file.read_text(encoding="utf-8"))
    SCHEMA.validate(outcome)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask
    if outcome["details"]:
        assert stat.S_IMODE(Path(outcome["details"]).stat().st_mode) == 0o600
    return outcome
