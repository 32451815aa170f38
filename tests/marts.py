"""The marts as the project describes them:
the YAML beside the models is where their columns and keys are written down."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [ROOT / "models" / "marts", ROOT / "models" / "restricted"]


def described() -> dict[str, dict]:
    """Mart -> its YAML, of every model in the folders of marts. Fails when a model has none."""
    models = {path.stem for folder in FOLDERS for path in folder.rglob("*.sql")}
    found = {model["name"]: model for text in yamls() for model in text.get("models", [])}
    assert set(found) == models
    return found


def yamls() -> list[dict]:
    return [
        yaml.safe_load(path.read_text(encoding="utf-8")) for folder in FOLDERS for path in sorted(folder.rglob("*.yml"))
    ]


def columns_of(mart: dict) -> set[str]:
    return {column["name"] for column in mart["columns"]}


def key_of(mart: dict) -> list[str]:
    return mart["config"]["meta"]["primary_key"]
