"""The bundle in a real Superset: what its charts say is what the marts say, before, during and after a publish."""

from __future__ import annotations

import json
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event

import duckdb
import pytest
import yaml
from conftest import ROOT

from tests.churn import published

BUNDLE = ROOT / "superset" / "bundle"
CHARTS = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in (BUNDLE / "charts").glob("*.yaml")}
LABELS = {
    metric["verbose_name"]: metric["metric_name"]
    for file in (BUNDLE / "datasets").glob("*.yaml")
    for metric in yaml.safe_load(file.read_text(encoding="utf-8"))["metrics"]
}

# What each chart has to show, read from the marts without any of the bundle's metrics.
SAYS = {
    "churn_rate_now": "select period_start, churn_rate from marts.churn_rates_monthly where is_complete",
    "net_revenue_retention_now": (
        "select period_start, net_revenue_retention from marts.revenue_retention_monthly where is_complete"
    ),
    "lost_sales_now": "select period_start, lost_sales from marts.lost_revenue_monthly where is_complete",
    "churn_rate": """
        select period_start, churn_rate,
            customers_lost_voluntary / nullif(customers_at_start, 0) as churn_rate_voluntary,
            customers_lost_involuntary / nullif(customers_at_start, 0) as churn_rate_involuntary
        from marts.churn_rates_monthly where is_complete""",
    "customer_movements": """
        select period_start, customers_new, customers_returned, -customers_lost as customers_lost_negative
        from marts.churn_rates_monthly where is_complete""",
    "cohort_retention": """
        select strftime(cohort_start, '%Y-%m') as cohort, age, retention_rate
        from marts.cohort_retention where cohort_grain = 'month' and segment_type = 'all' and is_complete""",
    "mrr_movements": """
        select period_start, mrr_new, mrr_reactivated, mrr_expanded, -mrr_contracted as mrr_contracted_negative,
            -mrr_churned as mrr_churned_negative
        from marts.revenue_retention_monthly where is_complete""",
    "revenue_retention": """
        select period_start, net_revenue_retention, gross_revenue_retention from marts.revenue_retention_monthly
        where is_complete""",
    "lost_sales": """
        select period_start, lost_sales, lost_customers_sales, recoverable_sales_if_heard_promptly
        from marts.lost_revenue_monthly where is_complete""",
    "losses_by_reason": """
        select reason, sum(customers_lost) as customers_lost
        from marts.churn_reasons where period_grain = 'month' and segment_type = 'all' and is_complete
        group by reason""",
    "at_risk_customers_now": "select count(*) as customers from marts.at_risk_customers",
    "at_risk_now": "select sum(revenue_at_risk) as revenue_at_risk from marts.at_risk_customers",
    "win_back_customers_now": """
        select count(*) as to_win_back
        from marts.lost_customers where contact_allowed and best_channel is not null""",
    "win_back_now": """
        select sum(expected_recoverable_sales) as recoverable_sales
        from marts.lost_customers where contact_allowed and best_channel is not null""",
    "customers_to_call": "select customer_id, signals, score, revenue_at_risk from marts.at_risk_customers",
    "customers_to_win_back": """
        select win_back_rank, customer_id, lost_on, reason_code, best_channel, expected_recoverable_sales
        from marts.lost_customers where win_back_rank is not null""",
}


def _marts(warehouse: Path, sql: str) -> list[dict]:
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        result = con.execute(sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _cells(rows: list[dict]) -> dict[tuple, float]:
    """Every number of these rows by what it is about: Superset's names, labels and
    milliseconds are turned into the marts'.

    A chart shows nothing for null, and leaves some out.
    """
    cells = {}
    for row in rows:
        about, numbers = [], {}
        for name, value in row.items():
            name = LABELS.get(name, name)
            if name in ("period_start", "lost_on"):
                value = (
                    value.isoformat()
                    if isinstance(value, date)
                    else datetime.fromtimestamp(value / 1000, UTC).date().isoformat()
                )
            if isinstance(value, str) or name in ("age", "win_back_rank"):
                about.append((name, value))
            elif value is not None and name != "rank":  # the heat map's colour
                numbers[name] = float(value)
        for name, number in numbers.items():
            key = (*sorted(about), name)
            assert key not in cells, f"twice: {key}"
            cells[key] = number
    return cells


@pytest.fixture(scope="session")
def chart_ids(client) -> dict[str, int]:
    by_uuid = client.charts()
    return {name: by_uuid[chart["uuid"]] for name, chart in CHARTS.items()}


@pytest.mark.parametrize("name", SAYS)
def test_a_chart_says_what_the_marts_say(superset, client, chart_ids, name):
    expected = _cells(_marts(superset.warehouse, SAYS[name]))
    assert expected and any(expected.values())
    assert _cells(client.rows(chart_ids[name])) == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=False)


