"""What the extracts call things never becomes code: not in SQL, not in a path, not in a page, not in a spreadsheet."""

from __future__ import annotations

import re
import zipfile
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.churn import churn, published, write_csv

IMAGE = "<img src=x onerror=alert(1)>"
# As ids of customers, as segments, and as far as a file system allows as names of files.
HOSTILE = [
    "'; drop table marts.dim_customers; --",
    '" or 1=1 --',
    "{{ 7 * 7 }}",
    "$." + '"x"',
    "../../escaped",
    "</script><script>alert(1)</script>",
    IMAGE,
    "[x](javascript:alert(1))",
    "=cmd|'/c calc'!A1",
    "@SUM(1+1)",
    "-1;=1+1",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with `warehouse`, published from extracts in which everything is named like this."""
    folder = tmp_path_factory.mktemp("sinks") / "inner" / """it's "a" place; място [1] {{ 2 }}"""
    extracts, start = folder / "extracts", date(2023, 1, 3)
    write_csv(
        extracts / "crm" / "customers.csv", [{"customer_id": name, "name": "P", "country": name} for name in HOSTILE]
    )
    subscriptions = [
        {
            "subscription_id": name,
            "customer_id": name,
            "started_on": start + timedelta(days=7 * number),
            "ended_on": start + timedelta(days=200 + 9 * number) if number % 2 else "",
            "unit_price": 10,
            "currency": "EUR",
            "plan_id": name,
        }
        for number, name in enumerate(HOSTILE)
    ]
    write_csv(extracts / "billing" / "subscriptions.csv", subscriptions)
    for number, name in enumerate(HOSTILE):
        invoice = {
            "invoice_id": name,
            "customer_id": name,
            "issued_at": start + timedelta(days=7 * number),
            "amount": 1,
        }
        # a row that cannot be used, so that checks and the quarantine speak of the file
        bad = {**invoice, "invoice_id": f"bad {name}", "issued_at": "soon"}
        good = [{**invoice, "invoice_id": f"{name} {copy}"} for copy in range(3)]
        write_csv(extracts / "billing" / f"invoices_{name.replace('/', '')}.csv", [*good, bad])
    (extracts / "extracts.yml").write_text("policies: {segments: [country, first_plan]}\n")
    published(folder, date(2023, 12, 31))
    return folder


def test_sql_takes_every_text_as_a_value(place):
    with duckdb.connect(str(place / "warehouse" / "churn.duckdb"), read_only=True) as con:
        ids = con.execute("select customer_id from marts.dim_customers").fetchall()
        segments = con.execute(
            "select distinct segment from marts.churn_rates where segment_type = 'country'"
        ).fetchall()
        files = con.execute("select file, rows_loaded from quality.load_audit where table_name = 'billing.invoices'")
        assert {name for (name,) in ids} == {name for (name,) in segments} == set(HOSTILE)
        assert dict(files.fetchall()) == {f"billing/invoices_{name.replace('/', '')}.csv": 3 for name in HOSTILE}


def test_no_text_becomes_a_path(place):
    assert not list(place.parents[1].rglob("*escaped*.parquet"))
    assert {path.name for path in place.parents[1].iterdir()} == {"inner"}
    assert {path.name for path in place.iterdir()} == {"extracts", "warehouse"}
    with duckdb.connect(str(place / "warehouse" / "churn.duckdb"), read_only=True) as con:
        marts = con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
    exports = {path.stem for path in (place / "warehouse" / "exports").iterdir()}
    assert exports == {name for (name,) in marts}


def test_no_text_becomes_a_part_of_a_page(place):
    pages = {path.relative_to(place): path.read_text(encoding="utf-8") for path in place.rglob("*.html")}
    assert {page.parent.name for page in pages} >= {"report", "docs", "data_docs"}
    code = re.compile(r"<img src=x|<script>alert", re.IGNORECASE)
    assert [page for page, text in pages.items() if code.search(text)] == []


def test_no_text_becomes_a_formula_or_a_link_of_the_workbook(place):
    done = churn("export", "--warehouse", place / "warehouse", "--xlsx", place / "warehouse" / "book.xlsx")
    assert done.code == 0, done.err
    with zipfile.ZipFile(place / "warehouse" / "book.xlsx") as book:
        parts = {name: book.read(name).decode() for name in book.namelist() if name.endswith((".xml", ".rels"))}
    formulas = [text for name, part in parts.items() if "sheet" in name for text in re.findall("<f>(.*?)</f>", part)]
    assert not [formula for formula in formulas if re.search("cmd|SUM|1=1|1\\+1", formula)]
    assert not [name for name, part in parts.items() if "javascript" in part and name.endswith(".rels")]
