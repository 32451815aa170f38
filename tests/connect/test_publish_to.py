"""Publishing to Postgres: what arrives, what readers see meanwhile, and what is said when it fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed: make connect")

import psycopg
import yaml

from orchestration import ROOT
from orchestration.errors import EnvironmentFailure, UserError
from orchestration.refresh import steps
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.destination import postgres as module
from orchestration.warehouse.destination.postgres import Postgres
from orchestration.warehouse.folder import Warehouse
from orchestration.warehouse.publishing import relations
from tests.churn import churn, write_csv
from tests.connect.postgres import PASSWORD

VERSION = "20260101T000000.000000Z"


@contextmanager
def publishing(folder: Path, *statements: str) -> Iterator[Warehouse]:
    """A warehouse whose published file these statements make."""
    warehouse = Warehouse(folder)
    file = warehouse.published / VERSION / "churn.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts; create schema quality; create schema semantic")
        for statement in statements:
            con.execute(statement)
    yield warehouse


RATES = """
create table marts.rates as select * from (values
    ('month', date '2026-01-01', 'all', 12345678901234.56::decimal(18, 2), 0.1::double, 3::bigint, true, 1::integer),
    ('year', date '2026-01-01', '', null, 1e-20, null, null, null),
    (null, null, E'quote " comma , line\nbreak \\N Ж', -0.01, 'nan'::double, -9223372036854775808, false, -1)
) as rows (period_grain, period_start, segment_type, amount, rate, customers, is_complete, "order")
"""
VIEW = (
    "create view marts.rates_monthly as select * from marts.rates where period_grain = 'month' and segment_type = 'all'"
)
COMMENTS = """
comment on table marts.rates is 'It''s a rate.'; comment on column marts.rates."order" is 'Its "place".';
comment on view marts.rates_monthly is 'rates by month, whole company.'
"""
CHECKS = """
create table quality.checks as
    select 'a' as name, timestamp '2026-01-01 10:00:00.123' as at, '{"a": 1}'::json as details
