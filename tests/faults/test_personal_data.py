"""What people wrote about people stays in build.duckdb and private.duckdb: planted everywhere,
it is found nowhere else.

Planted: a name, an e-mail address and a phone number in every text column of every contract table, in a column that the
contract doesn't name, in cells that can't be read, and in files that are refused. Not planted are ids, segments
(country, segment, acquisition_channel), columns with listed values, and the four texts that METRICS.md itself puts into
marts: a case's channel and an employee's team (service_levels), a message's campaign and channel (win_back_results).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.contract.mapping import load_mapping
from orchestration.contract.segments import refuse_personal
from orchestration.contract.tables import contract
from orchestration.defs.run_history import run_history
from orchestration.engines import without_values
from orchestration.errors import UserError
from orchestration.refresh.session import explained
from orchestration.transform import project
from orchestration.warehouse.folder import Warehouse
from tests.churn import Done, churn
from tests.outcome import outcome_of

NAME, EMAIL, PHONE = "Zyxa Quorbel", "zyxa@quorbel.example", "+359 88 7654321"
PLANTED = f"{NAME} <{EMAIL}> {PHONE}"
# in lower case: what is left of them after trimming, normalising and cutting; of the number more than the seven digits
# that may also be the fraction of a second in one of Dagster's events
TRACES = ("zyxa", "quorbel", "88 7654321", "887654321")
PRIVATE = ("build.duckdb", "build.duckdb.wal", "private.duckdb", "failure.txt")

EXTRACTS = {
    "crm/customers": [
        (
            "customer_id,created_at,name,email,phone,messaging,preferred_channel,contact_allowed,country,segment,"
            "acquisition_channel,account_manager_id,merged_into,updated_at,Street,Team's region"
        ),
        *(
            f"c{n},2024-01-01,{NAME},{EMAIL},{PHONE},{PHONE},sms,yes,BG,small,ads,e1,,2024-01-01,{PLANTED},North"
            for n in range(9)
        ),
        f"c9,2024-01-01,{NAME},,,,{EMAIL},yes,BG,small,ads,e1,c1,2024-01-01,,",
        "ann@shop.example,2024-01-01,,,,,,,BG,small,ads,,,2024-01-01,,",
    ],
    "crm/employees": ["employee_id,name,role,team", f"e1,{NAME},{PLANTED},North"],
    "crm/cases": [
        "case_id,customer_id,opened_at,first_response_at,resolved_at,kind,severity,topic,channel,employee_id",
        *(f"k{n},c{n},2024-03-10 10:00,2024-03-12 10:00,,complaint,serious,{PLANTED},phone,e1" for n in range(5)),
        f"k8,c2,{PLANTED},,,complaint,minor,,phone,e1",
        f"k9,c2,2024-03-10,,,{PLANTED},minor,,phone,e1",
    ],
    "crm/surveys": [
        "response_id,customer_id,kind,score,scale_max,answered_at,comment,case_id,employee_id",
        *(f"r{n},c{n},nps,3,,2024-03-11,{PLANTED},k{n},e1" for n in range(5)),
        f"r9,c2,nps,{PHONE},,2024-03-11,,,",
    ],
    "crm/departures": [
        "departure_id,customer_id,noted_at,left_on,reason,noted_by,channel",
        *(f"d{n},c{n},2024-04-02,2024-04-01,{PLANTED} {n % 2},e1,{PLANTED}" for n in range(3)),
    ],
    "crm/outreach": [
        "outreach_id,customer_id,sent_at,channel,campaign,replied_at",
        "o1,c1,2024-05-01,sms,spring,2024-05-02",
        "o2,c2,2024-05-01,email,spring,",
        f"o9,c2,{PLANTED},email,spring,",
    ],
    "billing/plans": ["plan_id,name,interval,interval_count,price,currency", f"p1,{PLANTED},month,1,10,EUR"],
    "billing/subscriptions": [
        "subscription_id,started_on,customer_id,plan_id,ended_on,quantity,unit_price,interval,interval_count,currency,discount_rate,trial_ends_on,status,end_reason,updated_at",
        *(
            (
                f"s{n},2024-01-{n + 1:02},c{n},p1,{'2024-04-01' if n < 4 else ''},1,10,month,1,EUR,,,{PLANTED},"
                f"{PLANTED},2024-04-01"
            )
            for n in range(7)
        ),
        f"s9,2024-01-01,c2,p1,,{PHONE},10,month,1,{NAME},,,,,",
        "s10,2024-02-01,ann@shop.example,p1,,1,10,month,1,EUR,,,,,2024-04-01",
    ],
    "billing/subscription_events": [
        "subscription_id,customer_id,occurred_on,plan_id,event,quantity,unit_price,status",
        f"v1,c7,2024-01-05,p1,start,1,12,{PLANTED}",
        f"v2,c7,2024-01-05,p1,{NAME},1,12,",
    ],
    "billing/invoices": [
        "invoice_id,customer_id,issued_at,amount,cost,currency,status,subscription_id,employee_id,paid_at,updated_at",
        *(f"i{n},c{n % 7},2024-0{1 + n % 3}-15,10,4,EUR,paid,s{n % 7},e1,2024-03-20,2024-03-20" for n in range(9)),
        f"i98,c2,2024-03-15,{PLANTED},4,EUR,paid,,,,",
        f"i99,c2,2024-03-15,10,4,EUR,{PLANTED},,,,",
    ],
    "billing/invoice_lines": [
        "invoice_id,line_id,customer_id,issued_at,amount,quantity,unit_price,cost,currency,status,product,employee_id",
        f"l1,1,c8,2024-02-10,20,,,5,EUR,paid,{PLANTED},e1",
        f"l2,1,c8,2024-03-10,20,,,5,EUR,paid,{PLANTED},e1",
    ],
    "billing/payments": [
        "payment_id,customer_id,invoice_id,paid_at,amount,currency,status,failure_code",
        f"p1,c5,i5,2024-03-20,10,EUR,failed,{PLANTED}",
    ],
    "billing/refunds": ["refund_id,customer_id,invoice_id,refunded_at,amount,currency", "f1,c1,i1,2024-03-25,2,EUR"],
    "billing/fx_rates": ["rate_date,currency,rate", "2024-01-01,USD,0.9"],
}
NOT_PLANTED = {
    "crm.customers": {"country", "segment", "acquisition_channel"},
    "crm.employees": {"team"},
    "crm.cases": {"channel"},
    "crm.outreach": {"channel", "campaign"},
}


def write(folder: Path, files: dict[str, list[str]]) -> None:
    for name, lines in files.items():
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder for the extracts, the warehouse,
    and whatever is left in the home and the temporary folder of who refreshes."""
    return tmp_path_factory.mktemp("planted")


