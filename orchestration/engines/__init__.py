"""Which engine runs the models: DuckDB in this process, or Spark on a cluster (see `spark`).

DuckDB loads, judges and publishes either way, out of build.duckdb. What the models made of the raw tables lies there as
tables when DuckDB ran them, as views on Parquet files when Spark did.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orchestration.contract.names import nearest
from orchestration.engines.storage import is_ours
from orchestration.errors import SetupError
from orchestration.transform import project
from orchestration.warehouse.connection import is_short_of_memory, settings
from orchestration.warehouse.folder import JOURNALS, Warehouse
from orchestration.warehouse.quoting import identifier
from orchestration.warehouse.settings import PUBLISH, read_settings, write_settings

if TYPE_CHECKING:
    import duckdb
    from dbt.artifacts.schemas.results import NodeResult
    from dbt.contracts.graph.manifest import Manifest

_SPEAKS_OF_NO_VALUE = re.compile(
    r"(Binder|Catalog|Parser|Compilation|IO|Out of Memory|TransactionContext) Error|\[Errno"
)
# Appended to, never rebuilt: the tables of build.duckdb that outlive a refresh on any engine, besides those of `raw`.
APPENDED = (
    ("history", "closed_month_versions"),
    *(("quality", journal.name) for journal in JOURNALS),
)
# The folder of a storage with the copies of delivered files that Spark reads itself.
DELIVERED = "delivered"


class Engine(Protocol):
    """What a refresh asks of the engine that runs the models."""

    def begin(self, con: duckdb.DuckDBPyConnection) -> None:
        """Before anything is loaded: see that the engine answers, and forget what another one made."""

    def prepare(self, con: duckdb.DuckDBPyConnection, gate: str) -> None:
        """Before dbt builds the models of a gate: give the engine what they read."""

    @property
    def name(self) -> str:
        """The target in profiles.yml."""

    @property
    def builds_anew(self) -> bool:
        """Whether it builds every model each time, into a new place."""

    @property
    def delivered(self) -> Path | None:
        """Where the loader copies the delivered files that the engine reads itself, if it does."""

    def running(self) -> AbstractContextManager[tuple[Mapping[str, Any], Manifest]]:
        """While dbt runs: what its profile says besides, and the project as it is on this engine."""

    def adopt(self, con: duckdb.DuckDBPyConnection, results: Iterable[NodeResult]) -> None:
        """After dbt: make what it built readable in build.duckdb."""

    def can_try_again(self, failed: Collection[NodeResult]) -> bool:
        """Whether what failed may succeed when it is tried again. What it has left behind is removed then."""

    def left_over(self) -> str | None:
        """What a person should know of files that another engine has left."""

    def rows(self, con: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
        """The rows of a query that was compiled for this engine."""

    def without_values(self, message: str) -> str:
        """The engine's message as far as it quotes no data."""


@dataclass(frozen=True)
class EngineSettings:
    """The engine of a warehouse, as the settings file of its folder keeps it (settings.yml)."""

    engine: str = "duckdb"
    spark_url: str | None = None
    spark_storage: str | None = None
    spark_prefix: str = "churn_"

    @classmethod
    def of(cls, warehouse: Warehouse, given: Mapping[str, str | None]) -> EngineSettings:
        """What is `given` wins over the settings file."""
        written = read_settings(warehouse)
        for name in written:
            if name not in (*SETTINGS, PUBLISH):
                raise SetupError(
                    f"{warehouse.settings}: there is no setting '{name}'; {nearest(name, (*SETTINGS, PUBLISH))}.",
                    code="engine",
                )
        written.pop(PUBLISH, None)
        for name, value in written.items():
            if not isinstance(value, str):
                raise SetupError(
                    f"{warehouse.settings}: {name} must be a text, not {value!r}. Nothing was changed.", code="engine"
                )
        found = replace(cls(), **{**written, **{name: value for name, value in given.items() if value}})
        if found.engine not in ("duckdb", "spark"):
            raise SetupError(
                f"The engine is {found.engine!r}, but must be duckdb or spark. Nothing was changed.", code="engine"
            )
        return found

    def remember(self, warehouse: Warehouse) -> None:
        """Write them down for the refreshes that name none; DuckDB needs no file."""
        if self != EngineSettings() or warehouse.settings.exists():
            write_settings(warehouse, {name: value for name, value in asdict(self).items() if value is not None})

    def start(self, warehouse: Warehouse, refresh_id: str) -> Engine:
        """The engine for one refresh. Raises SetupError when a setting is missing or can't be right."""
        if self.engine == "duckdb":
            return DuckDB(warehouse, Path(self.spark_storage) if self.spark_storage else None)
        from orchestration.engines.spark import Spark

        return Spark.of(self, warehouse, refresh_id)


SETTINGS = tuple(field.name for field in fields(EngineSettings))


@dataclass(frozen=True)
class DuckDB:
    """The models run in build.duckdb itself."""

    warehouse: Warehouse
    spark_storage: Path | None = None
    name = "duckdb"
    builds_anew = False
    delivered = None

    def begin(self, con: duckdb.DuckDBPyConnection) -> None:
        from orchestration.loading import registry

        registry.take_in(con, self.spark_storage and self.spark_storage / DELIVERED)
        forget_views(con, "comment is null")  # DuckDB's own note in a comment what they are made from

    def prepare(self, con: duckdb.DuckDBPyConnection, gate: str) -> None:
        pass

    @contextmanager
    def running(self) -> Iterator[tuple[Mapping[str, Any], Manifest]]:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        output = {"path": str(self.warehouse.build), "config_options": settings(self.warehouse.scratch)}
        try:
            yield output | ({"threads": 1} if is_short_of_memory() else {}), project.load_manifest()
        finally:
            DuckDBConnectionManager.close_all_connections()

    def adopt(self, con: duckdb.DuckDBPyConnection, results: Iterable[NodeResult]) -> None:
        pass

    def can_try_again(self, failed: Collection[NodeResult]) -> bool:
        return False

    def left_over(self) -> str | None:
        with suppress(OSError):  # it may be out of reach by now
            if self.spark_storage and is_ours(self.spark_storage, self.warehouse.identity):
                return (
                    f"{self.spark_storage} still holds what Spark read and built, personal data too. DuckDB needs"
                    " nothing of it: delete the folder, unless you go back to Spark."
                )
        return None

    def rows(self, con: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
        return con.execute(query).fetchall()

    def without_values(self, message: str) -> str:
        return without_values(message)


def forget_views(con: duckdb.DuckDBPyConnection, which: str = "true") -> None:
    """Drop the views by which build.duckdb reads what was built, on whichever engine."""
    views = "select schema_name, view_name from duckdb_views() where not internal and schema_name <> 'raw'"
    for schema, name in con.execute(f"{views} and {which}").fetchall():
        con.execute(f"drop view {identifier(schema)}.{identifier(name)}")


def forget_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the tables that DuckDB has built out of `raw`."""
    tables = "select schema_name, table_name from duckdb_tables() where not internal and schema_name <> 'raw'"
    for schema, name in con.execute(tables).fetchall():
        if (schema, name) not in APPENDED:
            con.execute(f"drop table {identifier(schema)}.{identifier(name)}")


def without_values(message: str) -> str:
    """DuckDB's or dbt's message where it speaks of names, files or memory;
    of any other only its kind, for it may quote a value."""
    if _SPEAKS_OF_NO_VALUE.search(message):
        return message
    kinds = dict.fromkeys(re.findall(r"[A-Z]\w* Error", message))
    return f"{', '.join(kinds)}{': ' if kinds else ''}(its message may quote values)"