"""


def publish(folder: Path, address: str, *statements: str) -> dict[str, int]:
    with publishing(folder, *statements) as warehouse:
        return Postgres(address).publish(warehouse, VERSION)


def test_tables_views_and_comments_arrive_cell_by_cell(tmp_path, database):
    counts = publish(tmp_path, database, RATES, VIEW, COMMENTS, CHECKS, "create table semantic.days as select 1 as day")
    assert counts == {"marts.rates": 3, "quality.checks": 1}
    with psycopg.connect(database) as con:
        rows = con.execute("select * from marts.rates order by 1, 3").fetchall()
        with duckdb.connect(str(tmp_path / "published" / VERSION / "churn.duckdb")) as duck:
            expected = duck.execute("select * from marts.rates order by period_grain, segment_type").fetchall()
        assert str(rows) == str(expected)  # nan is not equal to itself
        assert rows[0][3] == Decimal("12345678901234.56")
        types = con.execute(
            "select format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = 'marts.rates'::regclass and attname = 'amount'"
        ).fetchall()
        assert types == [("numeric(18,2)",)]
        assert con.execute("select customers from marts.rates_monthly").fetchall() == [(3,)]
        said = con.execute(
            "select obj_description('marts.rates'::regclass), col_description('marts.rates'::regclass, 8),"
            " obj_description('marts.rates_monthly'::regclass)"
        ).fetchall()
        assert said == [("It's a rate.", 'Its "place".', "rates by month, whole company.")]
        assert con.execute("select details ->> 'a' from quality.checks").fetchall() == [("1",)]
        assert (
            con.execute("select nspname from pg_namespace where nspname in ('semantic', 'restricted')").fetchall() == []
        )


def test_every_type_of_a_mart_has_one_in_postgres():
    manifest = steps.manifest()
    kinds = {
        column["data_type"].upper()
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] in module.SCHEMAS
        for column in node["columns"].values()
        if column.get("data_type")
    }
    with duckdb.connect() as con:
        for kind in kinds:
            [(_, of_engine, *_)] = con.execute(f"describe select null::{kind} as x").fetchall()
            assert module._type(of_engine)
    assert len(kinds) > 5
    # the views there are ours by grain, none in SQL that only DuckDB reads
    assert [one for one in relations(manifest) if one.schema in module.SCHEMAS and one.sql] == []


def test_readers_see_the_version_before_until_the_new_one_is_whole(tmp_path, database, monkeypatch):
    def version(number: int, rows: int) -> list[str]:
        return [
            f"create table marts.{name} as select {number} as version, n from range({rows}) as numbers (n)"
            for name in ("first", "second", "third")
        ]

    publish(tmp_path, database, *version(1, 1000))
    filled, may_go_on = threading.Event(), threading.Event()
    fill = module._fill

    def slowly(con, pg, table, scratch):
        count = fill(con, pg, table, scratch)
        if table.name == "second":
            filled.set()
            assert may_go_on.wait(60)
        return count

    monkeypatch.setattr(module, "_fill", slowly)
    query = " union all ".join(
        f"select version, count(*) from marts.{name} group by 1" for name in ("first", "second", "third")
    )
    with publishing(tmp_path, *version(2, 2000)) as warehouse, psycopg.connect(database, autocommit=True) as reader:
        reader.execute("create schema own; create view own.seen as select max(version) as version from marts.first")
        reader.execute("set statement_timeout = '5s'")
        before = reader.execute(query).fetchall()
        publisher = threading.Thread(target=Postgres(database).publish, args=(warehouse, VERSION))
        publisher.start()
        assert filled.wait(60)
        during = reader.execute(query).fetchall()
        with psycopg.connect(database) as other:
            other.execute("set statement_timeout = '5s'")
            during += other.execute(query).fetchall()
        with psycopg.connect(database) as long:
            long.execute("set transaction isolation level repeatable read")
            started = long.execute(query).fetchall()
            may_go_on.set()
            publisher.join()
            after = reader.execute(query).fetchall()
            assert long.execute(query).fetchall() == started  # a reader's transaction keeps what it began with
        assert before == started == [(1, 1000)] * 3
        assert during == [(1, 1000)] * 6
        assert after == [(2, 2000)] * 3
        assert reader.execute("select version from own.seen").fetchall() == [(2,)]


def test_a_publish_that_fails_changes_nothing_there(tmp_path, database, monkeypatch):
    publish(tmp_path, database, RATES, VIEW, COMMENTS)
    fill = module._fill

    def failing(con, pg, table, scratch):
        if table.name == "zero":
            pg.execute("select 1 / 0")
        return fill(con, pg, table, scratch)

    monkeypatch.setattr(module, "_fill", failing)
    with pytest.raises(EnvironmentFailure) as failure:
        publish(
            tmp_path, database, "create table marts.rates as select 1 as x", "create table marts.zero as select 1 as x"
        )
    assert str(failure.value) == (
        f"The warehouse is published, but postgresql://127.0.0.1:{database.split(':')[3].partition('/')[0]}"
        f"/{database.rpartition('/')[2]} keeps its earlier version: division by zero. Correct that and refresh again."
    )
    with psycopg.connect(database) as con:
        assert con.execute("select count(*), count(period_grain) from marts.rates").fetchall() == [(3, 2)]
        assert con.execute("select count(*) from marts.rates_monthly").fetchall() == [(1,)]


def test_other_columns_make_the_table_anew_and_what_is_not_published_any_more_goes(tmp_path, database):
    publish(tmp_path, database, RATES, VIEW, COMMENTS, "create table marts.old as select 1 as x")
    publish(tmp_path, database, RATES.replace("rate, customers", "new, customers"), VIEW, COMMENTS)
    with psycopg.connect(database, autocommit=True) as con:
        assert con.execute("select new from marts.rates_monthly").fetchall() == [(0.1,)]
        assert con.execute("select to_regclass('marts.old')").fetchall() == [(None,)]
        con.execute("create schema own; create view own.seen as select new from marts.rates")
    with pytest.raises(EnvironmentFailure, match=r"cannot drop table marts.rates .* \(view own.seen depends on table"):
        publish(tmp_path, database, RATES, VIEW, COMMENTS)


def test_a_schema_of_somebody_else_is_left_alone(tmp_path, database):
    with psycopg.connect(database, autocommit=True) as con:
        con.execute("create schema marts; create table marts.theirs as select 1 as x")
    with pytest.raises(EnvironmentFailure, match="its schema marts holds what is not of this warehouse"):
        publish(tmp_path, database, RATES)
    with psycopg.connect(database) as con:
        assert con.execute("select * from marts.theirs").fetchall() == [(1,)]
        assert con.execute("select to_regclass('marts.rates')").fetchall() == [(None,)]


@pytest.mark.parametrize("wrong", [PASSWORD, "user", "port"])
def test_what_is_wrong_with_the_address_is_said_without_the_password(tmp_path, database, wrong):
    address = {
        PASSWORD: database.replace(PASSWORD, "secret-of-mine"),
        "user": database.replace("churn:" + PASSWORD, "nobody:secret-of-mine"),
        "port": f"postgresql://churn:secret-of-mine@127.0.0.1:1{'/x'}",
    }[wrong]
    with pytest.raises(EnvironmentFailure) as failure:
        publish(tmp_path, address, RATES)
    assert "The warehouse is published, but postgresql://127.0.0.1" in str(failure.value)
    assert "secret-of-mine" not in str(failure.value) + repr(Postgres(address))


@pytest.mark.parametrize(
    "address",
    [
        "mysql://a:secret@b/c",
        "postgresql://a:secret@b",
        "secret",
        "postgresql://a:sec%zzret@b/c",
        "postgresql://a:secret@b:port/c",
        "postgresql:secret",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_done(tmp_path, address):
    with pytest.raises(UserError, match="must have the form postgresql://") as refusal:
        Destination.of(Warehouse(tmp_path), address)
    assert "sec" not in str(refusal.value)


def test_settings_name_the_database_and_hold_no_password(tmp_path):
    warehouse = Warehouse(tmp_path)
    assert Destination.of(warehouse, None) is None
    warehouse.settings.write_text("publish: postgresql://churn@db/analytics\n", encoding="utf-8")
    assert Destination.of(warehouse, None) == Postgres("postgresql://churn@db/analytics")
    assert Destination.of(warehouse, "postgresql://a:b@c/d") == Postgres("postgresql://a:b@c/d")
    warehouse.settings.write_text("publish: postgresql://churn:secret@db/analytics\n", encoding="utf-8")
    with pytest.raises(UserError, match="must be an address without a password") as refusal:
        Destination.of(warehouse, None)
    assert "secret" not in str(refusal.value)


def superset_metrics() -> Iterator[tuple[str, str]]:
    """The metrics of Superset's bundle, and the texts that its datasets make of columns, as queries."""
    for file in sorted((ROOT / "superset" / "bundle" / "datasets").glob("*.yaml")):
        dataset = yaml.safe_load(file.read_text(encoding="utf-8"))
        table = f"({dataset['sql']}) as rows" if dataset.get("sql") else f"{dataset['schema']}.{dataset['table_name']}"
        for metric in dataset["metrics"]:
            yield f"{file.stem}: {metric['metric_name']}", f"select {metric['expression']} from {table}"
        for column in dataset["columns"]:
            if expression := column.get("expression"):
                yield f"{file.stem}: {column['column_name']}", f"select count(distinct {expression}) from {table}"


