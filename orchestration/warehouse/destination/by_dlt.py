"""Publishing to databases that dlt writes to: Snowflake, BigQuery, SQL Server, MotherDuck.

dlt copies the tables into schemas that only we use; from there they replace what readers see. dlt's own replace ends
a transaction after each table, and never removes a column. dlt and the drivers are imported here only."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from orchestration.errors import ChurnError, EnvironmentFailure, SetupError
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.destination.relations import SCHEMAS, Column, Published, tables
from orchestration.warehouse.dlt_settings import INSTALL, prepare_dlt, read_secrets, secrets_files
from orchestration.warehouse.quoting import identifier

if TYPE_CHECKING:
    import duckdb
    from dlt.destinations.job_client_impl import SqlJobClientBase

_ROWS = 100_000
# What a destination of dlt has no type for, or not one that holds every value.
_CASTS = {
    "JSON": "varchar",
    "HUGEINT": "decimal(38, 0)",
    "FLOAT": "double",
    "TINYINT": "integer",
    "SMALLINT": "integer",
}


@dataclass(frozen=True)
class Kind:
    """A destination of dlt: the form of its address, and what dlt needs for it."""

    form: str
    pattern: str  # of what stands between scheme and question mark; its groups are named as dlt names its settings
    options: frozenset[str]  # what may stand after the question mark
    module: str  # the driver


KINDS = {
    "snowflake": Kind(
        "snowflake://USER@ACCOUNT/DATABASE?warehouse=NAME&role=NAME",
        r"((?P<username>[^:@/]+)@)?(?P<host>[\w.-]+)/(?P<database>[^/]+)",
        frozenset({"warehouse", "role", "authenticator"}),
        "snowflake.connector",
    ),
    "bigquery": Kind(
        "bigquery://PROJECT?location=EU",
        r"(?P<project_id>[\w.:-]+)/?",
        frozenset({"location"}),
        "google.cloud.bigquery",
    ),
    "mssql": Kind(
        "mssql://USER@HOST:PORT/DATABASE?driver=NAME&TrustServerCertificate=yes",
        r"((?P<username>[^:@/]+)@)?(?P<host>[\w.-]+)(:(?P<port>[1-9]\d*))?/(?P<database>[^/]+)",
        frozenset({"driver", "Encrypt", "TrustServerCertificate"}),
        "pyodbc",
    ),
    "motherduck": Kind("motherduck:///DATABASE", r"/(?P<database>[^/]+)", frozenset(), "duckdb"),
}


@dataclass(frozen=True)
class ByDlt(Destination):
    """The database at an address; what is secret comes from where dlt looks for it."""

    scheme: str
    settings: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, address: str) -> ByDlt:
        scheme = address.partition("://")[0]
        kind = KINDS[scheme]
        settings = _settings(kind, address)
        if settings is None:
            raise SetupError(
                f"What to publish to must have the form {kind.form}, without a password. Nothing was changed."
            )
        if not _is_installed("dlt"):
            raise SetupError(
                f"Publishing to {scheme} needs packages that are not installed: {INSTALL}. Nothing was changed."
            )
        if not _is_installed(kind.module):
            raise SetupError(
                f"Publishing to {scheme} needs a driver that is not installed: run `.venv/bin/pip install"
                f' "dlt[{scheme}]"` in the folder of the project. Nothing was changed.'
            )
        destination = cls(address, scheme, settings)
        destination._refuse_incomplete()
        return destination

    def __str__(self) -> str:
        """The database without its user."""
        place = self.address.partition("://")[2].partition("?")[0].rpartition("@")[2]
        return f"{self.scheme}://{place}"

    def replace(self, con: duckdb.DuckDBPyConnection, scratch: Path) -> dict[str, int]:
        emptied: list[str] = []
        try:
            with _no_other_places():
                return self._replace(con, scratch, emptied)
        except ChurnError:
            raise
        except Exception as error:
            if (said := self._said(error)) is None:
                raise
            made = (
                f" {', '.join(emptied)}, whose columns have changed, may be missing or empty there until then."
                if emptied
                else ""
            )
            raise EnvironmentFailure(
                f"The warehouse is published, but {self} keeps its earlier version: {said}. Correct that and refresh"
                f" again.{made}"
            ) from None

    def _replace(self, con: duckdb.DuckDBPyConnection, scratch: Path, emptied: list[str]) -> dict[str, int]:
        published = {schema: [table for table in tables(con) if table.schema == schema] for schema in SCHEMAS}
        clients = {schema: self._client(con, schema, ours) for schema, ours in published.items()}
        for schema, client in clients.items():
            with client:
                _refuse_what_is_not_ours(client, schema)
                _drop_staging(client, schema)
        counts: dict[str, int] = {}
        for schema, ours in published.items():
            counts |= self._load(con, schema, ours, scratch) if ours else {}
        for schema, client in clients.items():
            with client:
                _renew(client, published[schema], emptied)
        with clients[SCHEMAS[0]] as client:
            _swap(client, chain(*published.values()), counts)
        with suppress(Exception):  # readers have the new version, and the next publish removes what is left
            for schema, client in clients.items():
                with client:
                    _drop_staging(client, schema)
        return counts

    def _client(self, con: duckdb.DuckDBPyConnection, schema: str, published: list[Published]) -> SqlJobClientBase:
        """dlt's client of a schema there, which knows the columns that its tables are to have."""
        import dlt
        from dlt.common.schema.utils import new_table

        model = dlt.Schema(f"churn_{schema}")
        for table in published:
            hints: Any = {"description": table.comment, "x-bigquery-table-description": table.comment}
            model.update_table({**new_table(table.name, columns=_columns(con, table)), **hints})
        factory = self._factory()
        config = factory.spec()
        config.dataset_name = schema
        stored = dlt.Schema.from_dict(dict(model.to_dict()))  # the client wants one that was kept
        return factory.client(stored, config)

    def _load(
        self, con: duckdb.DuckDBPyConnection, schema: str, published: list[Published], scratch: Path
    ) -> dict[str, int]:
        """Copy the tables of a schema to where nobody reads them. Returns the number of rows of each."""
        import dlt
        import pyarrow as pa

        counts = {_name(table): 0 for table in published}

        def batches(table: Published) -> Iterator[Any]:
            for batch in _rows(con, table):
                counts[_name(table)] += batch.num_rows
                yield pa.Table.from_batches([batch])

        # an own folder: what an attempt that failed had left there would be loaded in place of the rows
        with TemporaryDirectory(dir=scratch) as folder:
            pipeline = dlt.pipeline(
                f"churn_{schema}",
                pipelines_dir=folder,
                destination=self._factory(),
                dataset_name=_staging(schema),
            )
            pipeline.config.restore_from_destination = False
            try:
                pipeline.run(
                    [
                        dlt.resource(
                            batches(table), name=table.name, columns=_columns(con, table), write_disposition="replace"
                        )
                        for table in published
                    ]
                )
            finally:
                pipeline.deactivate()
        return counts

    def _factory(self) -> Any:
        """dlt's destination with the credentials of the address and of secrets.toml; dlt adds those of the
        environment."""
        prepare_dlt()
        from dlt import destinations

        kept = {key: value for key, value in self._kept().items() if self._variable(key) not in os.environ}
        make = getattr(destinations, self.scheme)
        if self.scheme == "bigquery":
            return make(credentials=kept or None, **self.settings)
        return make(credentials={**kept, **self.settings})

    def _kept(self) -> dict[str, Any]:
        """What the two files say of the destination's credentials; the folder's wins over the home's."""
        kept: dict[str, Any] = {}
        for file in reversed(secrets_files()):
            found: Any = read_secrets(file)
            for key in ("destination", self.scheme, "credentials"):
                found = found.get(key) if isinstance(found, dict) else None
            kept |= found if isinstance(found, dict) else {}
        return kept

    def _variable(self, name: str) -> str:
        return f"DESTINATION__{self.scheme}__CREDENTIALS__{name}".upper()

    def _refuse_incomplete(self) -> None:
        """Raise SetupError for what is missing or wrong in the credentials, as far as it shows before connecting."""
        factory = self._factory()
        from dlt.common.configuration.exceptions import ConfigFieldMissingException, ConfigurationException

        config = factory.spec()
        config.dataset_name = SCHEMAS[0]
        try:
            with _no_other_places():
                factory.configuration(config)
        except ConfigFieldMissingException as error:
            name = _missing(error.traces)
            files = " and ".join(map(str, secrets_files()))
            raise SetupError(
                f"The {name} of {self} isn't set. It was looked for as {self._variable(name)} in the environment, and"
                f" as {name} under [destination.{self.scheme}.credentials] in {files}. Nothing was changed."
            ) from None
        except (ConfigurationException, ValueError, ImportError) as error:
            raise SetupError(f"{self} can't be published to: {self._first_line(error)}. Nothing was changed.") from None

    def _said(self, error: BaseException) -> str | None:
        """What the driver or dlt said first; None of an error that is neither's."""
        from dlt.common.exceptions import DltException

        is_theirs = False
        while True:
            package = type(error).__module__.partition(".")[0].removeprefix("_")
            is_theirs |= isinstance(error, DltException) or package == KINDS[self.scheme].module.partition(".")[0]
            cause = error.__cause__ or getattr(error, "inner_exc", None)  # of a connection that failed
            if cause is None:
                return self._first_line(error) if is_theirs else None
            error = cause

    def _first_line(self, error: BaseException) -> str:
        """Without what is secret, which drivers may repeat."""
        said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        prefix = self._variable("")
        secrets = {str(value) for value in self._kept().values()}
        secrets |= {value for name, value in os.environ.items() if name.upper().startswith(prefix)}
        secrets |= {value for name, value in os.environ.items() if name.lower() == "motherduck_token"}
        for secret in sorted(secrets - set(map(str, self.settings.values())), key=len, reverse=True):
            said = said.replace(secret, "…") if len(secret) > 3 else said
        return said


