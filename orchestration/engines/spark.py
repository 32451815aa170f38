"""The models on Spark: dbt runs over a Thrift server, between Parquet files that DuckDB writes and those it reads.

The storage is a folder that this process and the cluster see under the same path:
churn-warehouse.id                  whose it is, see storage
raw/<table>_rows/<load_id>.parquet  the rows of one load each, written once
delivered/<table>/<shape>/          copies of delivered files that Spark reads itself, see loading.plain_parquet
built/<refresh_id>/<gate>/          of one refresh: what dbt reads besides, and a folder for each table that was built

Only the last refresh's `built` folder is kept. Its tables are views in build.duckdb, so that gates, publishing and
readers need not know about Spark. What must outlive a rebuild, history.closed_month_versions, is a table of
build.duckdb: it is lent to Spark for a refresh, and the rows that were appended are taken over.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestration.contract.tables import Table, contract
from orchestration.engines import DELIVERED, EngineSettings, forget_tables, forget_views, without_values
from orchestration.engines.storage import claim, refuse_foreign
from orchestration.errors import EnvironmentFailure, SetupError
from orchestration.loading import plain_parquet, registry
from orchestration.transform import project
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.quoting import identifier, quote
from orchestration.warehouse.replacing import replacing

if TYPE_CHECKING:
    import duckdb
    from dbt.artifacts.schemas.results import NodeResult
    from dbt.contracts.graph.manifest import Manifest

# What makes Spark calculate as DuckDB does; sent with every session, whatever the server's own settings are.
SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, not null
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.files.ignoreMissingFiles": "false",  # rows that can't be read are an error, not absent
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.legacy.createHiveTableByDefault": "false",
    # Spark 4.1.4 fails in it ("key not found") where unions are of constants, as a company's own reason aliases are.
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PushProjectionThroughUnion",
    # What follows from columns made of others doubles with each, and filled the server's memory for base_ models.
    "spark.sql.constraintPropagation.enabled": "false",
    # Sent to every executor are tables that look small: the files of a million customers do, with a number for each.
    "spark.sql.sources.fileCompressionFactor": "10.0",
}
# In the form that the Thrift server takes. The last is dbt-spark's own and would make overflows null: the server must
# not heed it, and every session of ours sends it to see that.
_CONFIGURATION = {
    **{f"set:hiveconf:{name}": value for name, value in SESSION.items()},
    "spark.sql.ansi.enabled": "false",
}
# Spark waits for ever for workers that were lost. A server's own limit for a statement holds; where it has none, this.
LIMIT, LONGEST = "spark.sql.thriftServer.queryTimeout", "3600s"
# A server that runs a statement says so every few seconds; one that says nothing for so many is lost.
SILENCE = 300
HISTORY = "closed_month_versions"
UNTOUCHED = "Readers keep the last published version; run the refresh again when Spark is well."
# What tells people what failed and quotes no data: Spark's error class, the names of Java's exceptions, and what Spark
# says of lost machines and full disks.
_CLASS = re.compile(r"(?:Error running query|Exception): \[([A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)*)\]")
_EXCEPTION = re.compile(r"\b(?:java|scala|org\.apache)(?:\.\w+)*\.((?!HiveSQL)\w+(?:Exception|Error|Failure))\b")
_NO_SPACE = "no space is left on a disk of the cluster or on the storage"
_NO_RIGHT = "Spark may not write to the storage: it must run as the same user"
_NOT_SEEN = "Spark does not see the storage: the whole cluster must have it under this path, and run as the same user"
_CAUSES = {
    "No space left on device": _NO_SPACE,
    "Disk quota exceeded": _NO_SPACE,
    "ExecutorLostFailure": "the cluster lost an executor, and retrying did not help",
    "Not enough memory to build and broadcast": "the memory of Spark's server (spark.driver.memory) is too small",
    "bigger than spark.driver.maxResultSize": "spark.driver.maxResultSize of Spark's server is too small",
    "OutOfMemoryError": "Spark ran out of memory",
    "SparkContext was shut down": "Spark was stopped",
    "TIMEDOUT_STATE": f"a statement took longer than {LIMIT} allows, or no workers were left to run it",
    "Permission denied": _NO_RIGHT,
    "Mkdirs failed to create": _NO_RIGHT,
    "[UNABLE_TO_INFER_SCHEMA]": _NOT_SEEN,
    "[PATH_NOT_FOUND]": _NOT_SEEN,
    "read timeout": f"the server said nothing for {SILENCE} seconds",
    "TTransportException": "the connection to Spark was lost",
    "TSocket": "the connection to Spark was lost",
    "Broken pipe": "the connection to Spark was lost",
    "Connection refused": "the connection to Spark was lost",
    "Connection reset": "the connection to Spark was lost",
    "failed to connect": "the connection to Spark was lost",
}


@dataclass
class Spark:
    """Spark for one refresh of a warehouse."""

    host: str
    port: int
    user: str
    prefix: str
    storage: Path
    warehouse: Warehouse
    refresh_id: str
    gate: str = "raw"  # whose models are built
    name = "spark"
    builds_anew = True

    @classmethod
    def of(cls, settings: EngineSettings, warehouse: Warehouse, refresh_id: str) -> Spark:
        if not settings.spark_url or not settings.spark_storage:
            raise SetupError(
                "The engine spark needs --spark-url thrift://HOST:PORT (its Thrift server) and --spark-storage DIR (a"
                " folder that the whole cluster sees under this path). Nothing was changed.",
                code="engine",
            )
        url = urlsplit(settings.spark_url)
        try:
            port = url.port
        except ValueError:
            port = None
        if url.scheme != "thrift" or not url.hostname or not port or url.password or url.path.strip("/"):
            raise SetupError(
                "--spark-url: write thrift://HOST:PORT, without a password. Nothing was changed.", code="engine"
            )
        if not Path(settings.spark_storage).is_absolute() or re.search(r"['*?\[\]{}]", settings.spark_storage):
            raise SetupError(
                f"--spark-storage {settings.spark_storage}: name a folder by its whole path, as the cluster sees it."
                " Nothing was changed.",
                code="engine",
            )
        if not re.fullmatch(r"[a-z][a-z0-9_]*", settings.spark_prefix):
            raise SetupError(
                f"--spark-prefix {settings.spark_prefix}: use small letters, digits and underscores.", code="engine"
            )
        return cls(
            url.hostname,
            port,
            url.username or "churn",
            settings.spark_prefix,
            Path(settings.spark_storage),
            warehouse,
            refresh_id,
        )

    @property
    def built(self) -> Path:
        """Where this refresh builds the models of the gate."""
        return self.storage / "built" / self.refresh_id / self.gate

    @property
    def delivered(self) -> Path:
        return self.storage / DELIVERED

    def begin(self, con: duckdb.DuckDBPyConnection) -> None:
        """See that Spark answers and that storage and databases are ours; clear what the refresh before has built."""
        _require_adapter()
        refuse_foreign(self.storage, self.warehouse.identity)
        with self._cursor() as cursor:
            missing = self._missing_databases(cursor)
            claim(self.storage, self.warehouse.identity)
            for name in missing:
                _run(cursor, f"create database {name} comment {quote(self._owner)}")
        forget_views(con)
        forget_tables(con)
        shutil.rmtree(self.storage / "built", ignore_errors=True)

    def prepare(self, con: duckdb.DuckDBPyConnection, gate: str) -> None:
        """Before the raw gate: export the loads that are new. Before the marts: lend the history. A gate that Dagster
        tries again is built from nothing: Spark makes no table where files lie."""
        self.gate = gate
        shutil.rmtree(self.built, ignore_errors=True)
        if gate == "raw":
            tables = {("raw", table.raw): table for table in contract().values()}
            sources = {(one["schema"], one["identifier"]) for one in project.manifest()["sources"].values()}
            with self._cursor() as cursor:
                for schema, name in sorted(sources - tables.keys()):
                    self._offer(con, cursor, schema, name)
                for table in tables.values():
                    self._offer_rows(con, cursor, table)
        else:
            self._lend_history(con)

    @contextmanager
    def running(self) -> Iterator[tuple[Mapping[str, Any], Manifest]]:
        with self._cursor() as cursor:
            [(_, limit)] = _rows(cursor, f"set {LIMIT}")
        _keep_sessions()
        manifest = self._placed(project.spark_manifest())
        output = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "schema": f"{self.prefix}staging",
            "server_side_parameters": {**_CONFIGURATION, f"set:hiveconf:{LIMIT}": limit},
        }
        with self._speaking(), _giving_up():
            yield output, manifest

    def adopt(self, con: duckdb.DuckDBPyConnection, results: Iterable[NodeResult]) -> None:
        """A view in build.duckdb on each table that was built, with the types that its contract declares."""
        nodes = project.manifest()["nodes"]
        for result in results:
            node = nodes[result.node.unique_id]
            if result.status != "success" or node["resource_type"] not in ("model", "seed"):
                continue
            if node["alias"] == HISTORY:
                self._take_history(con)
                continue
            declared = {
                name: column["data_type"]
                for name, column in node["columns"].items()
                if node["config"].get("contract", {}).get("enforced")
            }
            schema, name = identifier(node["schema"]), identifier(node["alias"])
            con.execute(f"create schema if not exists {schema}")
            con.execute(
                f"create or replace view {schema}.{name} as"
                f" {self._select(con, node['schema'], node['alias'], declared)}"
            )

    def can_try_again(self, failed: Collection[NodeResult]) -> bool:
        """Where neither Spark's error class is known nor what it lacks, something failed within Spark. A statement of a
        busy server does at times. Spark makes no table where files lie, so they go first; but those of the history are
        what was lent, and without them a second try would take it for empty."""
        nodes = [project.manifest()["nodes"][result.node.unique_id] for result in failed]
        if all(_known(str(result.message)) for result in failed) or any(node["alias"] == HISTORY for node in nodes):
            return False
        for node in nodes:
            shutil.rmtree(self.built / node["schema"] / node["alias"], ignore_errors=True)
        return True

    def left_over(self) -> str | None:
        return None

    def rows(self, con: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
        with self._cursor() as cursor:
            return _rows(cursor, query)

    def without_values(self, message: str) -> str:
        """What Spark says of lost machines and full disks, else the names of its errors: its messages quote data."""
        found = _known(message) or ", ".join([*dict.fromkeys(_EXCEPTION.findall(message))][:5])
        return f"Spark Error: {found}" if found else without_values(message)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A session on Spark; what goes wrong in it leaves as a sentence."""
        from pyhive import hive
        from thrift.transport.TTransport import TTransportException

        _limit_silence()
        with self._speaking():
            try:
                connection = hive.connect(self.host, self.port, username=self.user, configuration=_CONFIGURATION)
            except (TTransportException, OSError, EOFError):
                raise EnvironmentFailure(
                    f"No Spark Thrift server answers at {self._url}. Start it, or name another with --spark-url."
                    f" {UNTOUCHED}"
                ) from None
            try:
                cursor = connection.cursor()
                for name, value in SESSION.items():
                    if _rows(cursor, f"set {name}")[0][1].lower() != value.lower():
                        raise EnvironmentFailure(
                            f"Spark at {self._url} does not take the setting {name} = {value}. {UNTOUCHED}"
                        )
                if _rows(cursor, f"set {LIMIT}")[0][1].startswith("0"):
                    _run(cursor, f"set {LIMIT}={LONGEST}")
                yield cursor
            finally:
                with suppress(hive.Error, TTransportException, OSError):
                    connection.close()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What goes wrong with Spark leaves as a sentence that quotes no data, also where dbt raises it."""
        from dbt_common.exceptions import DbtBaseException
        from pyhive import hive
        from thrift.transport.TTransport import TTransportException

        try:
            yield
        except (DbtBaseException, hive.Error, TTransportException, OSError) as error:
            if isinstance(error, OSError) and error.filename:
                raise
            words = f"Spark at {self._url}: {self.without_values(f'{type(error).__name__}: {error}')}"
            self.warehouse.write_log(words)
            raise EnvironmentFailure(f"{words}. {UNTOUCHED}") from None

    @property
    def _url(self) -> str:
        return f"thrift://{self.host}:{self.port}"

    @property
    def _owner(self) -> str:
        """What says of a database on Spark whose it is."""
        return f"churn-warehouse {self.warehouse.identity}"

    def _missing_databases(self, cursor: Any) -> list[str]:
        """The databases that the models need and Spark lacks; SetupError where one of them is somebody else's."""
        manifest = project.manifest()
        relations = [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")]
        schemas = {node["schema"] for node in [*relations, *manifest["sources"].values()]}
        needed = {f"{self.prefix}{schema}" for schema in schemas}
        existing = needed & {name for (name,) in _rows(cursor, "show databases")}
        for name in sorted(existing):
            if dict(_rows(cursor, f"describe database {name}")).get("Comment") != self._owner:
                raise SetupError(
                    f"The database {name} on Spark was not made for this warehouse, or before it was moved or restored."
                    " Choose another prefix with --spark-prefix, or drop the database if nobody needs it. Nothing was"
                    " changed.",
                    code="engine",
                )
        return sorted(needed - existing)

    def _offer(self, con: duckdb.DuckDBPyConnection, cursor: Any, schema: str, name: str) -> None:
        """Copy a table to Spark, whole."""
        relation, folder = f"{self.prefix}{schema}.{name}", self.built / schema / name
        folder.mkdir(parents=True)
        _copy(con, f"select {_in_utc(con, f'{schema}.{name}')} from {schema}.{name}", folder / "0.parquet")
        _run(cursor, f"drop table if exists {relation}")
        _run(cursor, f"create table {relation} using parquet location {quote(folder)}")

    def _offer_rows(self, con: duckdb.DuckDBPyConnection, cursor: Any, table: Table) -> None:
        """A contract table on Spark: the rows of all its loads, and the view on them that `raw` has."""
        relation, names = f"{self.prefix}raw.{table.raw}", plain_parquet.row_columns(table)
        columns = ", ".join(f"`{name}` {'bigint' if name == 'row_number' else 'string'}" for name in names)
        folder = self._export_rows(con, table)
        _run(cursor, f"drop table if exists {relation}_rows")
        _run(cursor, f"create table {relation}_rows ({columns}) using parquet location {quote(folder)}")
        rows = [f"select {', '.join(f'`{name}`' for name in names)} from {relation}_rows"]
        for shape in registry.shapes(con, table):
            files = f"{relation}_{shape.id}"
            _run(cursor, f"drop table if exists {files}")
            _run(cursor, f"create table {files} using parquet location {quote(shape.folder(table, self.delivered))}")
            rows.append(shape.in_spark(table, files))
        view = registry.view(con, table, f"({' union all '.join(rows)})", f"{self.prefix}raw").replace('"', "`")
        _run(cursor, f"create or replace view {relation} as {view}")

    def _export_rows(self, con: duckdb.DuckDBPyConnection, table: Table) -> Path:
        """One file for each load of a table that the loader has read; most are there already. Returns their folder."""
        folder = self.storage / "raw" / f"{table.raw}_rows"
        folder.mkdir(parents=True, exist_ok=True)
        loads = {load for (load,) in con.execute(f"select distinct load_id from raw.{table.raw}_rows").fetchall()}
        for file in folder.iterdir():
            if file.suffix != ".parquet" or file.stem not in loads:
                file.unlink()
        columns = ", ".join(
            # letters in two parts, as an earlier version may have loaded them: the loader composes them now
            f"nfc_normalize({identifier(name)}) as {identifier(name)}" if name in table.columns else name
            for name in plain_parquet.row_columns(table)
        )
        for load in loads - {file.stem for file in folder.iterdir()}:
            query = f"select {columns} from raw.{table.raw}_rows where load_id = {quote(load)}"
            _copy(con, query, folder / f"{load}.parquet")
        return folder

    def _lend_history(self, con: duckdb.DuckDBPyConnection) -> None:
        relation, folder = f"{self.prefix}history.{HISTORY}", self.built / "history" / HISTORY
        exists = con.execute(
            "select 1 from duckdb_tables() where (schema_name, table_name) = ('history', ?)", [HISTORY]
        ).fetchone()
        # without what a first try has added: it would be there twice
        earlier = f"from history.{HISTORY} where refresh_id <> {quote(self.refresh_id)}"
        with self._cursor() as cursor:
            _run(cursor, f"drop table if exists {relation}")
            if exists:
                folder.mkdir(parents=True)
                _copy(con, earlier, folder / "0.parquet")
                _run(cursor, f"create table {relation} using parquet location {quote(folder)}")

    def _take_history(self, con: duckdb.DuckDBPyConnection) -> None:
        """Append the rows of this refresh."""
        con.execute("create schema if not exists history")
        rows = self._select(con, "history", HISTORY, {})
        con.execute(f"create table if not exists history.{HISTORY} as from ({rows}) limit 0")
        con.execute(
            f"insert into history.{HISTORY} by name from ({rows}) where refresh_id = ?"
            f" and refresh_id not in (select refresh_id from history.{HISTORY})",
            [self.refresh_id],
        )

    def _select(self, con: duckdb.DuckDBPyConnection, schema: str, name: str, declared: Mapping[str, str]) -> str:
        """SQL of a table that Spark has built, with declared types; times are UTC in the files and naive here."""
        files = f"read_parquet({quote(self.built / schema / name / '*.parquet')})"
        columns = []
        for column, kind, *_ in con.execute(f"describe from {files}").fetchall():
            sql = identifier(column)
            if kind == "TIMESTAMP WITH TIME ZONE":
                sql = f"{sql} at time zone 'UTC'"
            if column in declared:
                sql = f"cast({sql} as {declared[column]})"
            columns.append(f"{sql} as {identifier(column)}")
        return f"select {', '.join(columns)} from {files}"

    def _placed(self, manifest: Manifest) -> Manifest:
        """The project with its databases prefixed, and its tables as Parquet files in this refresh's folder."""
        for node in manifest.nodes.values():
            if node.resource_type in ("model", "seed"):
                node.config._extra.update(file_format="parquet", location_root=str(self.built / node.schema))
                node.schema = f"{self.prefix}{node.schema}"
        for source in manifest.sources.values():
            source.schema = f"{self.prefix}{source.schema}"
        manifest.build_flat_graph()
        return manifest


def _known(message: str) -> str:
    """What Spark says of lost machines and full disks, else its error class; nothing where it has neither."""
    words = [words for sign, words in _CAUSES.items() if sign in message]
    return next(iter(words or _CLASS.findall(message)), "")


def _rows(cursor: Any, query: str) -> list[tuple]:
    _run(cursor, query)
    return cursor.fetchall()


def _run(cursor: Any, statement: str) -> None:
    """Run a statement until it has ended well. How far it is is asked all the time: a server that is lost is noticed,
    and so is a statement whose time is over, which PyHive by itself takes for one that has ended well. Nothing is
    fetched: of a statement that makes a table, Spark 3.5 has a result that can't be."""
    from pyhive import hive
    from TCLIService.ttypes import TOperationState as State

    cursor.execute(statement, async_=True)
    status = cursor.poll()
    while status.operationState in (State.INITIALIZED_STATE, State.PENDING_STATE, State.RUNNING_STATE):
        status = cursor.poll()  # which the server answers when the statement has ended, or after some seconds
    if status.operationState != State.FINISHED_STATE:
        raise hive.OperationalError(f"{State._VALUES_TO_NAMES.get(status.operationState)}: {status.errorMessage}")


@contextmanager
def _giving_up() -> Iterator[None]:
    """While dbt runs: once Spark could not write to the storage, dbt's other statements fail of it at once. Spark would
    try each of them several times, for minutes where it has calculated for minutes what it can't write."""
    from dbt.adapters.spark.connections import PyhiveConnectionWrapper
    from dbt_common.exceptions import DbtDatabaseError

    met: list[str] = []

    def execute(self: Any, sql: str, *given: Any, **named: Any) -> None:
        if met:
            raise DbtDatabaseError(met[0])
        try:
            original(self, sql, *given, **named)
        except DbtDatabaseError as error:
            if _known(str(error)) in (_NO_SPACE, _NO_RIGHT):
                met.append(str(error))
            raise

    original, PyhiveConnectionWrapper.execute = PyhiveConnectionWrapper.execute, execute
    try:
        yield
    finally:
        PyhiveConnectionWrapper.execute = original


@cache
def _keep_sessions() -> None:
    """Let each thread of dbt keep its session on Spark from one node to the next. By itself dbt opens one for each of
    some 350 nodes, which Spark sets up and tears down again."""
    from dbt.adapters.spark.connections import PyhiveConnectionWrapper, SparkConnectionManager
    from pyhive import hive
    from thrift.transport.TTransport import TTransportException

    lost = (hive.Error, TTransportException, OSError)

    def release(self: Any) -> None:
        """Keep what the node leaves, but for its results, and for a session that was lost."""
        connection = self.get_if_exists()
        if connection is not None and connection.state == "open":
            try:
                close_results(connection.handle)
            except lost:
                self.clear_thread_connection()

    def cursor(self: Any) -> Any:
        close_results(self)
        return new_cursor(self)

    def close_results(handle: Any) -> None:
        if handle._cursor:
            handle._cursor.close()
            handle._cursor = None

    def close(self: Any) -> None:
        with suppress(*lost):  # which the node has said
            close_session(self)

    new_cursor, close_session = PyhiveConnectionWrapper.cursor, PyhiveConnectionWrapper.close
    SparkConnectionManager.release = release
    PyhiveConnectionWrapper.cursor, PyhiveConnectionWrapper.close = cursor, close


@cache
def _limit_silence() -> None:
    """Let each connection to Spark, those of dbt too, end when the server is silent: they would wait for ever."""
    from thrift.transport import TSocket

    class Socket(TSocket.TSocket):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self.setTimeout(SILENCE * 1000)  # milliseconds

    TSocket.TSocket = Socket


def _copy(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write a Parquet file whole or not at all."""
    with replacing(file) as new:
        con.execute(f"copy ({query}) to {quote(new)} (format parquet, compression zstd)")


def _in_utc(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    """The columns of a table, times marked as UTC and JSON as text, as Spark reads them."""
    changed = {"TIMESTAMP": "{} at time zone 'UTC'", "JSON": "cast({} as varchar)"}
    return ", ".join(
        f"{changed.get(kind, '{}').format(identifier(column))} as {identifier(column)}"
        for column, kind, *_ in con.execute(f"describe {relation}").fetchall()
    )


def _require_adapter() -> None:
    try:
        import dbt.adapters.spark  # noqa: F401
        import pyhive  # noqa: F401
    except ImportError:
        raise SetupError(
            "dbt's adapter for Spark is not installed here. `make .venv-spark/.installed` makes an environment with it;"
            " run .venv-spark/bin/churn then. Nothing was changed.",
            code="engine",
        ) from None
