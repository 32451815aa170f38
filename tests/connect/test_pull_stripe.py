"""`churn pull` of a Stripe account that lives, from a server with faults, and what a refresh makes of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("dlt", reason="dlt is not installed: make connect")

from orchestration.contract.mapping import load_mapping
from orchestration.errors import UserError
from orchestration.loading.discovery import find_extracts
from tests.churn import Done, churn
from tests.connect.fake_stripe import KEY, LISTS, Account, Faults, serving
from tests.outcome import outcome_of

FIRST, MARCH, APRIL = date(2025, 1, 1), date(2026, 3, 1), date(2026, 4, 1)
FEBRUARY_END, MARCH_END = date(2026, 2, 28), date(2026, 3, 31)
SECRET = {"SOURCES__STRIPE__API_KEY": KEY, "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.01"}


def on(day: date, environment: dict[str, str] = SECRET) -> None:
    """In the process that pulls: the day, its environment, and no way to any other machine."""
    from orchestration import pulling

    os.environ |= environment
    pulling.today = lambda time_zone: day
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: tuple) -> None:
        assert address[0] == "127.0.0.1", address
        connect(self, address)

    socket.socket.connect = only_here


def pull(extracts: Path, address: str, day: date, environment: dict[str, str] = SECRET, *options: object) -> Done:
    extracts.mkdir(exist_ok=True)
    (extracts / "extracts.yml").write_text(f"pull:\n  stripe: {{url: '{address}'}}\n", encoding="utf-8")
    return churn("pull", "--extracts", extracts, *options, prepare=partial(on, day, environment))


def refresh(extracts: Path, warehouse: Path, as_of: date) -> Path:
    done = churn("refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", as_of)
    assert done.code == 0, done.err
    return warehouse / "churn.duckdb"


BY_MONTH = (
    "average_check",
    "churn_rate_by_definition",
    "churn_rates",
    "churn_reasons",
    "lifetime_value",
    "lost_revenue",
    "revenue_retention",
)


def closed_months(published: Path, until: date) -> dict[str, list[tuple]]:
    """The rows of the months that end until a day."""
    query = "select * from marts.{} where period_grain = 'month' and period_end <= ? order by all"
    with duckdb.connect(str(published), read_only=True) as con:
        return {table: con.execute(query.format(table), [until]).fetchall() for table in BY_MONTH}


def test_marts_equal_those_of_the_exported_files(tmp_path):
    account = Account(1, 600, FIRST, FEBRUARY_END)
    assert account.count() > 3000
    faults = Faults({2: 429, 5: 500, 9: 502, 14: 503})
    with serving(account, faults) as address:
        done = pull(tmp_path / "pulled", address, MARCH)
    assert done.code == 0, done.err
    assert faults.requests > 30
    held = ", ".join(f"{len(account.objects[name]):,} {name}" for name in LISTS)
    assert done.out.startswith(f"stripe: {held}, in {tmp_path}/pulled/pulls/stripe/2026-03-01 (")
    account.export(tmp_path / "exported" / "stripe")
    (tmp_path / "exported" / "extracts.yml").write_text("preset: stripe\n", encoding="utf-8")
    pulled = refresh(tmp_path / "pulled", tmp_path / "pulled warehouse", FEBRUARY_END)
    exported = refresh(tmp_path / "exported", tmp_path / "exported warehouse", FEBRUARY_END)
    with duckdb.connect() as con:
        con.execute(f"attach '{pulled}' as pulled (read_only); attach '{exported}' as exported (read_only)")
        tables = con.execute(
            "select table_name from duckdb_tables() where database_name = 'pulled' and schema_name = 'marts'"
        ).fetchall()
        assert ("lost_customers",) in tables
        for (table,) in tables:
            [(rows,)] = con.execute(f"select count(*) from pulled.marts.{table}").fetchall()
            [(differing,)] = con.execute(
                f"select count(*) from ((from pulled.marts.{table} except all from exported.marts.{table}) union all"
                f" (from exported.marts.{table} except all from pulled.marts.{table}))"
            ).fetchall()
            assert (table, differing) == (table, 0)
            assert rows or table not in ("churn_rates", "lost_customers", "churn_reasons", "lost_revenue")


def test_a_second_pull_keeps_the_months_before(tmp_path):
    account = Account(2, 120, FIRST, FEBRUARY_END)
    extracts, warehouse = tmp_path / "extracts", tmp_path / "warehouse"
    with serving(account) as address:
        assert pull(extracts, address, MARCH).code == 0
        february = closed_months(refresh(extracts, warehouse, FEBRUARY_END), MARCH)
        dear = max(account.objects["prices"], key=lambda price: price["unit_amount"])
        for subscription in account.active[9:30]:
            account.change_price(subscription, dear)
        assert pull(extracts, address, date(2026, 3, 16)).code == 0
        for subscription in account.active[:9]:
            account.cancel(subscription, date(2026, 3, 20), "switched_service")
        account.cancel(account.active[0], MARCH_END, "unused")
        assert pull(extracts, address, APRIL).code == 0
    published = refresh(extracts, warehouse, MARCH_END)
    assert all(february.values())
    assert closed_months(published, MARCH) == february
    with duckdb.connect(str(published), read_only=True) as con:
        # dated by Stripe: in the month of the day, also if a pull of the next month is the first to show it
        lost = con.execute(
            "select lost_on, count(*) from marts.lost_customers where lost_on >= '2026-03-01' group by 1"
        )
        assert sorted(lost.fetchall()) == [(date(2026, 3, 20), 9), (MARCH_END, 1)]
        reasons = con.execute(
            "select reason, sum(customers_lost) from marts.churn_reasons where period_start = '2026-03-01'"
            " and period_grain = 'month' and segment_type = 'all' group by 1"
        ).fetchall()
        assert sorted(row for row in reasons if row[1]) == [("No longer needs it", 1), ("Went to a competitor", 9)]
        # not dated: since the pull that shows it
        changes = con.execute(
            "select distinct occurred_on from marts.fct_mrr_movements where movement in ('expansion', 'contraction')"
        ).fetchall()
        assert changes == [(date(2026, 3, 16),)]


@pytest.mark.parametrize("number", [2, 12, 20])
def test_a_killed_pull_leaves_nothing_that_is_read_and_the_next_one_is_whole(tmp_path, number):
    account, extracts = Account(3, 200, FIRST, FEBRUARY_END), tmp_path / "extracts"
    with serving(account) as address:
        assert pull(tmp_path / "whole", address, MARCH).code == 0
    faults = Faults(stops_at=number)
    with serving(account, faults) as address:
        extracts.mkdir()
        (extracts / "extracts.yml").write_text(f"pull:\n  stripe: {{url: '{address}'}}\n", encoding="utf-8")
        command = [sys.executable, "-c", "from orchestration.cli import main; main()", "pull", "--extracts", extracts]
        with subprocess.Popen(command, env=os.environ | SECRET, stderr=subprocess.DEVNULL) as process:
            assert faults.stands_still.wait(60)
            process.send_signal(signal.SIGKILL)
        left = [path for path in (extracts / "pulls" / "stripe").iterdir() if path.is_dir()]
        assert [path.name.startswith(".") for path in left] == [True]
        with pytest.raises(UserError, match=r"line 2: nothing has been pulled from stripe yet. Run `churn pull` first"):
            find_extracts(extracts, load_mapping(extracts))
        done = churn("pull", "--extracts", extracts, prepare=partial(on, MARCH))
    assert done.code == 0, done.err
    assert contents(extracts) == contents(tmp_path / "whole")


def contents(extracts: Path) -> dict[str, bytes]:
    pulls = extracts / "pulls"
    return {str(path.relative_to(pulls)): path.read_bytes() for path in pulls.rglob("*") if path.is_file()}


def test_a_second_pull_of_a_day_replaces_the_first(tmp_path):
    account, extracts = Account(5, 20, FIRST, FEBRUARY_END), tmp_path / "extracts"
    with serving(account) as address:
        assert pull(extracts, address, MARCH).code == 0
        before = contents(extracts)
        account.cancel(account.active[0], FEBRUARY_END)
        assert pull(extracts, address, MARCH).code == 0
    after = contents(extracts)
    assert set(after) == set(before)
    assert [name for name in after if after[name] != before[name]] == ["stripe/2026-03-01/subscriptions.jsonl.gz"]


def test_unattended_a_success_says_nothing_and_a_failure_is_one_of_the_refresh(tmp_path):
    account, warehouse = Account(7, 5, FIRST, FEBRUARY_END), tmp_path / "warehouse"
    warehouse.mkdir()
    options = ("--quiet", "--warehouse", warehouse)
    with serving(account) as address:
        # a service may have no home, or none that it may write to
        done = pull(tmp_path / "extracts", address, MARCH, SECRET | {"HOME": f"{tmp_path}/home"}, *options)
        assert done == (0, "", "")
        assert (list(warehouse.iterdir()), (tmp_path / "home").exists()) == ([], False)
        wrong = SECRET | {"SOURCES__STRIPE__API_KEY": "sk_wrong", "CHURN_ALERT_URLS": "json://127.0.0.1:9/nobody"}
        done = pull(tmp_path / "extracts", address, APRIL, wrong, *options)
    assert (done.code, done.out) == (2, "")
    told, said = done.err.splitlines()
    assert told.startswith("1 JSON of CHURN_ALERT_URLS did not take the alert")
    assert said.startswith("stripe: customers: the server does not know the key (401)")
    ended = outcome_of(warehouse)
    assert (ended["status"], ended["exit_code"], ended["message"]) == ("failed", 2, said)


def test_what_is_wrong_is_said_and_nothing_is_kept(tmp_path):
    account = Account(4, 5, FIRST, FEBRUARY_END)
    with serving(account, Faults(dict.fromkeys(range(3, 99), 500))) as address:
        broken = pull(tmp_path / "broken", address, MARCH, SECRET | {"RUNTIME__REQUEST_MAX_ATTEMPTS": "3"})
    with serving(account) as address:
        strange = pull(tmp_path / "strange", address, MARCH, SECRET | {"SOURCES__STRIPE__API_KEY": "sk_live_secret"})
        keyless = pull(tmp_path / "keyless", address, MARCH, {})
    gone = pull(tmp_path / "gone", address, MARCH, SECRET | {"RUNTIME__REQUEST_MAX_ATTEMPTS": "1"})
    assert (broken.code, strange.code, keyless.code, gone.code) == (4, 2, 2, 4)
    assert "stripe: subscriptions: the server answered 500" in broken.err
    assert "stripe: customers: the server does not know the key (401)" in strange.err
    assert "SOURCES__STRIPE__API_KEY in the environment" in keyless.err
    assert f"under [sources.stripe] in {os.getcwd()}/.dlt/secrets.toml" in keyless.err
    assert "stripe: customers: the server can't be reached (ConnectionError)" in gone.err
    for done in (broken, strange, keyless, gone):
        assert "Nothing of this pull was kept" in done.err
        assert "Traceback" not in done.err and "secret" not in done.err.replace("secrets.toml", "")
    assert [path for path in tmp_path.rglob("pulls/**/*") if path.is_file() and path.name != ".lock"] == []