def _settings(kind: Kind, address: str) -> dict[str, Any] | None:
    """The parts of an address by the names that dlt gives them; None where it hasn't the form."""
    place, _, query = address.partition("://")[2].partition("?")
    found = re.fullmatch(kind.pattern, place)
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not found or not kind.options.issuperset(options):
        return None
    parts = {name: unquote(part) for name, part in found.groupdict().items() if part}
    of_driver = {name: options.pop(name) for name in list(options) if name[0].isupper()}
    return {**parts, **options, **({"query": of_driver} if of_driver else {})}


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is of
        return False


def _missing(traces: Mapping[str, Any]) -> str:
    """The first of the fields that dlt found nowhere."""
    for name, found in traces.items():
        for trace in found:
            if hasattr(trace, "traces"):
                return _missing(trace.traces)
        return name
    raise AssertionError("dlt says which")


@contextmanager
def _no_other_places() -> Iterator[None]:
    """dlt reads its settings from the environment only; those of the two files are given to it."""
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers import EnvironProvider
    from dlt.common.configuration.specs.config_providers_context import ConfigProvidersContainer
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    context = Container()[PluggableRunContext]
    before = context.providers
    context.providers = ConfigProvidersContainer([EnvironProvider()])
    try:
        yield
    finally:
        context.providers = before


