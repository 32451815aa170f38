"""Parquet files that an engine reads by itself: `raw` has the same rows as if the loader had read them."""

import os
import re
from pathlib import Path

import duckdb
import pytest

from orchestration.engines import DELIVERED, DuckDB
from orchestration.errors import UserError
from orchestration.loading import plain_parquet
from orchestration.warehouse.folder import Warehouse
from tests.unit.delivered import Delivered

INVOICES = """
select 'i' || n as invoice_id, 7000 + n as customer_id, date '2024-01-30' + n::integer as issued_at,
    timestamp '2024-02-01 10:00:00' + to_milliseconds(n * 1001) as updated_at, (n * 1.005)::decimal(18, 3) as amount,
    if(n % 2 = 0, ' Скъпо "1"\\/' || chr(9) || chr(1) || chr(31) || chr(127) || ' ', '') as "Invoice note",
    n % 3 = 0 as paid, if(n = 2, null, 'EUR') as currency
from range(1, 5) as t(n)
"""
ALL = "* exclude (seen_as_of)"


def write(delivered: Delivered, query: str, file: str = "billing/invoices.parquet") -> Path:
    path = delivered.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"copy ({query}) to '{path}'")
    return path


def stored(delivered: Delivered, table: str = "billing__invoices") -> int:
    [(count,)] = delivered.con.execute(f"select count(*) from raw.{table}_rows").fetchall()
    return count


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def copies(storage: Path) -> Path:
    return storage / DELIVERED


def test_the_rows_are_those_of_the_loader(delivered, copies, storage):
    write(delivered, INVOICES)
    write(delivered, INVOICES.replace("range(1, 5)", "range(5, 7)"), "billing/invoices/b.parquet")
    write(delivered, "select 'p1' as plan_id, 12::utinyint as price, 'EUR' as currency", "billing/plans.parquet")
    write(
        delivered,
        "select 's1' as subscription_id, 'c1' as customer_id, timestamp '2024-01-01 23:59:59.9' as started_on,"
        " null::date as ended_on, 'p1' as plan_id",
        "billing/subscriptions.parquet",
    )
    tables = ("billing.invoices", "billing.plans", "billing.subscriptions")
    report = delivered.load()
    by_loader = [delivered.rows(table, ALL) for table in tables]
    assert [len(rows) for rows in by_loader] == [6, 1, 1] and stored(delivered) == 6

    itself = delivered.load(full_refresh=True, copies=copies)
    assert stored(delivered) == 0
    assert [delivered.rows(table, ALL) for table in tables] == by_loader
    assert (itself.as_of, itself.readings, itself.unmapped) == (report.as_of, report.readings, report.unmapped)
    assert [vars(one) for one in itself.files] == [vars(one) for one in report.files]

    delivered.load(copies=copies)  # nothing is new
    assert [delivered.rows(table, ALL) for table in tables] == by_loader

    DuckDB(Warehouse(delivered.root / "warehouse"), storage).begin(delivered.con)
    delivered.load()
    assert stored(delivered) == 6
    assert [delivered.rows(table, ALL) for table in tables] == by_loader


def test_a_discount_finds_the_prices_of_plans_that_the_loader_does_not_read(delivered, copies):
    write(
        delivered,
        "select plan_id, price::utinyint as price from (values ('p1', 5), ('p2', 7)) as t(plan_id, price)",
        "billing/plans.parquet",
    )
    delivered.write(
        "subs.json",
        '[{"id": "s", "off": 8, "customer": "c", "since": "2024-01-31", "items": [{"i": 1, "plan": "p1"},'
        ' {"i": 2, "plan": "p2"}]}]',
    )
    delivered.load(
        "tables: {billing.subscriptions: {files: subs.json, explode: items, columns: {subscription_id: [id, items.i],"
        " customer_id: customer, started_on: since, plan_id: items.plan, discount_amount: off}}}",
        copies=copies,
    )
    assert stored(delivered, "billing__plans") == 0
    off = "select discount_amount::decimal(9, 2)::varchar from raw.billing__subscriptions order by row_number"
    assert delivered.con.execute(off).fetchall() == [("5.00",), ("3.00",)]


PLAIN = "select 'i1' as invoice_id, 'c1' as customer_id, date '2024-01-31' as issued_at, 1 as amount"


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        ("1.5::double as amount", ""),
        ("'1,50' as amount", ""),
        ("'2024-01-31' as issued_at", ""),
        ("timestamptz '2024-01-31 00:00:00+00' as issued_at", ""),
        ("date '0999-12-31' as issued_at", ""),
        ("date '10000-01-01' as issued_at", ""),
        ("'infinity'::date as issued_at", ""),
        ("'1.23457E+11' as customer_id", ""),
        ("'re' || chr(769) as \"status\"", ""),
        ("'eur' as currency", ""),
        ("'open ' as \"status\"", ""),
        ('chr(160) as "status"', ""),
        ("[1] as more", ""),
        ("1.5::float as more", ""),
        ('1 as "More", 2 as "mo re", 3 as filename', ""),
        ("'\\x41'::blob as customer_id", ""),
        ("1 as more", "where: {more: [1]}"),
        ("1 as more", "empty: [none]"),
        ("1 as more", "key_prefix: a-"),
        ("1 as more", "columns: {amount: {from: amount, scale: 0.01}}"),
        ("1 as more", "columns: {currency: {value: EUR}}"),
        ("1 as more", "columns: {status: {from: more, values: {1: paid}}}"),
        ("1 as more", "columns: {customer_id: {from: [customer_id, more]}}"),
    ],
)
def test_what_must_be_read_first_is_the_loader_s(delivered, copies, columns, mapping):
    names = re.findall(r'as "?(\w+)"?$', columns)
    base = f"select * exclude ({', '.join(names)}) from ({PLAIN})" if names[0] in PLAIN else PLAIN
    write(delivered, f"select *, {columns} from ({base})")
    delivered.load(f"tables:\n  billing.invoices: {{{mapping}}}\n" if mapping else None, copies=copies)
    assert stored(delivered) == 1


