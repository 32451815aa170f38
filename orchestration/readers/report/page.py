"""The page: a template into which style, scripts, texts and data are inserted, so that it loads nothing else."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from orchestration.errors import UserError
from orchestration.readers.report import vega
from orchestration.readers.report.data import read_data
from orchestration.warehouse import publishing
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.replacing import replacing

LANGUAGES = ("en", "bg", "ru", "fil")
MAX_BYTES = 4_800_000
_FOLDER = Path(__file__).parent


def add_report(warehouse: Warehouse) -> Path:
    """Write the report of the current version and link it. Returns the page's path in the warehouse folder."""
    version = publishing.current_version(warehouse)
    if version is None:
        raise UserError(
            f"Nothing is published in {warehouse.folder}: there is nothing to report. Run `churn refresh` first."
        )
    folder = warehouse.published / version
    with warehouse.connect() as con:
        row = con.execute("select currency from intermediate.int_reporting_currency").fetchone()
    page = write_report(folder / "churn.duckdb", folder / "report", row[0] if row else None)
    publishing.open_to_readers(warehouse, folder / "report")
    publishing.sync(page, page.parent)
    publishing.reconcile(warehouse)
    return warehouse.folder / "report" / page.name


def write_report(database: Path, folder: Path, currency: str | None = None) -> Path:
    """Write `folder`/index.html about a published churn.duckdb; `currency` is the reporting currency,
    where it is known.

    Returns the path of the page. If a company has very many segments,
    the last segment types are left out until the page is small enough to send by e-mail.
    """
    segment_types = None
    while True:
        data = read_data(database, currency, segment_types)
        page = _page(data).encode()
        if len(page) <= MAX_BYTES or not data["segment_types"]:
            break
        segment_types = data["segment_types"][:-1]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "index.html"
    with replacing(file) as new:
        new.write_bytes(page)
    return file


def _page(data: dict[str, Any]) -> str:
    # A single pass over the template: inserted contents may themselves contain braces.
    before, *parts = _file("page.html").split("{{")
    contents = {
        "style": _file("style.css"),
        "texts": _json({language: json.loads(_file(f"../text/{language}.json")) for language in LANGUAGES}),
        "data": _json(data),
        "library": _script(vega.script()),
        "code": _script("\n".join(_file(name) for name in _scripts())),
    }
    pieces = [part.split("}}", 1) for part in parts]
    return before + "".join(contents[name] + text for name, text in pieces)


def _scripts() -> list[str]:
    """The page's own scripts in their order: the tools, the sections as ordered on the page, the start."""
    sections = [f"sections/{name}.js" for name in json.loads(_file("sections.json"))]
    return ["tools.js", "charts.js", *sections, "start.js"]


@cache
def _file(name: str) -> str:
    return (_FOLDER / "assets" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    # `<` escaped: no text can end the element that holds it
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _script(code: str) -> str:
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _plain(value: object) -> float | str:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