def live_in(place: Path) -> None:
    os.environ |= {name: str(place / name) for name in ("HOME", "TMPDIR")}
    tempfile.tempdir = None
    for name in ("HOME", "TMPDIR"):
        (place / name).mkdir(exist_ok=True)


@pytest.fixture(scope="module")
def refreshes(place) -> dict[str, Done]:
    """One after another: published, refused (exit 1), stopped by its extracts (exit 2)."""

    here = partial(live_in, place)

    def refresh() -> Done:
        return churn(
            "refresh",
            "--extracts",
            place / "extracts",
            "--warehouse",
            place / "warehouse",
            "--as-of",
            "2024-06-30",
            prepare=here,
        )

    write(place / "extracts", EXTRACTS)
    (place / "extracts" / "extracts.yml").write_text("policies: {segments: [country, Team's region]}\n")
    done = {"published": refresh()}
    write(
        place / "extracts",
        {
            "billing/payments_2": [
                EXTRACTS["billing/payments"][0],
                *(f"q{n},c5,i5,{NAME},{PHONE},EUR,{EMAIL},{PLANTED}" for n in range(9)),
            ]
        },
    )
    done["refused"] = refresh()
    (place / "extracts" / "billing" / "payments_2.csv").unlink()
    write(
        place / "extracts",
        {
            "crm/surveys_2": [
                EXTRACTS["crm/surveys"][0],
                f'r1,c1,nps,3,,2024-03-11,"{PLANTED},,',
                "r2,c1,nps,3,,2024-03-11,,,",
            ],
            "crm/employees_2": [f"e2,{NAME},,"],
        },
    )
    (place / "extracts" / "crm" / "cases_2.csv").write_bytes(
        f"{EXTRACTS['crm/cases'][0]}\nk99,c1,2024-03-10,,,,,{PLANTED} ".encode() + b"\xd6\xe5\xed\xe0,,\n"
    )
    done["stopped"] = refresh()
    return done


def text_columns() -> Iterator[tuple[str, str]]:
    """Table and text column, of all but ids."""
    for table in contract().values():
        for column in table.columns.values():
            if (
                column.type == "text"
                and not column.name.endswith("_id")
                and column.name not in ("merged_into", "noted_by")
            ):
                yield table.name, column.name


def test_every_text_column_is_planted():
    for table, column in text_columns():
        header, *rows = EXTRACTS[table.replace(".", "/")]
        cell = rows[0].split(",")[header.split(",").index(column)]
        assert any(trace in cell.lower() for trace in TRACES) != (column in NOT_PLANTED.get(table, ())), (table, column)


