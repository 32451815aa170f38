"""The bundle on the Postgres to which a refresh publishes too: what its charts say is what the marts there say."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import date

import pytest
from conftest import PYTHON, ROOT, Superset
from test_superset import CHARTS, SAYS, _cells, _marts

from tests.browser.conftest import write_company
from tests.churn import churn
from tests.connect import postgres

pytest.importorskip("psycopg", reason="psycopg is not installed: make connect")
if postgres.binaries() is None:
    pytest.skip("no server of Postgres is installed: apt-get install postgresql", allow_module_level=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    folder = tmp_path_factory.mktemp("company")
    write_company(folder / "extracts")
    with postgres.serving() as address:
        options = ["--extracts", folder / "extracts", "--warehouse", folder / "warehouse", "--publish-to", address]
        done = churn("refresh", *options, "--as-of", date(2025, 9, 20))
        assert done.code == 0, done.err
        place = address.replace(f":{postgres.PASSWORD}", "")
        superset = Superset(folder / "warehouse", place, password=postgres.PASSWORD)
        superset.start()
        yield superset
        superset.stop()


@pytest.fixture(scope="module")
def client(server):
    return server.client()


@pytest.mark.parametrize("name", SAYS)
def test_a_chart_says_what_the_marts_say(server, client, name):
    expected = _cells(_marts(server.warehouse, SAYS[name]))
    assert expected and any(expected.values())
    chart = client.charts()[CHARTS[name]["uuid"]]
    assert _cells(client.rows(chart)) == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=False)


def test_its_connection_reads_only_and_no_password_is_kept(server, client):
    [database] = client.call("get", "database/")["result"]
    assert database["backend"] == "postgresql"

    def run(sql: str):
        return client.request("post", "sqllab/execute/", json={"database_id": database["id"], "sql": sql})

    assert run("select count(*) as n from marts.churn_rates").json()["data"][0]["n"] > 0
    for sql in ("create table marts.mine as select 1 as x", "delete from marts.churn_rates"):
        assert not run(sql).ok, sql
    kept = [path for path in server.home.rglob("*") if path.is_file()]
    assert [path for path in kept if postgres.PASSWORD.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    "address", ["postgresql://reader:secret@db/analytics", "mysql://db/analytics", "postgresql://db", "db"]
)
def test_what_is_no_address_without_a_password_is_refused_and_not_repeated(tmp_path, address):
    command = [PYTHON, "superset/serve.py", tmp_path, "8099", address]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("make superset: DATABASE must be an address without a password")
    assert "secret" not in done.stderr and list(tmp_path.iterdir()) == []
