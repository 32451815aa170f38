"""Which data tests passed last, and on what: a hash that macros/test.sql makes of a test's SQL and of what it reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestration.transform.project import UNCHANGED

if TYPE_CHECKING:
    import duckdb
    from dbt.artifacts.schemas.results import NodeResult

_TABLE = "quality.passed_tests"


def passed(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The hashes of the tests that passed when they were run last."""
    con.execute(f"create table if not exists {_TABLE} (test varchar, made_from varchar)")
    return [made_from for (made_from,) in con.execute(f"select made_from from {_TABLE} order by all").fetchall()]


def keep(con: duckdb.DuckDBPyConnection, tests: Iterable[NodeResult]) -> None:
    """Note what the tests that were run now say, in place of what they said before."""
    # another engine knows nothing of it, and says something else in its message
    ran = [
        (test.node.unique_id, test.status, test.adapter_response.get("_message"))
        for test in tests
        if test.adapter_response.get("code") in ("TESTED", UNCHANGED)
    ]
    con.execute("begin")
    con.execute(f"delete from {_TABLE} where list_contains(?, test)", [[test for test, _, _ in ran]])
    if rows := [[test, made_from] for test, status, made_from in ran if status == "pass"]:
        con.executemany(f"insert into {_TABLE} values (?, ?)", rows)
    con.execute("commit")
