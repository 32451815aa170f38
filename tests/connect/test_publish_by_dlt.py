"""Publishing through dlt, to a DuckDB file in place of MotherDuck: what arrives, and what is said when it fails."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("dlt", reason="dlt is not installed: make connect")

import dlt.destinations
from dlt.common.runtime import run_context

from orchestration.errors import EnvironmentFailure, UserError
from orchestration.refresh import steps
from orchestration.warehouse.destination import Destination, by_dlt
from orchestration.warehouse.destination.by_dlt import ByDlt
from orchestration.warehouse.destination.relations import SCHEMAS, tables
from orchestration.warehouse.folder import Warehouse
from tests.connect.test_publish_to import CHECKS, COMMENTS, RATES, VERSION, VIEW, publishing

ADDRESS = "motherduck:///analytics"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that stands for the database at ADDRESS; dlt finds no settings of this machine."""
    file = tmp_path / "there" / "analytics.duckdb"
    file.parent.mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(dlt.destinations, "motherduck", lambda **_: dlt.destinations.duckdb(str(file)))
    yield file
    assert list((tmp_path / "home").iterdir()) == []
    assert {kept.name for kept in file.parent.iterdir()} <= {file.name}
    assert not list((tmp_path / "tmp").glob("*"))


def publish(folder: Path, *statements: str) -> dict[str, int]:
    destination = Destination.of(Warehouse(folder), ADDRESS)
    assert destination
    with publishing(folder, *statements) as warehouse:
        return destination.publish(warehouse, VERSION)


def read(file: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(query).fetchall()


def test_tables_and_comments_arrive_cell_by_cell(tmp_path, database, monkeypatch):
    sent: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: sent.append(address))
    others = "create table semantic.days as select 1 as day; create schema restricted;"
    others += " create table restricted.people as select 'Ann' as name"
    empty = "create table marts.none as select 1::hugeint as n, 'a' as a where false"
    counts = publish(tmp_path, RATES, VIEW, COMMENTS, CHECKS, empty, others)
    assert sent == [] and run_context.active().runtime_config.dlthub_telemetry is False
    assert counts == {"marts.rates": 3, "marts.none": 0, "quality.checks": 1}
    ours = tmp_path / "published" / VERSION / "churn.duckdb"
    rows = "select * from marts.rates order by period_grain, segment_type"
    assert str(read(database, rows)) == str(read(ours, rows))  # nan is not equal to itself
    assert read(database, "select max(amount) from marts.rates") == [(Decimal("12345678901234.56"),)]
    types = "select column_name, column_type from (describe marts.rates)"
    assert read(database, types) == read(ours, types)
    assert read(database, "select name, checks.at, details from quality.checks") == read(
        ours, "select name, checks.at, details::varchar from quality.checks"
    )
    assert [kind for _, kind in read(database, "select column_name, column_type from (describe marts.none)")] == [
        "DECIMAL(38,0)",
        "VARCHAR",
    ]
    said = "select comment from duckdb_tables() where table_name = 'rates' union all select comment from"
    said += " duckdb_columns() where table_name = 'rates' and column_name = 'order'"
    assert read(database, said) == [("It's a rate.",), ('Its "place".',)]
    there = "select schema_name || '.' || table_name from duckdb_tables() where not starts_with(table_name, '_dlt')"
    assert {name for (name,) in read(database, there)} == set(counts)
    schemas = "select distinct schema_name from duckdb_schemas() where not internal and schema_name <> 'main'"
    assert {name for (name,) in read(database, schemas)} == {"marts", "quality"}