@pytest.mark.parametrize(
    "mapping",
    [
        "tables: {billing.invoices: {columns: {invoice_id: number, status: {from: state, optional: true}}}}",
        "tables: {billing.invoices: [{name: shop, files: billing/*, columns: {invoice_id: number, status: state}}]}",
    ],
)
def test_a_mapping_that_only_names_columns_leaves_files_to_the_engine(delivered, copies, mapping):
    write(delivered, f"select *, 'open' as state from ({PLAIN.replace('invoice_id', 'number')})")
    delivered.load(mapping, copies=copies)
    assert stored(delivered) == 0
    assert delivered.rows("billing.invoices", "invoice_id, customer_id, issued_at, amount, status, row_number") == [
        ("i1", "c1", "2024-01-31 00:00:00", "1", "open", 1)
    ]


def test_a_replaced_file_s_earlier_rows_stay_and_a_withdrawn_table_s_copy_goes(delivered, copies):
    write(delivered, PLAIN)
    delivered.load(copies=copies)
    write(delivered, PLAIN.replace("i1", "i2"))
    delivered.load(copies=copies)
    assert delivered.column("billing.invoices", "invoice_id") == ["i1", "i2"]
    assert len(list(copies.rglob("*.parquet"))) == 2
    mapping = "tables:\n  crm.customers: {files: billing/invoices.parquet}\n"
    write(delivered, PLAIN.replace("i1", "i3"), "billing/invoices/c.parquet")
    delivered.load(mapping, copies=copies)
    delivered.load(copies=copies)  # which deletes what nothing needs any more
    assert delivered.column("billing.invoices", "invoice_id") == ["i3"]
    assert delivered.column("crm.customers", "customer_id") == ["c1"]
    assert len(list(copies.rglob("*.parquet"))) == 2


def test_a_lost_copy_is_made_again_or_missed(delivered, copies, storage):
    path = write(delivered, PLAIN)
    delivered.load(copies=copies)
    [copy] = copies.rglob("*.parquet")
    content = copy.read_bytes()
    copy.unlink()
    delivered.load(copies=copies)
    assert copy.read_bytes() == content

    path.unlink()
    copy.unlink()
    write(delivered, PLAIN.replace("i1", "i2"), "billing/invoices/b.parquet")
    with pytest.raises(UserError, match="is gone, and with it the rows of billing/invoices.parquet"):
        delivered.load(copies=copies)
    with pytest.raises(UserError, match="is gone, and with it the rows of billing/invoices.parquet"):
        DuckDB(Warehouse(delivered.root / "warehouse"), storage).begin(delivered.con)
    with pytest.raises(UserError, match="Name that folder with --spark-storage"):
        DuckDB(Warehouse(delivered.root / "warehouse")).begin(delivered.con)
    copy.write_bytes(content)
    delivered.load(copies=copies)
    assert sorted(delivered.column("billing.invoices", "invoice_id")) == ["i1", "i2"]


def test_a_copy_that_is_cut_is_made_again_or_missed(delivered, copies, storage):
    path = write(delivered, PLAIN)
    delivered.load(copies=copies)
    [copy] = copies.rglob("*.parquet")
    content = copy.read_bytes()
    copy.write_bytes(content[:-20])
    delivered.load(copies=copies)
    assert copy.read_bytes() == content

    path.unlink()
    copy.write_bytes(content[:-20])
    write(delivered, PLAIN.replace("i1", "i2"), "billing/invoices/b.parquet")
    with pytest.raises(UserError, match="is cut off, and with it the rows of billing/invoices.parquet"):
        delivered.load(copies=copies)
    with pytest.raises(UserError, match="is cut off, and with it the rows of billing/invoices.parquet"):
        DuckDB(Warehouse(delivered.root / "warehouse"), storage).begin(delivered.con)
    assert copy.read_bytes() == content[:-20]


def test_a_copy_is_on_the_disk_before_it_counts(delivered, copies, monkeypatch):
    """The rows are nowhere else: the file with its last byte, then each folder that may be new."""
    synced = []
    monkeypatch.setattr(plain_parquet, "sync", lambda *paths: synced.append([*map(stamp_of, paths)]))
    path = write(delivered, PLAIN)
    delivered.load(copies=copies)
    [copy] = copies.rglob("*.parquet")
    [[file], folders] = synced
    assert file == (f".{copy.name}.{os.getpid()}.new", path.stat().st_size)
    assert [name for name, _ in folders] == [folder.name for folder in copy.parents[:4]]


def stamp_of(path: Path) -> tuple[str, int]:
    return path.name, path.stat().st_size


def test_a_damaged_file_is_named(delivered, copies):
    path = write(delivered, INVOICES)
    path.write_bytes(path.read_bytes()[:-20] + b"x" * 16 + b"PAR1")
    with pytest.raises(UserError, match="billing/invoices.parquet is not a valid Parquet file"):
        delivered.load(copies=copies)
    assert not list(copies.rglob("*.*"))
