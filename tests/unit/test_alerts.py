"""Each change is told once, to everybody named, outside of quiet hours; a number only when the year before makes it
implausible, with the query that shows the customers."""

from __future__ import annotations

import json
import os
import shlex
import smtplib
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from filelock import FileLock

from benchmarks.alerts import false_alarms, found
from orchestration import ROOT
from orchestration.contract.mapping import AlertRules
from orchestration.defs.alerts import alerts
from orchestration.errors import EnvironmentFailure, UserError
from orchestration.readers.alerts.conditions import Condition, conditions, customers_lost, last_outcome
from orchestration.readers.alerts.interval import Interval, Month, plausible
from orchestration.readers.alerts.sending import FORMER, VARIABLE, recipients, send_due
from orchestration.warehouse.folder import Warehouse

NOVEMBER = date(2025, 11, 1)
TODAY = date(2025, 12, 3)


def month(number: int) -> date:
    """The first day of so many months before November 2025."""
    year, index = divmod(2025 * 12 + 10 - number, 12)
    return date(year, index + 1, 1)


def publish(
    folder: Path, lost: int = 20, pricey: int = 2, sales: float = 100, months: int = 13, newest: date = TODAY
) -> Warehouse:
    """A published version: 1,000 customers in each month; November lost so many, some for the price."""
    warehouse = Warehouse(folder)
    with duckdb.connect(str(warehouse.current)) as con:
        con.execute(SCHEMA)
        con.execute("insert into quality.refresh_history values ('1', 'published', ?)", [newest])
        for number in range(months):
            count, of_price = (lost, pricey) if number == 0 else (20, 2)
            facts = {
                "start": month(number),
                "end": month(number - 1),
                "lost": count,
                "pricey": of_price,
                "sales": sales,
            }
            for table, values in ROWS.items():
                used = {name: value for name, value in facts.items() if f"${name}" in values}
                con.execute(f"insert into marts.{table} values {values}", used)
        con.execute(SPELLS, {"lost": lost, "pricey": pricey})
    return warehouse


SCHEMA = """
create schema marts;
create schema quality;
create table marts.churn_rates_monthly (
    period_start date, period_end date, is_complete boolean, customers_at_start bigint, customers_lost bigint
);
create table marts.churn_reasons_monthly (period_start date, reason_code text, reason text, customers_lost bigint);
create table marts.lost_revenue_monthly (period_start date, lost_sales decimal(18, 2));
create table marts.fct_customer_spells (customer_id text, started_on date, ended_on date, reason_code text);
create table quality.refresh_history (refresh_id text, status text, newest_row_on date);
create table quality.check_results (refresh_id text, check_name text, table_name text, status text);
insert into marts.churn_rates_monthly values ('2025-12-01', '2026-01-01', false, 1000, 300);
"""
# of each month
ROWS = {
    "churn_rates_monthly": "($start, $end, true, 1000, $lost)",
    "lost_revenue_monthly": "($start, $sales)",
    "churn_reasons_monthly": "($start, 'high_price', 'High price', $pricey)",
}
# of November, with people who stay, come back, come and go within the month, and go on the first day after it
SPELLS = """
insert into marts.fct_customer_spells
select 'n' || range, '2025-01-01', '2025-11-10', if(range < $pricey, 'high_price', 'not_asked') from range($lost)
union all values
    ('stays', '2025-01-01', null, null),
    ('back', '2025-01-01', '2025-11-10', 'high_price'),
    ('back', '2025-11-20', null, null),
    ('new', '2025-11-02', '2025-11-20', 'high_price'),
    ('later', '2025-01-01', '2025-12-01', 'other')
"""


def ended(warehouse: Warehouse, **outcome: Any) -> None:
    """refresh.json after a refresh that ended so."""
    facts = {"status": "published", "exit_code": 0, "message": None, "started_at": "2025-12-03T05:00:00.000Z"}
    warehouse.outcome.write_text(json.dumps({**facts, **outcome}))


def told(warehouse: Warehouse, **rules: Any) -> list[Condition]:
    return conditions(warehouse, AlertRules(**rules), TODAY, last_outcome(warehouse))