def test_the_refreshes_end_as_they_should_and_tell_nothing_of_people(refreshes):
    assert {name: done.code for name, done in refreshes.items()} == {"published": 0, "refused": 1, "stopped": 2}, (
        refreshes
    )
    for done in (refreshes["published"], refreshes["refused"]):
        assert traces(done.out + done.err) == []


def test_what_a_person_must_fix_is_shown_to_the_person(refreshes):
    told = refreshes["stopped"].err
    for file in ("crm/surveys_2.csv", "crm/employees_2.csv", "crm/cases_2.csv"):
        assert any(file in line and traces(line) for line in told.splitlines()), told


def test_everybody_is_told_where_to_look(place, refreshes):
    """In refresh.json, and in the run of Dagster's that alerts speak of."""
    ended = outcome_of(place / "warehouse")
    assert sorted((problem["code"], problem["table"], problem["file"]) for problem in ended["problems"]) == [
        ("encoding", "crm.cases", "crm/cases_2.csv"),
        ("missing_columns", "crm.employees", "crm/employees_2.csv"),
        ("open_quote", "crm.surveys", "crm/surveys_2.csv"),
    ]
    assert Path(ended["details"]).read_text(encoding="utf-8").partition("\n")[2] in refreshes["stopped"].err
    with run_history(place / "warehouse" / "dagster") as instance:
        [run] = instance.get_runs(limit=1)
        [event] = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    said = event.dagster_event.step_failure_data.error.to_string()
    assert "open_quote (crm.surveys, crm/surveys_2.csv)" in said
    assert ended["details"] in said


def test_nothing_planted_is_found_outside_the_private_files(place, refreshes):
    searched = {}
    for folder in (place / "warehouse", place / "HOME", place / "TMPDIR", project.TARGET):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name not in PRIVATE:
                searched[path] = found_in(path)
    assert {str(path): found for path, found in searched.items() if found} == {}
    kinds = {path.suffix for path in searched}
    assert {".duckdb", ".parquet", ".db", ".html", ".sql"} <= kinds


def test_the_private_files_hold_it_and_are_the_owners_alone(place, refreshes):
    found = [
        path
        for path in (place / "warehouse").rglob("*")
        if path.name in PRIVATE and path.is_file() and not path.is_symlink()
    ]
    assert {path.name for path in found} >= {"build.duckdb", "private.duckdb", "failure.txt"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o400, 0o600}
    with duckdb.connect(str(place / "warehouse" / "private.duckdb"), read_only=True) as con:
        assert (
            con.execute("select count(*) from restricted.unmapped_reasons where text like ?", [f"%{NAME}%"]).fetchone()[
                0
            ]
            >= 2
        )
        assert (
            con.execute("select count(*) from restricted.win_back_contacts where address = ?", [PHONE]).fetchone()[0]
            >= 3
        )
        assert {
            table
            for (table,) in con.execute(
                "select distinct table_name from restricted.quarantine where raw_row like ?", [f"%{NAME}%"]
            ).fetchall()
        } >= {"billing.invoices", "crm.cases"}


def test_a_column_that_the_contract_does_not_name_may_be_a_segment(place, refreshes):
    with duckdb.connect(str(place / "warehouse" / "churn.duckdb"), read_only=True) as con:
        segments = con.execute(
            "select distinct segment from marts.churn_rates where segment_type = 'Team''s region' order by all"
        ).fetchall()
    assert segments == [("(unknown)",), ("North",)]


def test_a_customer_id_that_is_an_address_is_warned_about(place, refreshes):
    with duckdb.connect(str(place / "warehouse" / "churn.duckdb"), read_only=True) as con:
        failed = con.execute(
            "select table_name, severity, failed_count from quality.check_results"
            " where check_name = 'customer_id_no_email' and status = 'failed' order by all"
        ).fetchall()
    assert failed == [
        ("staging.stg_billing__subscriptions", "warning", 1),
        ("staging.stg_crm__customers", "warning", 1),
    ]
    warned = [line for line in refreshes["published"].err.splitlines() if "customer_id looks like an e-mail" in line]
    assert len(warned) == 2