def test_segments_are_those_of_one_type(superset, client, chart_ids):
    """As the dashboard asks: for the segment type that its filter names."""
    query = json.loads(CHARTS["churn_rate_by_segment"]["query_context"])
    query["datasource"]["id"] = client.call("get", f"chart/{chart_ids['churn_rate_by_segment']}")["result"][
        "datasource_id"
    ]
    query["queries"][0]["filters"].append({"col": "segment_type", "op": "IN", "val": ["country"]})
    [result] = client.call("post", "chart/data", json=query)["result"]
    shown = {
        (row["period_start"], segment): rate
        for row in result["data"]
        for segment, rate in row.items()
        if segment != "period_start" and rate is not None
    }
    marts = _marts(
        superset.warehouse,
        "from marts.churn_rates where period_grain = 'month' and segment_type = 'country' and is_complete"
        " and churn_rate is not null",
    )
    midnight = datetime.min.time()
    assert len({row["segment"] for row in marts}) == 4
    assert shown == {
        (datetime.combine(row["period_start"], midnight, UTC).timestamp() * 1000, row["segment"]): row["churn_rate"]
        for row in marts
    }


def test_every_chart_is_proved_and_on_the_dashboard(client):
    assert set(CHARTS) == {*SAYS, "churn_rate_by_segment"}
    shown = {chart["slice_name"] for chart in client.call("get", "dashboard/churn/charts")["result"]}
    assert shown == {chart["slice_name"] for chart in CHARTS.values()}


def test_columns_carry_the_descriptions_of_the_marts(superset, client):
    described = {
        row["column_name"]: row["comment"]
        for row in _marts(
            superset.warehouse, "select column_name, comment from duckdb_columns() where table_name = 'churn_rates'"
        )
    }
    for dataset in client.call("get", "dataset/?q=(page_size:100)")["result"]:
        columns = {
            column["column_name"]: column["description"]
            for column in client.call("get", f"dataset/{dataset['id']}")["result"]["columns"]
        }
        assert columns and all(columns.values()), dataset["table_name"]
        if dataset["table_name"].startswith("churn_rates"):
            assert columns == described


def test_sql_lab_reads_the_marts_and_nothing_else(superset, client):
    [database] = client.call("get", "database/")["result"]

    def run(sql: str):
        return client.request("post", "sqllab/execute/", json={"database_id": database["id"], "sql": sql})

    assert run("select count(*) as n from marts.churn_rates").json()["data"][0]["n"] > 0
    private = superset.warehouse / "private.duckdb"
    for sql in (
        f"attach '{private}' as private",
        f"select * from read_text('{superset.home / 'secret_key'}')",
        "create table marts.mine as select 1",
    ):
        assert not run(sql).ok, sql


