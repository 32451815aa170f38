"""How a refresh ended, for programs and for people who were not there: refresh.json for anybody
(docs/refresh.schema.json), and failure.txt, which its owner alone may read, with all that a failure says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any

from orchestration.errors import INTERRUPTED, ChurnError, EnvironmentFailure, SetupError, UserError, Withheld
from orchestration.warehouse import folder
from orchestration.warehouse.replacing import replacing

if TYPE_CHECKING:
    import duckdb

    from orchestration.readers.headline import Headline
    from orchestration.refresh.progress import Progress
    from orchestration.warehouse.folder import Warehouse

SHOWN = 20
PACKAGES = ("duckdb", "dbt-core", "dagster", "great-expectations")


@contextmanager
def recorded(warehouse: Warehouse, started_at: datetime, progress: Progress) -> Iterator[dict[str, Any]]:
    """While a refresh runs refresh.json says so; then how it has ended: what was entered here, and the failure that it
    has left with. The holder of the warehouse alone may call it."""
    facts: dict[str, Any] = {"status": folder.FAILED}
    _write(warehouse, {"status": folder.RUNNING}, started_at)
    warehouse.failure.unlink(missing_ok=True)
    try:
        yield facts
        facts.setdefault("exit_code", 0)
    except BaseException as error:
        if "exit_code" not in facts:
            facts |= failed(warehouse, error)
        raise
    finally:
        progress.outcome = _write(warehouse, facts, started_at, folder.now())


def _write(
    warehouse: Warehouse, facts: Mapping[str, Any], started_at: datetime, finished_at: datetime | None = None
) -> str:
    """Replace refresh.json. Returns its text, also where the disk is full."""
    empty: dict[str, Any] = {
        "status": None,
        "exit_code": None,
        "message": None,
        "problems": [],
        "details": None,
        "refresh_id": None,
        "started_at": started_at,
        "finished_at": finished_at,
        "as_of": None,
        "seconds": {},
        "counts": None,
        "headline": None,
        "failed_checks": [],
        "versions": versions(),
    }
    text = json.dumps({**empty, **facts}, default=_plain, indent=2, ensure_ascii=False) + "\n"
    with suppress(OSError), replacing(warehouse.outcome) as new:
        new.write_text(text, encoding="utf-8")
        new.chmod(0o666 & ~warehouse.umask)
    return text


def failed(warehouse: Warehouse, error: BaseException) -> dict[str, Any]:
    """What refresh.json says of a failure: nothing that was in the extracts. All of it goes to failure.txt."""
    if not isinstance(error, Exception):
        return {"exit_code": INTERRUPTED, "message": "Interrupted."}
    if not isinstance(error, ChurnError):
        return {"exit_code": EnvironmentFailure.exit_code, "message": f"internal error ({type(error).__name__})."}
    facts: dict[str, Any] = {"exit_code": error.exit_code}
    with suppress(OSError), replacing(warehouse.failure, private=True) as new:
        new.write_text(f"{folder.now():%Y-%m-%d %H:%M:%S} UTC\n{error}\n", encoding="utf-8")
        facts["details"] = str(warehouse.failure)
    if isinstance(error, UserError):
        facts["problems"] = [asdict(place) for place in error.places]
    return {**facts, "message": public(error, warehouse.failure if "details" in facts else None)}


def withheld(error: UserError, outcome: str | None, doing: str = "") -> Withheld:
    """The failure of a command that nobody watches, without what may not stand in a log. `outcome` is the text of
    refresh.json, if it tells of this failure."""
    details = json.loads(outcome)["details"] if outcome else None
    return Withheld(public(error, Path(details) if details else None, doing))


def public(error: ChurnError, details: Path | None, doing: str = "") -> str:
    """The failure in words that quote nothing of the extracts: where a person has to look, not what stands there.
    `details` is the file with the whole text, if there is one."""
    if not isinstance(error, UserError) or isinstance(error, SetupError):
        return str(error)
    places = [str(place) for place in error.places]
    shown = "; ".join(places[:SHOWN]) + (f"; and {len(places) - SHOWN} more" if len(places) > SHOWN else "")
    whole = (
        f"The whole text is in {details}, for its owner alone, and" if details else "The whole text isn't shown here;"
    )
    return (
        f"{doing}{': ' if doing else ''}the extracts must be corrected first: {shown}. {whole} `churn check` prints it."
    )


def checked(con: duckdb.DuckDBPyConnection, version: str, status: str) -> dict[str, Any]:
    """The checks that did not pass, critical ones first; and the numbers of rows and checks, of a refresh that has
    come to its end: before, build.duckdb may have those of an earlier one."""
    found = con.execute(
        "select check_name, table_name, gate, severity, status, failed_count from quality.check_results"
        " where refresh_id = ? and status <> 'passed' order by severity, table_name, check_name",
        [version],
    ).fetchall()
    names = ("check", "table", "gate", "severity", "status", "failed")
    facts: dict[str, Any] = {"failed_checks": [dict(zip(names, row, strict=True)) for row in found]}
    if status in (folder.PUBLISHED, folder.UNCHANGED, folder.REFUSED):
        [(read, loaded, quarantined)] = con.execute(
            "select coalesce(sum(rows_read), 0), coalesce(sum(rows_loaded), 0), coalesce(sum(rows_quarantined), 0)"
            " from quality.load_audit"
        ).fetchall()
        [(checks,)] = con.execute(
            "select count(*) from quality.check_results where refresh_id = ?", [version]
        ).fetchall()
        numbers = {"rows_read": read, "rows_loaded": loaded, "rows_quarantined": quarantined, "checks": checks}
        facts["counts"] = {**{name: int(number) for name, number in numbers.items()}, "checks_failed": len(found)}
    return facts


def headline(numbers: Headline) -> dict[str, Any]:
    """The headline without the counts, which are beside it."""
    return {name: asdict(numbers)[name] for name in ("months", "reasons", "win_back")}


@cache
def versions() -> Mapping[str, str]:
    """What has run."""
    from orchestration.transform.project import code_version

    return {"churn-warehouse": code_version(), "python": python_version(), **{name: version(name) for name in PACKAGES}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else float(value)