def test_a_refresh_publishes_there_too_and_says_what_came_of_it(tmp_path, database):
    invoices = [
        {
            "invoice_id": number,
            "customer_id": f"c{number % 7}",
            "issued_at": f"2026-0{1 + number % 6}-15",
            "amount": 10.5,
        }
        for number in range(60)
    ]
    write_csv(tmp_path / "extracts" / "billing" / "invoices.csv", invoices)
    options = ["--extracts", tmp_path / "extracts", "--warehouse", tmp_path / "warehouse", "--as-of", "2026-06-30"]
    nowhere = "postgresql://churn:secret-of-mine@127.0.0.1:1/x"
    failed = churn("refresh", *options, "--publish-to", nowhere)
    assert failed.code == 4
    assert "The warehouse is published, but postgresql://127.0.0.1:1/x keeps its earlier version: " in failed.err
    published = tmp_path / "warehouse" / "churn.duckdb"
    assert published.exists()

    (tmp_path / "warehouse" / "settings.yml").write_text(f"publish: {database.replace(f':{PASSWORD}', '')}\n")
    done = churn("refresh", *options, prepare=partial(os.putenv, "PGPASSWORD", PASSWORD))
    assert done.code == 0, done.err
    assert "publish to postgresql://127.0.0.1" in done.err
    with duckdb.connect(str(published), read_only=True) as duck, psycopg.connect(database) as con:
        tables = duck.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name in ('marts', 'quality')"
        ).fetchall()
        assert len(tables) > 20
        for schema, table in tables:
            columns = [row[0] for row in duck.execute(f"describe {schema}.{table}").fetchall()]
            names = ", ".join(f'"{name}"' for name in columns)
            [(rows,)] = duck.execute(f"select count(*) from {schema}.{table}").fetchall()
            assert len(con.execute(f"select {names} from {schema}.{table}").fetchall()) == rows
        there = con.execute(
            "select nspname || '.' || relname from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace"
            " where relkind in ('r', 'v') and nspname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        ours = duck.execute(
            "select schema_name || '.' || view_name from duckdb_views() where schema_name in ('marts', 'quality')"
        ).fetchall()
        assert sorted(name for (name,) in there) == sorted(
            [name for (name,) in ours] + [".".join(one) for one in tables]
        )
        for metric, query in superset_metrics():
            there, here = con.execute(query).fetchall(), duck.execute(query).fetchall()
            assert [float(cell or 0) for (cell,) in there] == pytest.approx([float(cell or 0) for (cell,) in here]), (
                metric
            )
        exact = "select sum(purchase_amount), count(*), min(period_start) from marts.average_check"
        assert con.execute(exact).fetchall() == duck.execute(exact).fetchall()
    kept = [file for file in (tmp_path / "warehouse").rglob("*") if file.is_file()]
    assert [
        file for file in kept if b"secret-of-mine" in (read := file.read_bytes()) or PASSWORD.encode() in read
    ] == []
