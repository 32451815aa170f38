"""Staging: what is cast, quarantined, repeated and kept of rows as the loader leaves them, in tables of the schema raw.

All scenarios are built by one `dbt build`, each in its own file. They are no dbt unit tests, because there `graph` is
empty and so the contract's definition, from which staging is made, out of reach.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.contract.tables import contract

ROOT = Path(__file__).resolve().parents[2]
TEXT, DAY = "unreadable: abc", "2024-01-05"

# A row that is fine, per table.
GOOD = {
    "crm.customers": {"customer_id": "c"},
    "crm.employees": {"employee_id": "e"},
    "crm.cases": {"case_id": "k", "customer_id": "c", "opened_at": "2024-01-05 10:00:00"},
    "crm.surveys": {"response_id": "r", "customer_id": "c", "kind": "nps", "score": "9", "answered_at": DAY},
    "crm.departures": {"departure_id": "d", "customer_id": "c", "noted_at": DAY, "reason": "moved"},
    "crm.outreach": {"outreach_id": "o", "customer_id": "c", "sent_at": DAY, "channel": "sms"},
    "crm.customer_ids": {"source_id": "x", "customer_id": "c"},
    "billing.plans": {"plan_id": "p"},
    "billing.subscriptions": {"subscription_id": "s", "started_on": DAY, "customer_id": "c"},
    "billing.subscription_events": {"customer_id": "c", "occurred_on": DAY},
    "billing.invoices": {"invoice_id": "i", "customer_id": "c", "issued_at": DAY, "amount": "1"},
    "billing.invoice_lines": {"invoice_id": "i", "customer_id": "c", "issued_at": DAY, "amount": "1"},
    "billing.payments": {"payment_id": "y", "customer_id": "c", "paid_at": DAY, "amount": "1", "status": "failed"},
    "billing.refunds": {"refund_id": "f", "customer_id": "c", "refunded_at": DAY, "amount": "1"},
    "billing.fx_rates": {"rate_date": DAY, "currency": "USD", "rate": "0.9"},
}

# What makes that row unusable: (table, other values, column at fault, reason).
UNUSABLE = [
    *(
        (name, {column.name: None}, column.name, "a value is required")
        for name, table in contract().items()
        for column in table.columns.values()
        if column.required
    ),
    ("crm.customers", {"created_at": TEXT}, "created_at", "not a date and time"),
    ("crm.customers", {"contact_allowed": "unreadable: maybe"}, "contact_allowed", "not yes or no"),
    ("crm.customers", {"preferred_channel": "fax"}, "preferred_channel", "none of sms, email, viber, voice"),
    ("crm.cases", {"first_response_at": "2024-01-04 23:59:59"}, "first_response_at", "before opened_at"),
    ("crm.cases", {"resolved_at": "2024-01-04"}, "resolved_at", "before opened_at"),
    ("crm.cases", {"kind": "praise"}, "kind", "none of complaint, question, request"),
    ("crm.cases", {"severity": "medium"}, "severity", "none of serious, minor"),
    ("crm.surveys", {"kind": "ces"}, "kind", "none of nps, csat"),
    ("crm.surveys", {"score": "-1"}, "score", "below 0"),
    ("crm.surveys", {"score": "11"}, "score", "above the highest nps score"),
    ("crm.surveys", {"kind": "csat", "score": "6"}, "score", "above the highest csat score"),
    ("crm.surveys", {"kind": "csat", "score": "8", "scale_max": "7"}, "score", "above the highest csat score"),
    ("crm.surveys", {"kind": "csat", "scale_max": TEXT}, "scale_max", "not a number"),
    ("crm.departures", {"left_on": TEXT}, "left_on", "not a date"),
    ("billing.plans", {"interval": "fortnight"}, "interval", "none of day, week, month, year"),
    ("billing.plans", {"interval_count": "0"}, "interval_count", "below 1"),
    ("billing.plans", {"price": "1000000000000"}, "price", "too large a number"),
    ("billing.subscriptions", {"started_on": TEXT, "customer_id": None}, "started_on", "not a date"),
    ("billing.subscriptions", {"ended_on": "2024-01-04"}, "ended_on", "before started_on"),
    ("billing.subscriptions", {"quantity": "-1"}, "quantity", "below 0"),
    (
        "billing.subscriptions",
        {"unit_price": "999999999999", "quantity": "1001"},
        "unit_price",
        "too large a number with its quantity",
    ),
    (
        "billing.invoice_lines",
        {"amount": None, "quantity": "-999999999999", "unit_price": "999999999999"},
        "unit_price",
        "too large a number with its quantity",
    ),
    ("billing.subscriptions", {"inactive_on": "2024-01-04"}, "inactive_on", "before started_on"),
    ("billing.subscriptions", {"discount_amount": "-1"}, "discount_amount", "below 0"),
    ("billing.subscriptions", {"auto_renew": "perhaps"}, "auto_renew", "not yes or no"),
    ("billing.subscription_events", {"interval": "fortnight"}, "interval", "none of day, week, month, year"),
    ("billing.invoices", {"covers_until": TEXT}, "covers_until", "not a date"),
    (
        "billing.invoices",
        {"customer_id": "unreadable: 1.2E+11"},
        "customer_id",
        "not an id: a power of ten, as Excel writes long numbers",
    ),
    ("billing.subscriptions", {"interval_count": "1.5"}, "interval_count", "not a whole number"),
    ("billing.subscriptions", {"discount_rate": "-0.1"}, "discount_rate", "below 0"),
    ("billing.subscriptions", {"discount_rate": "1.1"}, "discount_rate", "above 1"),
    ("billing.subscription_events", {"event": "pause"}, "event", "none of start, change, cancel"),
    ("billing.subscription_events", {"quantity": "-1"}, "quantity", "below 0"),
    ("billing.invoices", {"amount": TEXT}, "amount", "not a number"),
    ("billing.invoices", {"status": "draft"}, "status", "none of paid, open, void, uncollectible"),
    ("billing.invoice_lines", {"amount": None}, "amount", "a value is required, or quantity and unit_price"),
    (
        "billing.invoice_lines",
        {"amount": None, "quantity": "1"},
        "amount",
        "a value is required, or quantity and unit_price",
    ),
    ("billing.invoice_lines", {"amount": None, "quantity": TEXT, "unit_price": "1"}, "quantity", "not a number"),
    ("billing.invoice_lines", {"quantity": TEXT}, "quantity", "not a number"),
    ("billing.payments", {"status": "pending"}, "status", "none of succeeded, failed"),
    ("billing.fx_rates", {"rate": "0"}, "rate", "not above 0"),
]

# What is unusual and fine: (table, other values, typed values).
USABLE = [
    (
        "crm.customers",
        {"preferred_channel": " Viber ", "contact_allowed": "false"},
        {"preferred_channel": "viber", "contact_allowed": False},
    ),
    (
        "crm.cases",
        {"channel": "Fax", "resolved_at": "2024-01-05 10:00:00"},
        {"channel": "Fax", "resolved_at": datetime(2024, 1, 5, 10)},
    ),
    ("crm.surveys", {"score": "10"}, {"score": 10}),
    ("crm.surveys", {"kind": "CSAT", "score": "5"}, {"kind": "csat", "scale_max": 5}),
    ("crm.surveys", {"kind": "csat", "score": "7", "scale_max": "7"}, {"score": 7, "scale_max": 7}),
    (
        "billing.plans",
        {"interval": "MONTH", "currency": " eur "},
        {"interval": "month", "interval_count": 1, "currency": "EUR"},
    ),
    (
        "billing.subscriptions",
        {"started_on": "2024-01-05 23:59:59", "ended_on": DAY},
        {"started_on": date(2024, 1, 5), "ended_on": date(2024, 1, 5)},
    ),
    (
        "billing.subscriptions",
        {"quantity": "0", "discount_rate": "1", "interval_count": "3.0"},
        {"quantity": 0, "discount_rate": 1, "interval_count": 3},
    ),
    ("billing.subscriptions", {"status": " Past_Due "}, {"quantity": 1, "status": "past_due", "interval_count": None}),
    ("billing.subscriptions", {"unit_price": "49.900000000000006"}, {"unit_price": Decimal("49.9")}),
    ("billing.subscription_events", {"event": "Start"}, {"subscription_id": "c", "event": "start", "quantity": None}),
    ("billing.invoices", {"amount": "-0.0000005"}, {"amount": Decimal("-0.000001"), "status": None}),
    (
        "billing.invoice_lines",
        {"amount": None, "quantity": "-2", "unit_price": "1.5"},
        {"amount": None, "quantity": -2},
    ),
    (
        "billing.fx_rates",
        {"currency": "bgn", "rate": "0.51129188120"},
        {"currency": "BGN", "rate": Decimal("0.5112918812")},
    ),
]


class Raw:
    """The schema raw, filled file by file; tables stand for the loader's views."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con, self.loads = con, 0
        con.execute("create schema raw")
        con.execute(
            "create table raw.loads (load_id varchar, table_name varchar, loaded_at timestamp, rows_read bigint,"
            " rows_filtered bigint, file varchar)"
        )
        con.execute(
            "create table raw.files (table_name varchar, file varchar, content_hash varchar, load_id varchar,"
            " is_current boolean, source varchar)"
        )
        con.execute(
            "create table raw.spellings (identifies varchar, id varchar, spelling varchar, is_pseudonym boolean)"
        )
        for table in contract().values():
            columns = ", ".join(f'"{column}" varchar' for column in table.columns)
            con.execute(
                f"create table raw.{table.raw} ({columns}, file varchar, file_order varchar, load_order bigint,"
                " load_number bigint, load_id varchar, row_number bigint, "
                "raw_row varchar, malformed varchar, is_current boolean, in_force boolean, source varchar, "
                "status_means varchar, seen_as_of date, is_history boolean)"
            )

    def deliver(
        self,
        table: str,
        file: str,
        *rows: dict[str, str | None],
        filtered: int = 0,
        is_current: bool = True,
        in_force: bool = True,
        is_history: bool = False,
        source: str = "1",
    ) -> str:
        """A file's rows; values that its key `malformed` doesn't replace. The load's id."""
        self.loads += 1
        load = f"load{self.loads}"
        for number, row in enumerate(rows, 1):
            values = row | {
                "file": file,
                "file_order": file,
                "load_order": self.loads,
                "load_id": load,
                "row_number": number,
                "raw_row": json.dumps(row),
                "is_current": is_current,
                "in_force": in_force,
                "source": source,
                "is_history": is_history,
            }
            names = ", ".join(f'"{name}"' for name in values)
            self.con.execute(
                f"insert into raw.{contract()[table].raw} ({names}) values ({', '.join('?' * len(values))})",
                list(values.values()),
            )
        self.con.execute(
            f"update raw.{contract()[table].raw} as rows set load_number = numbered.load_number from (select load_id,"
            " row_number() over (order by min(file_order), min(load_order)) as load_number"
            f" from raw.{contract()[table].raw} group by load_id) as numbered where rows.load_id = numbered.load_id"
        )
        self.con.execute(
            "insert into raw.loads values (?, ?, ?, ?, ?, ?)",
            [load, table, datetime(2024, 2, 1), len(rows) + filtered, filtered, file],
        )
        self.found(table, file, load, is_current)
        return load

    def found(self, table: str, file: str, load: str, is_current: bool = True) -> None:
        """A path under which the content of a load lies."""
        self.con.execute(
            "insert into raw.files values (?, ?, ?, ?, ?, '1')", [table, file, f"hash of {load}", load, is_current]
        )