def test_secrets_are_their_owners(superset):
    for name in ("secret_key", "admin_password", "superset.db", "set_up.log"):
        assert stat.S_IMODE((superset.home / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(superset.home.stat().st_mode) == 0o700
    assert superset.password not in (superset.home / "set_up.log").read_text(encoding="utf-8")


def test_listens_on_loopback_only(superset):
    sockets = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    assert {
        line[1].split(":")[0] for line in sockets if line[3] == "0A" and int(line[1].split(":")[1], 16) == superset.port
    } == {"0100007F"}


def test_the_dashboard_in_a_browser(superset, chart_ids, chromium):
    """Every chart draws, asks what its saved query asks, and the page gets an answer from nobody but this server."""
    from playwright.sync_api import expect, sync_playwright

    asked, answered, failed = {}, set(), []

    def note(response):
        answered.add(response.url.split("/")[2])
        if "/api/v1/chart/data" in response.url:
            if response.status != 200:
                failed.append(response.text())
            body = json.loads(response.request.post_data)
            asked[body["form_data"].get("slice_id")] = body["queries"]  # None: a filter's choices

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        # High enough to show all of it: Superset draws what is in view.
        page = browser.new_page(viewport={"width": 1400, "height": 4000})
        page.on("response", note)
        page.goto(f"{superset.url}/login/")
        page.fill("input#username", "admin")
        page.fill("input#password", superset.password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/welcome/**")
        page.goto(f"{superset.url}/superset/dashboard/churn/")
        expect(page.locator("[data-test-chart-name]:has(canvas, table, .header-line)")).to_have_count(
            len(CHARTS), timeout=120_000
        )
        browser.close()
    assert failed == []
    assert answered == {f"127.0.0.1:{superset.port}"}
    names = {chart: name for name, chart in chart_ids.items()}
    for chart, queries in asked.items():
        if chart is not None:
            for query in queries:
                query["filters"] = [one for one in query["filters"] if one["col"] != "segment_type"]
            assert queries == json.loads(CHARTS[names.pop(chart)]["query_context"])["queries"]
    assert names == {}, "not drawn"


def test_reads_on_through_a_publish(superset, client, chart_ids, folder):
    """Queries during a publish never fail and show one version whole; a query begun after it shows the new one,
    however busy Superset is."""

    def shown() -> dict:
        return _cells(client.rows(chart_ids["churn_rate"]))

    before, is_published, during, afterwards = shown(), Event(), [], []

    def read_on() -> None:
        while len(afterwards) < 40:
            versions = afterwards if is_published.is_set() else during
            versions.append(shown())

    # More readers than workers: the file is never at rest.
    with ThreadPoolExecutor(6) as readers:
        reading = [readers.submit(read_on) for _ in range(6)]
        try:
            published(folder, date(2025, 11, 20))
        finally:
            is_published.set()
        for reader in reading:
            reader.result()
    after = _cells(_marts(superset.warehouse, SAYS["churn_rate"]))
    assert len(after) > len(before)
    assert before in during and all(version in (before, after) for version in during)
    assert all(version == after for version in afterwards)
    for name, sql in SAYS.items():
        assert _cells(client.rows(chart_ids[name])) == pytest.approx(
            _cells(_marts(superset.warehouse, sql)), rel=1e-12, abs=0
        ), name


def test_a_second_start_keeps_what_people_made(superset, chart_ids):
    """The password and people's own charts stay; a bundle's chart that somebody changed is the bundle's again."""
    password, client = superset.password, superset.client()
    chart = client.call("get", f"chart/{chart_ids['churn_rate']}")["result"]
    mine = client.call(
        "post",
        "chart/",
        json={
            "slice_name": "Mine",
            "datasource_id": chart["datasource_id"],
            "datasource_type": "table",
            "params": chart["params"],
            "viz_type": chart["viz_type"],
        },
    )
    client.call("put", f"chart/{chart_ids['churn_rate']}", json={"slice_name": "Changed"})
    superset.stop()
    superset.start()
    assert superset.password == password
    client = superset.client()
    assert client.call("get", f"chart/{mine['id']}")["result"]["slice_name"] == "Mine"
    assert (
        client.call("get", f"chart/{chart_ids['churn_rate']}")["result"]["slice_name"]
        == CHARTS["churn_rate"]["slice_name"]
    )


def test_says_what_is_missing(superset, tmp_path):
    """Before anything is installed or started."""
    done = subprocess.run(["make", "superset", f"WAREHOUSE={tmp_path}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and "make demo" in done.stderr
    taken = subprocess.run(
        ["make", "superset", f"WAREHOUSE={superset.warehouse}", f"PORT={superset.port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert taken.returncode != 0 and f"PORT={superset.port + 1}" in taken.stderr
