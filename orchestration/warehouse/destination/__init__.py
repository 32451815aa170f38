"""A database where people work, to which what is published goes as well: Postgres, or one that dlt writes to.

What goes there are the tables of churn.duckdb's schemas marts and quality. Rows are replaced, not tables, all of them
in one transaction, so that readers see the version before until its end and the new one from then on; views and rights
on the tables stay. Only a table that has other columns now is made anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

from orchestration.errors import SetupError
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.settings import PUBLISH, read_settings

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Destination(ABC):
    """The database at an address. Its text shows no user and no password."""

    address: str = field(repr=False)

    @staticmethod
    def of(warehouse: Warehouse, given: str | None) -> Destination | None:
        """What is `given` wins over settings.yml. Raises SetupError for what can't be published to, before anything is
        done."""
        kept = read_settings(warehouse).get(PUBLISH)
        if kept and (not isinstance(kept, str) or _has_password(kept)):
            raise SetupError(
                f"{warehouse.settings}: publish: must be an address without a password. Keep the password where"
                " docs/bi.md says. Nothing was changed."
            )
        address = given or kept
        if not address:
            return None
        from orchestration.warehouse.destination.by_dlt import KINDS, ByDlt
        from orchestration.warehouse.destination.postgres import FORM, Postgres

        scheme = address.partition("://")[0]
        if scheme in KINDS:
            return ByDlt.at(address)
        if scheme in ("postgresql", "postgres"):
            return Postgres.at(address)
        forms = ", ".join(kind.form for kind in KINDS.values())
        raise SetupError(f"What to publish to must have the form {FORM}, or one of {forms}. Nothing was changed.")

    @abstractmethod
    def __str__(self) -> str: ...

    def publish(self, warehouse: Warehouse, refresh_id: str) -> dict[str, int]:
        """Replace what readers of the database see by the version of a refresh. Returns the rows of each table.
        Raises EnvironmentFailure, which says that the database keeps what it had."""
        file = warehouse.published / refresh_id / "churn.duckdb"
        with duckdb.connect(str(file), read_only=True) as con:
            warehouse.scratch.mkdir(parents=True, exist_ok=True)
            return self.replace(con, warehouse.scratch)

    @abstractmethod
    def replace(self, con: duckdb.DuckDBPyConnection, scratch: Path) -> dict[str, int]:
        """Publish the tables of a published file."""


def _has_password(address: str) -> bool:
    try:
        return bool(urlsplit(address).password)
    except ValueError:  # such as of a port that is none: said later, without the address
        return False