class TestConditions:
    def test_an_ordinary_month_is_nothing_to_tell(self, tmp_path):
        warehouse = publish(tmp_path)
        ended(warehouse)
        assert told(warehouse, lost_sales_over=100) == []

    def test_nothing_is_told_of_a_warehouse_that_was_never_refreshed(self, tmp_path):
        assert told(Warehouse(tmp_path)) == []

    def test_churn_that_the_year_before_makes_implausible(self, tmp_path):
        [churn] = told(publish(tmp_path, lost=60))
        assert churn.title == "Churn in 2025-11 was 6.0%"
        assert "60 of 1,000 customers" in churn.text
        assert "make 11 to 31 plausible (1.1% to 3.1%; 97% prediction interval)" in churn.text
        assert len(asked(churn)) == 60

    def test_also_churn_that_is_too_low_to_be_true(self, tmp_path):
        [churn] = told(publish(tmp_path, lost=2))
        assert churn.title == "Churn in 2025-11 was 0.2%"

    def test_without_a_whole_year_before_nothing_is_said_of_churn(self, tmp_path):
        assert told(publish(tmp_path, lost=60, months=12)) == []

    def test_a_reason_that_doubled(self, tmp_path):
        [reason] = told(publish(tmp_path, lost=25, pricey=12))
        assert reason.title == "'High price' cost 12 customers in 2025-11, twice the usual or more"
        assert "12 of 1,000 customers" in reason.text
        assert asked(reason) == [
            (f"n{number}", date(2025, 11, 10), "high_price") for number in sorted(map(str, range(12)))
        ]

    def test_two_customers_instead_of_one_are_no_doubling(self, tmp_path):
        assert told(publish(tmp_path, pricey=4)) == []

    def test_lost_sales_over_the_amount_set(self, tmp_path):
        [sales] = told(publish(tmp_path, sales=12_345.6), lost_sales_over=12_345)
        assert sales.title == "Lost sales in 2025-11 were 12,345.60"
        assert len(asked(sales)) == 20

    def test_stale_extracts(self, tmp_path):
        warehouse = publish(tmp_path, newest=date(2025, 11, 25))
        [stale] = told(warehouse)
        assert stale.title == "The churn extracts end on 2025-11-25"
        assert told(warehouse, stale_after_days=8) == []

    def test_a_table_that_is_no_longer_delivered(self, tmp_path):
        warehouse = publish(tmp_path)
        with duckdb.connect(str(warehouse.current)) as con:
            con.execute(
                "insert into quality.check_results values"
                " ('1', 'freshness', 'staging.stg_billing__invoices', 'failed'),"
                " ('0', 'freshness', 'staging.stg_crm__cases', 'failed')"
            )
        [stale] = told(warehouse)
        assert stale.title == "billing.invoices has had no new rows for long"

    def test_a_failure_with_its_message(self, tmp_path):
        warehouse = Warehouse(tmp_path)
        ended(warehouse, status="failed", exit_code=2, message="encoding (billing.invoices, billing/a.csv)")
        [failure] = told(warehouse)
        assert failure.title == "The churn refresh failed (exit code 2)"
        assert failure.text.startswith("encoding (billing.invoices, billing/a.csv)\n")

    def test_a_failure_is_told_whatever_an_earlier_version_has_published(self, tmp_path):
        warehouse = Warehouse(tmp_path)
        with duckdb.connect(str(warehouse.current)) as con:
            con.execute("create schema quality; create table quality.refresh_history (refresh_id text)")
        ended(warehouse, status="failed", exit_code=4, message="No space left on device.")
        assert [condition.kind for condition in told(warehouse)] == ["failure"]

    def test_a_refresh_that_was_killed(self, tmp_path):
        warehouse = Warehouse(tmp_path)
        ended(warehouse, status="running", exit_code=None)
        [failure] = told(warehouse)
        assert "ended before it had finished" in failure.text


def asked(condition: Condition) -> list[tuple]:
    """What the command in an alert shows."""
    program, option, database, query = shlex.split(condition.text.splitlines()[-1])
    assert (program, option) == ("duckdb", "-readonly")
    with duckdb.connect(database, read_only=True) as con:
        return con.execute(query).fetchall()


def test_the_query_knows_the_opening_rule(tmp_path):
    publish(tmp_path, lost=1, pricey=1)
    with duckdb.connect(str(tmp_path / "churn.duckdb"), read_only=True) as con:
        assert con.execute(customers_lost(NOVEMBER, date(2025, 12, 1))).fetchall() == [
            ("n0", date(2025, 11, 10), "high_price")
        ]
        assert con.execute(customers_lost(date(2025, 12, 1), date(2026, 1, 1))).fetchall() == [
            ("later", date(2025, 12, 1), "other")
        ]


