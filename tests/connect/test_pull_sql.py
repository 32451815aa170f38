"""`kind: sql` against a real Postgres: every value arrives exactly, and whatever is wrong is said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("dlt", reason="dlt is not installed: make connect")

import psycopg

from orchestration import pulling
from orchestration.contract.mapping import load_mapping
from orchestration.errors import ChurnError, EnvironmentFailure, PullRefused
from orchestration.pulling import databases
from orchestration.pulling.secrets import Secrets

DAY = date(2026, 3, 1)
TABLES = """
create schema sales;
create type sales.state as enum ('open', 'paid');
create table sales.invoices (
    id bigint, number text, amount numeric(12, 2), exact numeric, rate double precision, is_paid boolean, due date,
    created timestamp, changed timestamptz, details jsonb, key uuid, tags text[], state sales.state, small smallint,
    "Име ""с"" кавички" varchar(40)
);
insert into sales.invoices values
    (9007199254740993, '', 1234567890.10, 0.1234567890123456789012345, 0.1, true, '2026-02-28',
     '2026-02-28 10:00:00.123456', '2026-03-01 00:30:00+02',
     '{"a": [1, 2]}', '00000000-0000-0000-0000-000000000001', '{a,"b c"}', 'paid', -3,
     E'"x", y\\n\\\\N Ж'),
    (-1, null, -0.01, 'NaN', 'infinity', false, null, null, null, null, null, null, null, null, null);
