"""What a refresh says that it took."""

from datetime import datetime
from types import SimpleNamespace

import duckdb

from orchestration.refresh.profile import Cost, Profile
from orchestration.refresh.steps import row_counts
from orchestration.warehouse.folder import REFRESH_PROFILE


def test_memory_is_the_most_that_was_seen_meanwhile():
    profile = Profile()
    profile._moments, profile._memory = [10.0, 10.05, 10.1, 10.15, 10.2], [1, 5, 2, 9, 3]
    assert profile._peak(10.05, 10.1) == 5
    assert profile._peak(10.11, 10.16) == 9
    assert profile._peak(10.06, 10.07) == 5  # between two looks: the ones around it
    assert profile._peak(0, 20) == 9
    with profile.watching(), profile.stage("load extracts") as cost:
        held = bytearray(50_000_000)
    assert cost.peak_bytes > len(held) and 0 < cost.seconds < 60


def test_tables_have_their_own_costs_and_data_tests_one_together(monkeypatch):
    nodes = {"a": {"schema": "marts", "alias": "churn_rates"}}
    monkeypatch.setattr("orchestration.refresh.profile.manifest", lambda: {"nodes": nodes})

    def result(name: str, kind: str, second: int) -> SimpleNamespace:
        at = SimpleNamespace(
            started_at=datetime(2026, 1, 1, 5, 0, second), completed_at=datetime(2026, 1, 1, 5, 0, second + 1)
        )
        node = SimpleNamespace(resource_type=kind, unique_id=name)
        return SimpleNamespace(node=node, execution_time=1.5, timing=[at], adapter_response={"code": "UNCHANGED"})

    profile = Profile()
    profile._moments = [
        datetime.fromisoformat(f"2026-01-01T05:00:{second:02}+00:00").timestamp() for second in range(9)
    ]
    profile._memory = [100, 200, 300, 400, 500, 600, 700, 800, 900]
    results = [result("a", "model", 1), result("b", "test", 3), result("c", "test", 6)]
    profile.built("build the marts", results, {"marts.churn_rates": 7})
    assert profile.costs == [
        Cost("build the marts", "marts.churn_rates", 1.5, 7, 300, False),
        Cost("build the marts", "data tests", 3.0, None, 800),
    ]
    with duckdb.connect() as con:
        REFRESH_PROFILE.create(con)
        profile.keep(con, "r1")
        profile.costs.append(Cost("publish", "all", 1, 9, 2**20))
        profile.keep(con, "r1")  # only what is new
        kept = con.execute("from quality.refresh_profile order by seconds desc").fetchall()
    assert [row[1:3] for row in kept] == [
        ("build the marts", "data tests"),
        ("build the marts", "marts.churn_rates"),
        ("publish", "all"),
    ]
    assert [line.split() for line in profile.lines()][-1] == ["publish", "1.00", "9", "1", "MB"]


def test_rows_are_counted_without_those_that_were_deleted():
    with duckdb.connect() as con:
        con.execute(
            "create schema marts; create table marts.t as from range(300_000); create view marts.v as from marts.t"
        )
        con.execute("delete from marts.t where range < 1000; insert into marts.t values (1)")
        assert row_counts(con) == {"marts.t": 299_001, "marts.v": 299_001}