@pytest.fixture
def small(tmp_path) -> Path:
    """Extracts that call things by names of their own, those of a segment and of a plan among them."""
    write(
        tmp_path / "extracts",
        {
            "crm/customers": ["customer_id,Client,Mail,Team's region", "c1,Ann,ann@shop.example,North"],
            "billing/subscriptions": ["subscription_id,started_on,customer_id,unit_price", "s1,2024-01-01,c1,10"],
        },
    )
    (tmp_path / "extracts" / "extracts.yml").write_text(
        "tables: {crm.customers: {columns: {name: Client, email: Mail, messaging: contact.viber}}}\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "segment", ["name", "email", "phone", "messaging", "Client", "Mail", "contact", "contact.viber"]
)
def test_a_personal_column_is_no_segment(small, segment):
    mapping = load_mapping(small / "extracts")
    with pytest.raises(UserError, match=f"'{segment}' is personal"):
        refuse_personal(["country", segment], mapping)
    refuse_personal(["country", "Team's region", "customer_segment"], mapping)


def test_a_segment_that_is_personal_or_that_no_file_has_is_refused(small):
    (small / "extracts" / "extracts.yml").write_text(
        "tables: {crm.customers: {columns: {name: Client, email: Mail}}}\n"
    )

    def refresh(segments: str) -> Done:
        return churn(
            "refresh",
            "--extracts",
            small / "extracts",
            "--warehouse",
            small / "warehouse",
            "--as-of",
            "2024-06-30",
            "--policy",
            f"segments={segments}",
        )

    personal, unknown = refresh("Mail"), refresh("country,Teams region")
    assert (personal.code, unknown.code) == (2, 2)
    assert "'Mail' is personal (crm.customers.email comes from it)" in personal.err
    assert (
        "no file of crm.customers has a column 'Teams region'; the nearest valid name is 'Team's region'" in unknown.err
    )
    assert not (small / "warehouse" / "churn.duckdb").exists()


def test_the_log_of_a_failure_repeats_no_value(tmp_path):
    warehouse = Warehouse(tmp_path)
    for sql, known in (
        (f"select '{NAME}'::integer", "ConversionException"),
        ("select missing from range(1)", 'Referenced column "missing" not found'),
    ):
        with pytest.raises(duckdb.Error) as raised:
            duckdb.sql(sql).fetchall()
        assert traces(str(explained(raised.value, "build", warehouse))) == []
        assert known in warehouse.log.read_text()
    assert traces(warehouse.log.read_text()) == []
    broken = (
        f"Runtime Error in model stg (models/stg.sql)\n  Conversion Error: Could not convert string '{NAME}' to INT32"
    )
    assert without_values(broken) == "Runtime Error, Conversion Error: (its message may quote values)"


def traces(text: str, searched: Sequence[str] = TRACES) -> list[str]:
    return [trace for trace in searched if trace in text.lower()]


def found_in(path: Path, searched: Sequence[str] = TRACES) -> list[str]:
    """Where something planted is found in a file: in its bytes, or in what they mean where they are compressed."""
    content = path.read_bytes()
    found = [
        f"bytes: {trace}"
        for trace in searched
        if trace.encode() in content.lower() or trace.encode("utf-16-le") in content.lower()
    ]
    if path.suffix == ".duckdb":
        found += of_database(path, searched)
    elif path.suffix == ".parquet":
        found += of_rows(
            duckdb.sql("select * from read_parquet($1)", params=[str(path)]).fetchall(), path.name, searched
        )
    elif content.startswith(b"SQLite format 3"):
        found += of_sqlite(path, searched)
    return found


def of_database(path: Path, searched: Sequence[str]) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as con:
        names = con.execute(
            "select schema_name, table_name from duckdb_tables() union all select schema_name, view_name"
            " from duckdb_views() where not internal"
        ).fetchall()
        assert len(names) > 20
        found = of_rows(
            con.execute("select * from duckdb_tables()").fetchall()
            + con.execute("select * from duckdb_columns()").fetchall(),
            "catalog",
            searched,
        )
        for schema, name in names:
            found += of_rows(con.execute(f'select * from "{schema}"."{name}"').fetchall(), f"{schema}.{name}", searched)
    return found


def of_sqlite(path: Path, searched: Sequence[str]) -> list[str]:
    with sqlite3.connect(path) as con:
        names = [name for (name,) in con.execute("select name from sqlite_master where type = 'table'")]
        return [
            place
            for name in names
            for place in of_rows(
                [tuple(map(unpacked, row)) for row in con.execute(f'select * from "{name}"')], name, searched
            )
        ]


def unpacked(cell: object) -> object:
    """Dagster compresses what is large, as bytes or as their hexadecimal digits."""
    if isinstance(cell, str) and cell.startswith("789c"):
        cell = bytes.fromhex(cell)
    return zlib.decompress(cell) if isinstance(cell, bytes) and cell.startswith(b"\x78") else cell


def of_rows(rows: list[tuple], place: str, searched: Sequence[str]) -> list[str]:
    return [f"{place}: {row}" for row in rows if traces(str(row), searched)][:3]