def _name(table: Published) -> str:
    return f"{table.schema}.{table.name}"


def _staging(schema: str) -> str:
    return f"churn_{schema}_staging"


def _rows(con: duckdb.DuckDBPyConnection, table: Published, limit: str = "") -> Any:
    """The rows of a table as a stream of Arrow batches, in types that dlt's destinations have."""
    columns = ", ".join(map(_cast, table.columns))
    return con.cursor().execute(f"select {columns} from {table}{limit}").to_arrow_reader(_ROWS)


def _cast(column: Column) -> str:
    name = identifier(column.name)
    kind = _CASTS.get(column.type)
    return f"cast({name} as {kind}) as {name}" if kind else name


def _columns(con: duckdb.DuckDBPyConnection, table: Published) -> list[Any]:
    """The columns as dlt describes them, with our types and descriptions: dlt has nothing to guess."""
    from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns

    typed = py_arrow_to_table_schema_columns(_rows(con, table, " limit 0").schema)
    return [{**typed[column.name], "description": column.comment} for column in table.columns]


def _recorded(client: SqlJobClientBase) -> dict[str, Any]:
    """The tables there that an earlier publish made, as it described them."""
    stored = client.get_stored_schema(client.schema.name)
    return json.loads(stored.schema)["tables"] if stored else {}


