"""Whether a refresh would publish again what readers have: then it ends at once and leaves everything as it is.

Any doubt makes a whole refresh: a wrong "nothing new" would cost more than the time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.contract.policies import Value
from orchestration.contract.reason_aliases import own_aliases
from orchestration.engines import EngineSettings
from orchestration.errors import UserError
from orchestration.loading.newest_day import default_as_of, newest_day, stale_warning, yesterday_in
from orchestration.readers.report.data import is_stale
from orchestration.transform.project import code_version
from orchestration.warehouse import folder, origin
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.folder import PastRefresh, Warehouse

if TYPE_CHECKING:
    from orchestration.loading.discovery import Extracts


@dataclass(frozen=True)
class NothingNew:
    """The refresh that published what readers keep, and what a person should know of it still."""

    last: PastRefresh
    warnings: list[str]

    def __str__(self) -> str:
        return f"nothing new since {self.last.started_at:%Y-%m-%d %H:%M} UTC"


def asked(
    extracts: Extracts, policies: Mapping[str, Value], engine: EngineSettings, destination: Destination | None
) -> dict[str, Any]:
    """What is asked of a refresh, besides the day, as JSON keeps it."""
    return {
        "extracts": extracts.fingerprint,  # names and contents of the files, and the mapping
        "policies": dict(policies),
        "engine": asdict(engine),
        "publish_to": destination and str(destination),
        "code_version": code_version(),
    }


def kept_by(warehouse: Warehouse, aliases: list[dict[str, str]]) -> dict[str, Any]:
    """What in the warehouse folder decides about what is published, as hashes: aliases are what people wrote."""
    key = warehouse.pseudonym_key
    return {
        "reason_aliases": sha256(json.dumps(aliases).encode()).hexdigest(),
        "pseudonyms": sha256(key.read_bytes()).hexdigest() if key.exists() else None,
    }


def nothing_new(
    warehouse: Warehouse, extracts: Extracts, request: Mapping[str, Any], as_of: date | None
) -> NothingNew | None:
    """What there is to say when the last refresh was asked the same and is published whole; else None."""
    # What must be corrected first, or can't be read, is for a whole refresh to say.
    with suppress(UserError, duckdb.Error, OSError):
        if origin.kept(warehouse) == {**request, **kept_by(warehouse, own_aliases(warehouse.folder))}:
            return _unchanged(warehouse, extracts, as_of)
    return None


def _unchanged(warehouse: Warehouse, extracts: Extracts, given: date | None) -> NothingNew | None:
    with warehouse.connect() as con:
        last = folder.last_published(con)
        yesterday = yesterday_in(extracts.mapping.time_zone)
        newest = newest_day(con, yesterday)
    as_of = given or default_as_of(newest, yesterday)
    if (as_of, newest and newest.day) != (last.as_of, last.newest_row_on):
        return None
    ends_on = last.newest_row_on or last.as_of
    if is_stale(ends_on, folder.now().date()) != is_stale(ends_on, last.started_at.date()):
        return None  # the report has to say it
    if not origin.is_intact(warehouse):
        return None
    warnings = list(extracts.warnings)
    if given is None and (stale := stale_warning(newest, as_of, yesterday)):
        warnings.append(stale)
    if failed := _failed_checks(warehouse, last.id):
        warnings.append(f"{last.id} was published with warnings, which hold still: {'; '.join(failed)}.")
    return NothingNew(last, warnings)


def _failed_checks(warehouse: Warehouse, version: str) -> list[str]:
    """The checks that warned when the current version was made, those of freshness among them."""
    with duckdb.connect(str(warehouse.current), read_only=True) as con:
        rows = con.execute(
            "select check_name, table_name from quality.check_results where refresh_id = ? and status = 'failed'"
            " order by all",
            [version],
        ).fetchall()
    return [f"{name} of {table}" for name, table in rows]