class TestInterval:
    def test_is_the_beta_binomial_of_the_pooled_months_where_they_differ_by_chance_only(self):
        from scipy.stats import betabinom

        interval = plausible([Month(1000, 20)] * 12, 1000)
        weight = 999 * 12_000 / 1000 - 1
        rate = 240.5 / 12_001
        low, high = (betabinom(1000, rate * weight, (1 - rate) * weight).ppf(at) for at in (0.015, 0.985))
        assert interval == Interval(low, high, pytest.approx(1000 * rate))

    def test_is_wider_where_the_months_differ_more(self):
        steady, restless = (
            plausible([Month(1000, 20)] * 12, 1000),
            plausible([Month(1000, n) for n in (5, 35)] * 6, 1000),
        )
        assert restless.low < steady.low and steady.high < restless.high

    @pytest.mark.parametrize("customers", [0, 1, 2, 3, 10])
    def test_holds_for_few_customers(self, customers):
        low, high, _ = plausible([Month(max(customers, 1), 0)] * 12, customers)
        assert 0 <= low <= high <= customers

    def test_holds_for_very_many(self):
        low, high, expected = plausible([Month(5_000_000, 100_000)] * 12, 5_000_000)
        assert 99_000 < low < expected < high < 101_000


def test_the_alert_on_churn_is_seldom_wrong_and_soon_right():
    """What docs/alerts.md says of it."""
    wrong, right = false_alarms(), found()
    assert wrong <= 0.05 and right >= 0.8
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert f"| {100 * wrong:.1f} % of 2,400 months raise an alert |" in page
    assert f"| {100 * right:.1f} % raise one within two months |" in page