def _refuse_what_is_not_ours(client: SqlJobClientBase, schema: str) -> None:
    """Raise EnvironmentFailure where a table of ours would replace somebody else's."""
    names = client.schema.data_table_names(include_incomplete=True)
    present = {name for name, columns in client.get_storage_tables(names) if columns}
    if foreign := sorted(present - set(_recorded(client))):
        raise EnvironmentFailure(
            f"The warehouse is published, but not to the database: its schema {schema} holds {', '.join(foreign)}, not"
            " written by this warehouse. Publish to another database, or move that away; nothing was changed there."
        )


def _drop_staging(client: SqlJobClientBase, schema: str) -> None:
    with client.sql_client.with_alternative_dataset_name(_staging(schema)) as sql:
        if sql.has_dataset():
            sql.drop_dataset()


def _renew(client: SqlJobClientBase, published: list[Published], emptied: list[str]) -> None:
    """Make the tables that are missing, and those anew that are described otherwise now; remove those that an earlier
    version published and this one doesn't."""
    if not client.is_storage_initialized():
        client.initialize_storage()
    sql, before, now = client.sql_client, _recorded(client), client.schema.tables
    present = {name for name, columns in client.get_storage_tables([table.name for table in published]) if columns}
    made = [
        table
        for table in published
        if table.name not in present or _described(before, table.name) != _described(now, table.name)
    ]
    gone = {name for name in before if name not in now}
    if not made and not gone:
        return
    emptied += [_name(table) for table in made if table.name in present]
    sql.drop_tables(*sorted(gone | ({table.name for table in made} & present)))
    version = client.schema.version_table_name
    client.update_stored_schema(only_tables=[version, *(table.name for table in published)], force=True)
    _comment(client, made)
    # One record stays: of a version that comes back dlt would take the record that is there for written.
    sql.execute_sql(
        f"DELETE FROM {sql.make_qualified_table_name(version)} WHERE version_hash <> %s",
        client.schema.stored_version_hash,
    )


def _described(described: Mapping[str, Any], name: str) -> Any:
    table = described.get(name)
    return table and (table.get("description"), list(table["columns"].values()))


def _comment(client: SqlJobClientBase, published: Iterable[Published]) -> None:
    """What dlt doesn't write of the descriptions, where SQL has a statement for it."""
    dialect, sql = client.capabilities.sqlglot_dialect, client.sql_client
    if dialect not in ("duckdb", "snowflake"):
        return
    from dlt.common.data_writers.escape import escape_duckdb_literal, escape_snowflake_literal

    literal = escape_duckdb_literal if dialect == "duckdb" else escape_snowflake_literal
    for table in published:
        name = sql.make_qualified_table_name(table.name)
        said = {f"TABLE {name}": table.comment}
        if dialect == "duckdb":
            said |= {f"COLUMN {name}.{sql.escape_column_name(one.name)}": one.comment for one in table.columns}
        for what, comment in said.items():
            if comment:
                sql.execute_sql(f"COMMENT ON {what} IS {literal(comment)}")


def _swap(client: SqlJobClientBase, published: Iterable[Published], counts: Mapping[str, int]) -> None:
    """Replace all rows, in one transaction and in words that every destination has."""
    with client.sql_client.begin_transaction():
        for table in published:
            with client.sql_client.with_alternative_dataset_name(table.schema) as sql:
                there = sql.make_qualified_table_name(table.name)
                columns = ", ".join(sql.escape_column_name(column.name) for column in table.columns)
            with client.sql_client.with_alternative_dataset_name(_staging(table.schema)) as sql:
                new = sql.make_qualified_table_name(table.name)
            client.sql_client.execute_sql(f"DELETE FROM {there} WHERE 1 = 1")
            if counts[_name(table)]:  # dlt makes no table for none
                client.sql_client.execute_sql(f"INSERT INTO {there} ({columns}) SELECT {columns} FROM {new}")