def test_every_column_of_a_mart_has_a_type_of_dlt_and_keeps_its_name():
    columns = {
        (name, column["data_type"])
        for node in steps.manifest()["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] in SCHEMAS
        for name, column in node["columns"].items()
        if column.get("data_type")
    }
    naming = dlt.Schema("any").naming
    assert [name for name, _ in columns if naming.normalize_identifier(name) != name] == []
    with duckdb.connect() as con:
        kinds = ", ".join(f"null::{kind} as c{n}" for n, kind in enumerate(sorted({kind for _, kind in columns})))
        con.execute(f"create schema marts; create table marts.kinds as select {kinds}")
        [table] = tables(con)
        described = by_dlt._columns(con, table)
    assert len(described) > 5
    for ours, theirs in zip(table.columns, described, strict=True):
        if ours.type.startswith("DECIMAL"):
            assert ours.type == f"DECIMAL({theirs['precision']},{theirs['scale']})"
        assert theirs["data_type"] in ("text", "bigint", "double", "decimal", "bool", "date", "timestamp")


def test_a_second_publish_replaces_rows_and_leaves_views_of_people(tmp_path, database):
    publish(tmp_path, RATES, CHECKS)
    with duckdb.connect(str(database)) as con:
        con.execute("create schema own; create view own.seen as select count(*) as n from marts.rates")
        con.execute("create table marts.theirs as select 1 as x")
        before = con.execute("select table_oid from duckdb_tables() where table_name = 'rates'").fetchall()
    publish(tmp_path, RATES + " limit 1", CHECKS + " where false")
    assert read(database, "select n from own.seen") == [(1,)]
    assert read(database, "select count(*) from quality.checks") == [(0,)]
    assert read(database, "select x from marts.theirs") == [(1,)]
    assert read(database, "select table_oid from duckdb_tables() where table_name = 'rates'") == before


def test_other_columns_make_the_table_anew_and_what_is_not_published_any_more_goes(tmp_path, database):
    other = RATES.replace("rate, customers", "customers, rate").replace("decimal(18, 2)", "decimal(20, 4)")
    publish(tmp_path, RATES, COMMENTS.partition("comment on view")[0], "create table marts.old as select 1 as x")
    types = "select column_name, column_type from (describe marts.rates)"
    for version in (other, RATES, other):  # a version that comes back is one more
        publish(tmp_path, version)
        assert read(database, types) == read(tmp_path / "published" / VERSION / "churn.duckdb", types)
        assert read(database, "select count(*) from marts.rates") == [(3,)]
    assert read(database, "select comment from duckdb_tables() where table_name in ('rates', 'old')") == [(None,)]


def test_readers_see_the_version_before_until_the_new_one_is_whole(tmp_path, database, monkeypatch):
    publish(tmp_path, RATES, CHECKS)
    with duckdb.connect(str(database)) as reader:
        counts = "select (select count(*) from marts.rates), (select count(*) from quality.checks)"
        seen = []
        from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

        execute = DuckDbSqlClient.execute_sql

        def watched(self, sql, *args, **kwargs):
            done = execute(self, sql, *args, **kwargs)
            seen.append(reader.execute(counts).fetchall())
            return done

        monkeypatch.setattr(DuckDbSqlClient, "execute_sql", watched)
        publish(tmp_path, RATES + " limit 1", CHECKS + " where false")
        assert reader.execute(counts).fetchall() == [(1, 0)]
    assert {row for [row] in seen} == {(3, 1), (1, 0)}


def test_a_publish_that_fails_leaves_what_was_there(tmp_path, database, monkeypatch):
    publish(tmp_path, RATES, CHECKS)
    swap = by_dlt._swap

    def failing(client, published, counts):
        published = list(published)
        with client.sql_client.with_alternative_dataset_name("churn_quality_staging") as sql:
            sql.drop_tables("checks")
        swap(client, published, counts)

    monkeypatch.setattr(by_dlt, "_swap", failing)
    with pytest.raises(EnvironmentFailure) as failure:
        publish(tmp_path, RATES + " limit 1", CHECKS)
    assert str(failure.value).startswith(
        "The warehouse is published, but motherduck:///analytics keeps its earlier version: Catalog Error: Table with"
        " name checks does not exist"
    )
    assert str(failure.value).endswith(". Correct that and refresh again.")
    assert read(database, "select count(*) from marts.rates") == [(3,)]
    with pytest.raises(
        EnvironmentFailure, match=r"again. marts.rates, whose columns have changed, may be missing or empty there"
    ):
        publish(tmp_path, "create table marts.rates as select 1 as other", CHECKS)
    monkeypatch.undo()


def test_what_a_driver_says_of_a_load_that_fails_is_said(tmp_path, database, monkeypatch):
    from dlt.destinations.exceptions import DatabaseTerminalException
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

    def failing(self: object) -> None:
        error = duckdb.ConversionException("It isn't a number.\nselect 1")
        raise DatabaseTerminalException(error) from error

    publish(tmp_path, RATES)
    run = DuckDbCopyJob.run
    monkeypatch.setattr(DuckDbCopyJob, "run", failing)
    with pytest.raises(EnvironmentFailure) as failure:
        publish(tmp_path, RATES)
    assert str(failure.value) == (
        "The warehouse is published, but motherduck:///analytics keeps its earlier version: It isn't a number. Correct"
        " that and refresh again."
    )
    assert read(database, "select count(*) from marts.rates") == [(3,)]
    monkeypatch.setattr(DuckDbCopyJob, "run", run)
    publish(tmp_path, RATES + " limit 2")  # in the same folder
    assert read(database, "select count(*) from marts.rates") == [(2,)]


def test_a_database_that_is_not_there_is_an_error_of_the_environment(tmp_path, database, monkeypatch):
    monkeypatch.setenv("motherduck_token", "secret-of-mine")
    monkeypatch.setattr(
        dlt.destinations, "motherduck", lambda **_: dlt.destinations.duckdb(str(tmp_path / "secret-of-mine" / "none"))
    )
    with pytest.raises(EnvironmentFailure, match="analytics keeps its earlier version: IO Error: ") as failure:
        publish(tmp_path, RATES)
    assert "secret-of-mine" not in str(failure.value)


def test_a_table_of_somebody_else_is_left_alone(tmp_path, database):
    with duckdb.connect(str(database)) as con:
        con.execute("create schema marts; create table marts.rates as select 1 as x")
    with pytest.raises(EnvironmentFailure, match="its schema marts holds rates, not written by this warehouse"):
        publish(tmp_path, RATES)
    assert read(database, "select x from marts.rates") == [(1,)]
    assert read(database, "select count(*) from duckdb_schemas() where schema_name like 'churn%'") == [(0,)]


@pytest.mark.parametrize(
    "address",
    [
        "snowflake://me:secret@account/db",
        "snowflake://me@account/db?private_key=secret",
        "snowflake://me@account",
        "bigquery://secret/dataset",
        "mssql://me:secret@host/db",
        "mssql://me@host:secret/db",
        "motherduck://secret",
        "motherduck:///db?motherduck_token=secret",
    ],
)
def test_an_address_with_a_password_or_without_a_database_is_refused(tmp_path, address):
    with pytest.raises(UserError, match=r"must have the form \w+://.*, without a password") as refusal:
        Destination.of(Warehouse(tmp_path), address)
    assert "secret" not in str(refusal.value)


def test_a_driver_that_is_missing_is_named_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(by_dlt, "find_spec", lambda name: None if name == "snowflake.connector" else True)
    with pytest.raises(UserError, match=r'run `.venv/bin/pip install "dlt\[snowflake\]"` in the folder'):
        Destination.of(Warehouse(tmp_path), "snowflake://me@account/db")


def test_credentials_come_from_the_environment_and_secrets_toml(tmp_path, monkeypatch):
    monkeypatch.setattr(by_dlt, "find_spec", lambda name: True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("motherduck_token", raising=False)
    address = "snowflake://me@account/db?warehouse=small"
    with pytest.raises(UserError, match="snowflake://account/db can't be published to: .* requires .*`password`"):
        Destination.of(Warehouse(tmp_path / "w"), address)
    with pytest.raises(UserError) as refusal:
        Destination.of(Warehouse(tmp_path / "w"), ADDRESS)
    assert str(refusal.value) == (
        "The password of motherduck:///analytics isn't set. It was looked for as"
        " DESTINATION__MOTHERDUCK__CREDENTIALS__PASSWORD in the environment, and as password under"
        f" [destination.motherduck.credentials] in {tmp_path}/.dlt/secrets.toml and {tmp_path}/home/.dlt/secrets.toml."
        " Nothing was changed."
    )
    file = tmp_path / "home" / ".dlt" / "secrets.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[destination.snowflake.credentials]\npassword = "of the home"\n', encoding="utf-8")

    def found() -> tuple[str, ...]:
        destination = Destination.of(Warehouse(tmp_path / "w"), address)
        assert isinstance(destination, ByDlt)
        assert "of the" not in repr(destination) and str(destination) == "snowflake://account/db"
        factory = destination._factory()
        config = factory.spec()
        config.dataset_name = "marts"
        with by_dlt._no_other_places():
            credentials = factory.configuration(config).credentials
        return credentials.password, credentials.username, credentials.warehouse, credentials.database

    assert found() == ("of the home", "me", "small", "db")
    monkeypatch.setenv("DESTINATION__SNOWFLAKE__CREDENTIALS__PASSWORD", "of the environment")
    assert found()[0] == "of the environment"