def scenarios(raw: Raw) -> None:
    for number, (table, values, _, _) in enumerate(UNUSABLE):
        raw.deliver(table, f"unusable-{number}", GOOD[table] | values)
    for number, (table, values, _) in enumerate(USABLE):
        raw.deliver(table, f"usable-{number}", GOOD[table] | values)
    raw.deliver("crm.employees", "malformed", {"malformed": "3 fields instead of 4"})

    newer, older, undated = (
        {"customer_id": "A", "country": country, "updated_at": day}
        for country, day in [("BG", "2024-01-02"), ("DE", "2024-01-01"), ("FR", None)]
    )
    raw.deliver("crm.customers", "rivals", newer, older, undated, newer, filtered=2)
    raw.deliver(
        "crm.customers", "bad rivals", {"customer_id": "B", "updated_at": DAY}, {"customer_id": "B", "updated_at": TEXT}
    )
    first, second = {"refund_id": "A"}, {"refund_id": "A", "customer_id": "other"}
    raw.deliver(
        "billing.refunds",
        "undated rivals",
        GOOD["billing.refunds"] | first,
        GOOD["billing.refunds"] | second,
        GOOD["billing.refunds"] | first,
    )
    raw.deliver(
        "billing.subscriptions",
        "typed rivals",
        *(
            {"subscription_id": "T", "started_on": day, "customer_id": "c"}
            for day in [DAY, f"{DAY} 10:00:00", "2024-01-06"]
        ),
    )
    listed = [
        {"subscription_id": name, "customer_id": "c", "unit_price": price}
        for name, price in [("R", "10"), ("R", "10"), ("S", "10"), ("S", "12"), ("U", "10")]
    ]
    raw.deliver("billing.subscriptions", "list without days", *listed, is_history=True)
    event = {"customer_id": "E", "occurred_on": DAY}
    raw.deliver(
        "billing.subscription_events",
        "events",
        event,
        event | {"subscription_id": "E", "quantity": "2"},
        event | {"event": "start"},
        event | {"plan_id": "P"},
    )

    # newest across files: by updated_at, else by delivery
    raw.deliver(
        "crm.customers",
        "newest-1",
        {"customer_id": "N", "country": "BG", "updated_at": "2024-01-02"},
        {"customer_id": "O", "country": "BG"},
    )
    raw.deliver(
        "crm.customers",
        "newest-2",
        {"customer_id": "N", "country": "DE", "updated_at": "2024-01-01"},
        {"customer_id": "O", "country": "DE"},
    )
    raw.deliver(
        "crm.customers",
        "newest-3",
        {"customer_id": "N", "country": "FR"},
        {"customer_id": "O", "country": TEXT, "created_at": TEXT},
    )
    raw.deliver("crm.customers", "snapshot-1", {"customer_id": "gone"}, in_force=False)

    # one path, two contents; and its first content under a second path
    line = GOOD["billing.invoice_lines"]
    replaced = raw.deliver(
        "billing.invoice_lines",
        "lines",
        line | {"invoice_id": "L"},
        line | {"line_id": "1"},
        line | {"customer_id": None},
        is_current=False,
    )
    raw.deliver(
        "billing.invoice_lines",
        "lines",
        line | {"invoice_id": "M"},
        line | {"invoice_id": "M"},
        line | {"line_id": "2"},
        line | {"line_id": "2", "amount": "3"},
    )
    raw.found("billing.invoice_lines", "lines again", replaced)

    # files that contradict each other, and a path that was corrected
    names = {
        "a": [("A", "Ana"), ("B", "Bo"), ("C", None)],
        "b": [("A", "Ana"), ("C", "Cy")],
        "c": [("A", "Anna"), ("C", "Cyd")],
    }
    for file, rows in names.items():
        raw.deliver(
            "crm.employees",
            file,
            *({"employee_id": employee, "name": name} for employee, name in rows),
            is_current=file != "a",
        )
    raw.deliver("crm.employees", "a", {"employee_id": "B", "name": "Bob"})

    # of two sources with one key: one states updated_at, the other does not
    invoice = GOOD["billing.invoices"] | {"invoice_id": "17"}
    raw.deliver("billing.invoices", "erp 1", invoice | {"updated_at": "2024-01-06"}, source="erp")
    raw.deliver("billing.invoices", "erp 2", invoice | {"amount": "2", "updated_at": "2024-01-07"}, source="erp")
    raw.deliver("billing.invoices", "shop", invoice | {"amount": "3"}, source="shop")


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """All scenarios, built."""
    path = tmp_path_factory.mktemp("staging") / "build.duckdb"
    with duckdb.connect(str(path)) as con:
        scenarios(Raw(con))
    build(path)
    with duckdb.connect(str(path), read_only=True) as con:
        yield con