create view sales.paid as select * from sales.invoices where is_paid;
create table sales.empty (id integer, amount numeric(10, 2));
"""


def pull(extracts: Path, address: str, keys: str, monkeypatch: pytest.MonkeyPatch, day: date = DAY) -> pulling.Pulled:
    extracts.mkdir(exist_ok=True)
    (extracts / "extracts.yml").write_text(f"pull:\n  erp: {{kind: sql, {keys}}}\n", encoding="utf-8")
    monkeypatch.setattr(pulling, "today", lambda time_zone: day)
    monkeypatch.setenv("SOURCES__ERP__CREDENTIALS", address)
    mapping = load_mapping(extracts)
    [source] = pulling.sources_to_pull(mapping)
    return pulling.pull_source(extracts, mapping, source)


def read(file: Path, query: str = "from rows") -> list[tuple]:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        con.execute(f"create view rows as from read_parquet('{file}')")
        return con.execute(query).fetchall()


@pytest.fixture
def sales(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as con:
        con.execute(TABLES)
    return database


def test_every_value_arrives_exactly(tmp_path, sales, monkeypatch):
    pulled = pull(tmp_path, sales, "tables: [sales.invoices, sales.paid, sales.empty]", monkeypatch)
    assert pulled.counts == {"sales.invoices": 2, "sales.paid": 1, "sales.empty": 0}
    full, bare = read(pulled.folder / "sales.invoices.parquet")
    assert full == (
        9007199254740993,
        "",
        Decimal("1234567890.10"),
        "0.1234567890123456789012345",
        0.1,
        True,
        date(2026, 2, 28),
        datetime(2026, 2, 28, 10, 0, 0, 123456),
        datetime(2026, 2, 28, 22, 30, tzinfo=UTC),
        '{"a": [1, 2]}',
        "00000000-0000-0000-0000-000000000001",
        '{a,"b c"}',
        "paid",
        -3,
        '"x", y\n\\N Ж',
    )
    assert bare == (-1, None, Decimal("-0.01"), "NaN", float("inf"), False, *[None] * 9)
    assert read(pulled.folder / "sales.paid.parquet", "select id from rows") == [(9007199254740993,)]
    assert read(pulled.folder / "sales.empty.parquet") == []
    described = read(pulled.folder / "sales.empty.parquet", "select column_name from (describe rows)")
    assert described == [("id",), ("amount",)]


def test_all_tables_are_of_one_moment(tmp_path, sales, monkeypatch):
    monkeypatch.setenv("SOURCES__ERP__CREDENTIALS", sales)
    (tmp_path / "extracts.yml").write_text("pull: {erp: {kind: sql, schema: sales, tables: [empty, invoices]}}\n")
    [source] = load_mapping(tmp_path).pulls
    found = databases.tables(source, Secrets(source), tmp_path, [])
    assert next(found) == ("empty", 0)
    with psycopg.connect(sales, autocommit=True) as con:
        con.execute("insert into sales.invoices (id) values (3)")
    assert list(found) == [("invoices", 2)]


def test_of_a_table_with_a_column_of_the_last_change_only_what_changed_since_is_pulled(tmp_path, sales, monkeypatch):
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with psycopg.connect(sales, autocommit=True) as con:
        con.execute("create table sales.orders (id integer, changed timestamptz)")
        insert = "insert into sales.orders select %s, %s"
        for number, hours in enumerate((-48, -2, 0)):
            con.execute(insert, [number, first + timedelta(hours=hours)])
        keys = "tables: sales.orders, changed: {sales.orders: changed}"
        assert pull(tmp_path, sales, keys, monkeypatch).counts == {"sales.orders": 3}
        con.execute(insert, [3, first + timedelta(hours=5)])
        con.execute(insert, [4, first - timedelta(minutes=30)])  # of a transaction that took long
        second = pull(tmp_path, sales, keys, monkeypatch, DAY + timedelta(days=1))
        assert sorted(read(second.folder / "sales.orders.parquet", "select id from rows")) == [(2,), (3,), (4,)]
        # a second pull of the day starts where the first did
        again = pull(tmp_path, sales, keys, monkeypatch, DAY + timedelta(days=1))
        assert again.counts == {"sales.orders": 3}
        empty = pull(tmp_path, sales, keys, monkeypatch, DAY + timedelta(days=9))
        assert empty.counts == {"sales.orders": 1}


@pytest.mark.parametrize(
    ("change", "keys", "kind", "said"),
    [
        ("", "tables: sales.invoice", PullRefused, "the database has no table 'invoice'; the nearest valid name is"),
        (
            "",
            "tables: sales.paid, changed: {sales.paid: chnged}",
            PullRefused,
            "the table 'paid' has no column 'chnged'; the ",
        ),
        ("postgresql:mongo", "tables: a", PullRefused, "there is no driver for 'mongo'; valid names are mssql, mysql,"),
        (
            "postgresql://:",
            "tables: a",
            PullRefused,
            "its credentials must have the form postgresql://USER:PASSWORD@HOST",
        ),
        ("churn:nobody", "tables: a", EnvironmentFailure, "password authentication failed for user"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(tmp_path, sales, monkeypatch, change, keys, kind, said):
    before, _, after = change.rpartition(":")
    address = sales.replace(before, after, 1) if change else sales
    with pytest.raises(ChurnError) as failure:
        pull(tmp_path, address, keys, monkeypatch)
    assert type(failure.value) is kind
    assert said in str(failure.value) and str(failure.value).startswith("erp: ")
    assert "not-to-be-shown" not in str(failure.value)
    assert not list((tmp_path / "pulls" / "erp").glob("[0-9]*"))


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (
            "'infinity'::date",
            PullRefused,
            "the column 'ends' holds a value that can't be written as date32[day], such as",
        ),
        (
            "timestamp '0044-03-15 BC'",
            PullRefused,
            "the column 'ends' holds a value that can't be written as timestamp[us]",
        ),
        ("'Ann'::text::date", EnvironmentFailure, "the database answered: InvalidDatetimeFormat."),
    ],
)
def test_a_value_that_cannot_be_had_is_said_by_its_column_and_not_shown(
    tmp_path, sales, monkeypatch, value, kind, said
):
    with psycopg.connect(sales, autocommit=True) as con:
        con.execute(f"create view sales.odd as select 1 as id, {value} as ends where now() is not null")
    with pytest.raises(ChurnError) as failure:
        pull(tmp_path, sales, "tables: sales.odd", monkeypatch)
    assert type(failure.value) is kind
    assert said in str(failure.value) and "Ann" not in str(failure.value)