@pytest.fixture
def hook(monkeypatch) -> Iterator[list[tuple[str, dict]]]:
    """What a webhook hears, path and message; the path /down takes nothing."""
    heard: list[tuple[str, dict]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/down":
                heard.append((self.path, message))
            self.send_response(503 if self.path == "/down" else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    for name in FORMER:
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(VARIABLE, f"json://127.0.0.1:{server.server_port}/a")
        yield heard
        server.shutdown()


def titles(heard: list[tuple[str, dict]]) -> list[str]:
    return [message["title"] for _, message in heard]


class TestSending:
    def test_a_failure_is_told_once_and_so_is_its_end(self, tmp_path, hook):
        warehouse = Warehouse(tmp_path / "warehouse")
        for message in ("one", "one", "two", None, None, "one"):
            ended(warehouse, exit_code=4, message=message)
            send_due(tmp_path, warehouse.folder)
        failed, again = "The churn refresh failed (exit code 4)", "The churn refresh works again"
        assert titles(hook) == [failed, failed, again, failed]
        assert [message["message"].split("\n")[0] for _, message in hook][:2] == ["one", "two"]

    def test_nothing_is_said_to_work_again_before_it_does(self, tmp_path, hook):
        warehouse = Warehouse(tmp_path / "warehouse")
        ended(warehouse, exit_code=4, message="one")
        send_due(tmp_path, warehouse.folder)
        ended(warehouse, status="running", exit_code=None)
        with FileLock(warehouse.folder / ".lock"):
            assert send_due(tmp_path, warehouse.folder) == []
        ended(warehouse, status="interrupted", exit_code=130, message="Interrupted.")
        assert send_due(tmp_path, warehouse.folder) == []
        ended(warehouse, status="built")
        assert send_due(tmp_path, warehouse.folder) == []
        ended(warehouse)
        assert send_due(tmp_path, warehouse.folder) == ["The churn refresh works again"]

    def test_quiet_hours_hold_everything_back_and_lose_nothing(self, tmp_path, hook):
        warehouse, now = Warehouse(tmp_path / "warehouse"), datetime.now(UTC)
        ended(warehouse, exit_code=4, message="one")
        around = [(now + timedelta(hours=hours)).strftime("%H:%M") for hours in (-2, 2, 3)]
        (tmp_path / "extracts.yml").write_text(f"alerts: {{quiet_hours: '{around[0]}-{around[1]}'}}\nwrong: yes\n")
        assert send_due(tmp_path, warehouse.folder) == titles(hook) == []
        (tmp_path / "extracts.yml").write_text(f"alerts: {{quiet_hours: '{around[1]}-{around[2]}'}}\n")
        assert send_due(tmp_path, warehouse.folder) == titles(hook) == ["The churn refresh failed (exit code 4)"]

    def test_who_cannot_be_told_is_told_later_and_nobody_twice(self, tmp_path, hook, monkeypatch):
        warehouse, [good] = Warehouse(tmp_path / "warehouse"), recipients_urls()
        ended(warehouse, exit_code=4, message="one")
        monkeypatch.setenv(VARIABLE, f"{good[:-1]}down {good}")
        with pytest.raises(EnvironmentFailure, match="^1 JSON of CHURN_ALERT_URLS did not take the alert"):
            send_due(tmp_path, warehouse.folder)
        monkeypatch.setenv(VARIABLE, f"{good}/late {good}")
        send_due(tmp_path, warehouse.folder)
        assert [path for path, _ in hook] == ["/a", "/a/late"]

    def test_the_sensor_tells_too(self, tmp_path, hook, monkeypatch):
        ended(Warehouse(tmp_path / "warehouse"), exit_code=4, message="one")
        monkeypatch.setenv("CHURN_EXTRACTS", str(tmp_path))
        monkeypatch.setenv("CHURN_WAREHOUSE", str(tmp_path / "warehouse"))
        [sensor] = alerts()
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert sensor.evaluate_tick(dg.build_sensor_context()).skip_message == titles(hook)[0]

    def test_an_email_goes_to_everyone_named(self, tmp_path, monkeypatch):
        sent = []

        class Server:
            def __init__(self, *_, **__):
                pass

            def starttls(self, **_):
                pass

            def login(self, user, password):
                sent.append((user, password))

            def sendmail(self, sender, to, message):
                sent.append((sender, to, message))

            def quit(self):
                pass

        monkeypatch.setattr(smtplib, "SMTP", Server)
        monkeypatch.setenv(
            VARIABLE,
            "mailtos://us:er-pass@mail.example.org:2525"
            "?from=churn@example.org&to=a@example.org,b@example.org&mode=starttls",
        )
        warehouse = Warehouse(tmp_path / "warehouse")
        ended(warehouse, exit_code=4, message="billing.invoices <b>: no such file")
        send_due(tmp_path, warehouse.folder)
        mails = [entry for entry in sent if len(entry) == 3]
        assert sorted(to for _, [to], _ in mails) == ["a@example.org", "b@example.org"]
        assert {("us", "er-pass")} == {entry for entry in sent if len(entry) == 2}


def recipients_urls() -> list[str]:
    return os.environ[VARIABLE].split()


class TestRecipients:
    def test_nobody_by_default(self, monkeypatch, tmp_path):
        for name in (VARIABLE, *FORMER):
            monkeypatch.delenv(name, raising=False)
        assert (recipients(), alerts(), send_due(tmp_path, tmp_path)) == ({}, [], [])

    @pytest.mark.parametrize("name", FORMER)
    def test_what_is_no_longer_read_is_refused(self, monkeypatch, name):
        monkeypatch.setenv(name, "https://hooks.example.org/s3cret")
        with pytest.raises(UserError, match=f"{name} is no longer read") as refusal:
            recipients()
        assert "s3cret" not in str(refusal.value)

    @pytest.mark.parametrize(
        "url", ["hooks.example.org/s3cret", "bogus://s3cret", "tgram://s3cret", "file:///etc/s3cret"]
    )
    def test_a_url_that_nobody_knows_is_refused_and_not_shown(self, monkeypatch, url):
        monkeypatch.setenv(VARIABLE, f"json://example.org {url}")
        with pytest.raises(UserError, match="The URL number 2 in CHURN_ALERT_URLS is none") as refusal:
            recipients()
        assert "s3cret" not in str(refusal.value)

    def test_the_kinds_in_the_document_are_known(self, monkeypatch):
        page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
        examples = [line.split("`")[1] for line in page.splitlines() if line.startswith("| ") and "://" in line]
        assert len(examples) >= 7
        monkeypatch.setenv(VARIABLE, " ".join(examples))
        for name in FORMER:
            monkeypatch.delenv(name, raising=False)
        assert len(recipients()) == len(examples)