def build(path: Path) -> None:
    """Staging and quality of the database at `path`, with their data tests."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    places = {
        "CHURN_BUILD_DB": str(path),
        "DBT_LOG_PATH": str(path.parent),
        "DBT_PACKAGES_INSTALL_PATH": str(path.parent / "packages"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places.items():
            patch.setenv(name, value)
        arguments = [
            "--quiet",
            "build",
            "--select",
            "staging",
            "quality",
            "--exclude-resource-type",
            "unit_test",
            "--vars",
            "{as_of: '2024-12-31'}",
        ]
        folders = [
            "--project-dir",
            str(ROOT),
            "--profiles-dir",
            str(ROOT),
            "--target-path",
            str(path.parent / "target"),
        ]
        try:
            outcome = dbtRunner().invoke([*arguments, *folders])
        finally:
            DuckDBConnectionManager.close_all_connections()
    assert outcome.success, outcome.exception or [
        result.message for result in outcome.result if result.status != "success"
    ]


def judged(con: duckdb.DuckDBPyConnection, table: str, file: str) -> list[tuple]:
    return con.execute(
        f"select row_outcome, fault_column, fault from staging.base_{contract()[table].raw} where file = ?"
        " order by delivery_number",
        [file],
    ).fetchall()


@pytest.mark.parametrize(
    ("number", "table", "column", "reason"),
    [(number, table, column, reason) for number, (table, _, column, reason) in enumerate(UNUSABLE)],
)
def test_an_unusable_row_is_quarantined_with_its_first_fault(staged, number, table, column, reason):
    assert judged(staged, table, f"unusable-{number}") == [("quarantined", column, reason)]


@pytest.mark.parametrize(
    ("number", "table", "values"), [(number, table, values) for number, (table, _, values) in enumerate(USABLE)]
)
def test_an_unusual_row_is_loaded_with_its_types(staged, number, table, values):
    rows = staged.execute(
        f"select row_outcome, {', '.join(values)} from staging.base_{contract()[table].raw} where file = ?",
        [f"usable-{number}"],
    ).fetchall()
    assert rows == [("loaded", *values.values())]


def test_a_malformed_line_is_quarantined_for_what_the_reader_says(staged):
    assert judged(staged, "crm.employees", "malformed") == [("quarantined", None, "3 fields instead of 4")]


def test_of_rows_of_one_file_that_share_a_key_the_newest_is_loaded(staged):
    superseded, repeated, loaded = (
        ("quarantined", None, "superseded_in_file"),
        ("repeated", None, None),
        ("loaded", None, None),
    )
    assert judged(staged, "crm.customers", "rivals") == [repeated, superseded, superseded, loaded]
    assert judged(staged, "crm.customers", "bad rivals") == [
        loaded,
        ("quarantined", "updated_at", "not a date and time"),
    ]
    assert judged(staged, "billing.refunds", "undated rivals") == [repeated, superseded, loaded]


def test_keys_are_compared_by_their_typed_values(staged):
    superseded, loaded = ("quarantined", None, "superseded_in_file"), ("loaded", None, None)
    assert judged(staged, "billing.subscriptions", "typed rivals") == [superseded, loaded, loaded]
    assert judged(staged, "billing.subscription_events", "events") == [superseded, loaded, loaded, loaded]


def test_rows_of_a_list_without_days_share_a_key_by_their_id(staged):
    loaded = ("loaded", None, None)
    assert judged(staged, "billing.subscriptions", "list without days") == [
        ("repeated", None, None),
        loaded,
        ("quarantined", None, "superseded_in_file"),
        loaded,
        loaded,
    ]


def test_the_newest_usable_version_of_a_key_wins(staged):
    rows = staged.execute(
        "select customer_id, country, raw_row from staging.stg_crm__customers"
        " where customer_id in ('N', 'O', 'gone') order by all"
    ).fetchall()
    assert rows == [
        ("N", "BG", '{"customer_id": "N", "country": "BG", "updated_at": "2024-01-02"}'),
        ("O", "DE", '{"customer_id": "O", "country": "DE"}'),
    ]


def test_lines_without_an_id_go_with_their_content_and_keyed_ones_stay(staged):
    rows = staged.execute(
        "select invoice_id, line_id, amount, row_number from staging.stg_billing__invoice_lines"
        " where file = 'lines' order by all"
    ).fetchall()
    assert rows == [("M", None, 1, 1), ("M", None, 1, 2), ("i", "1", 1, 2), ("i", "2", 3, 4)]


def test_the_quarantine_holds_the_rows_of_current_contents_whole(staged):
    rows = staged.execute("select column_name, raw_row from restricted.quarantine where file = 'lines'").fetchall()
    assert rows == [(None, json.dumps(GOOD["billing.invoice_lines"] | {"line_id": "2"}))]
    assert {
        table for (table,) in staged.execute("select distinct table_name from restricted.quarantine").fetchall()
    } == contract().keys()


def test_every_record_of_a_file_is_accounted_for(staged):
    columns = "table_name, file, rows_read, rows_loaded, rows_quarantined, rows_filtered, rows_repeated"
    rows = staged.execute(
        f"select {columns} from quality.load_audit where file in ('rivals', 'lines', 'lines again') order by file"
    ).fetchall()
    assert rows == [
        ("billing.invoice_lines", "lines", 4, 3, 1, 0, 0),
        ("billing.invoice_lines", "lines again", 3, 3, 0, 0, 0),
        ("crm.customers", "rivals", 6, 1, 2, 2, 1),
    ]
    total, quarantined = staged.execute("select count(*), sum(rows_quarantined) from quality.load_audit").fetchone()
    assert total == staged.execute("select count(*) from raw.files where is_current").fetchone()[0]
    assert quarantined == staged.execute("select count(*) from restricted.quarantine").fetchone()[0]


def test_files_that_contradict_each_other_are_named(staged):
    assert staged.execute(
        "from quality.conflicting_deliveries where table_name = 'crm.employees' order by all"
    ).fetchall() == [
        ("crm.employees", "a", "b", 1),
        ("crm.employees", "b", "c", 2),
    ]
    assert staged.execute(
        "select count(*) from quality.conflicting_deliveries where table_name = 'crm.customers'"
    ).fetchone() == (0,)
    assert staged.execute(
        "from quality.conflicting_deliveries where table_name = 'billing.invoices' order by all"
    ).fetchall() == [("billing.invoices", "erp 2", "shop", 1)]


def test_nothing_delivered_builds_empty_tables(tmp_path):
    with duckdb.connect(str(tmp_path / "build.duckdb")) as con:
        Raw(con)
    build(tmp_path / "build.duckdb")
    with duckdb.connect(str(tmp_path / "build.duckdb")) as con:
        tables = [
            name
            for (name,) in con.execute(
                "select table_schema || '.' || table_name from information_schema.tables where table_schema <> 'raw'"
            ).fetchall()
        ]
        assert len(tables) == 2 * len(contract()) + 3
        assert sum(con.execute(f"select count(*) from {name}").fetchone()[0] for name in tables) == 0


def test_the_list_of_tables_is_the_contracts():
    """dbt must know the tables before it has read the sources, so that a macro lists them."""
    macro = (ROOT / "macros" / "staging" / "contract.sql").read_text(encoding="utf-8").split("endmacro")[0]
    assert sorted(re.findall(r"'(\w+__\w+)'", macro)) == sorted(table.raw for table in contract().values())


def test_facts_of_the_contract_name_its_columns():
    tables = contract()
    keys = {table.key[0] for table in tables.values()}
    for table in tables.values():
        assert table.event_day is None or tables[table.name].columns[table.event_day].type in ("date", "timestamp")
        assert (table.event_day is None) == (table.fresh_for_days is None)
        assert table.event_day_is in (None, "happened", "announced") and (table.event_day or not table.event_day_is)
        assert {column.refers_to for column in table.columns.values()} - {None} <= keys
        assert not table.activity or table.makes_customers


def test_staging_has_the_contracts_tables_and_columns(staged):
    for table in contract().values():
        described = staged.execute(f"describe staging.stg_{table.raw}").fetchall()
        provenance = ["file", "row_number", "load_id", "delivery_number", "source", "status_means"] + ["raw_row"] * (
            table.name == "crm.customers"
        )
        assert [column[0] for column in described] == [*table.columns, *provenance]


def test_the_definition_uses_only_words_that_its_readers_know():
    of_column = {
        "type",
        "required",
        "key",
        "values",
        "minimum",
        "maximum",
        "above",
        "maximum_of",
        "default",
        "default_from",
        "lower",
        "personal",
        "refers_to",
        "identifies",
        "segment",
    }
    of_table = {
        "periods",
        "one_of",
        "row_key",
        "activity",
        "makes_customers",
        "event_day",
        "event_day_is",
        "fresh_for_days",
    }
    for path in (ROOT / "models" / "staging").glob("*/_*__sources.yml"):
        for table in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"][0]["tables"]:
            assert table.get("config", {}).get("meta", {}).keys() <= of_table
            assert all(
                column["config"]["meta"].keys() <= of_column and column["data_type"] == "string"
                for column in table["columns"]
            )
