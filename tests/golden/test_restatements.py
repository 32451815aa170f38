"""Why last quarter's churn is no longer what it was, told refresh by refresh.

Twenty-four customers pay 10 EUR a month from December 2023 on; as_of is 2024-06-30. Customer 8 is away from 25 April to
5 May, customer 0 leaves on 15 May. So 23 are there at the opening of May, one of whom is lost. Customers 5 and 6 left
in May too, but their cancellations arrive late.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import duckdb
import pytest

from tests.churn import Done, churn

HEADER = "subscription_id,started_on,customer_id,ended_on,unit_price,currency\n"
MAY, JUNE = date(2024, 5, 1), date(2024, 6, 1)
LATE_FILES = ("billing/subscriptions_2024-07-02.csv", "billing/subscriptions_2024-07-09.csv")


class Told(NamedTuple):
    """A refresh, and what readers and the writer's own history hold after it; restatements as dicts."""

    done: Done
    restatements: list[dict]
    versions: int
    churn_duckdb: bytes


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> dict[str, Told]:
    folder = tmp_path_factory.mktemp("story")
    warehouse = folder / "warehouse"

    def deliver(file: str, *rows: str) -> None:
        path = folder / "extracts" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + "".join(f"{row},10,EUR\n" for row in rows))

    def refresh(*options: str) -> Told:
        done = churn(
            "refresh", "--extracts", folder / "extracts", "--warehouse", warehouse, "--as-of", "2024-06-30", *options
        )
        with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
            found = con.execute("select * from marts.restatements order by refresh_id, period_start")
            rows = [
                dict(zip([column[0] for column in found.description], row, strict=True)) for row in found.fetchall()
            ]
        with duckdb.connect(str(warehouse / "build.duckdb")) as con:
            [(versions,)] = con.execute("select count(*) from history.closed_month_versions").fetchall()
        return Told(done, rows, versions, (warehouse / "churn.duckdb").read_bytes())

    def tamper(value: str | None) -> None:
        with duckdb.connect(str(warehouse / "build.duckdb")) as con:
            con.execute("update raw.billing__subscriptions_rows set ended_on = ? where customer_id = 'c7'", [value])

    ends = {0: "2024-05-15", 8: "2024-04-25"}
    deliver(
        "billing/subscriptions.csv",
        *(f"s{n},2023-12-15,c{n},{ends.get(n, '')}" for n in range(24)),
        "s8,2024-05-05,c8,",
    )
    story = {"first": refresh()}
    deliver(LATE_FILES[0], "s5,2023-12-15,c5,2024-05-10")
    story["late"] = refresh()
    deliver(LATE_FILES[1], "s6,2023-12-15,c6,2024-05-20")
    story["later still"] = refresh()
    story["nothing new"] = refresh("--full-refresh")
    tamper("2024-04-10")
    story["tampered"] = refresh()
    tamper(None)
    story["another policy"] = refresh("--policy", "grace_days=15")
    return story


def test_the_first_publish_restates_nothing(story):
    done, restatements, versions, _ = story["first"]
    assert done.code == 0, done.err
    assert restatements == []
    assert versions == 7  # December to June


def test_a_late_cancellation_is_named_with_what_it_moved(story):
    done, restatements, _, _ = story["late"]
    assert done.code == 0, done.err
    assert [row["period_start"] for row in restatements] == [MAY, JUNE]
    assert {(row["cause"], row["files"]) for row in restatements} == {
        ("extracts", f"billing.subscriptions: {LATE_FILES[0]}")
    }
    changes = (
        "customers_at_start_change",
        "customers_lost_change",
        "customers_at_end_change",
        "mrr_at_start_change",
        "mrr_churned_change",
        "mrr_at_end_change",
    )
    may, june = restatements
    assert (may["churn_rate_first_published"], may["churn_rate_before"], may["churn_rate"]) == (1 / 23, 1 / 23, 2 / 23)
    assert [may[name] for name in changes] == [0, 1, -1, 0, 10, -10]
    assert (june["churn_rate_before"], june["churn_rate"]) == (0, 0)
    assert [june[name] for name in changes] == [-1, 0, -1, -10, 0, -10]
    assert may["restated_at"] == june["restated_at"]


def test_a_second_change_is_told_beside_the_first(story):
    earlier, restatements = story["late"].restatements, story["later still"].restatements
    assert story["later still"].done.code == 0
    assert restatements[: len(earlier)] == earlier
    may = restatements[len(earlier)]
    assert (may["churn_rate_first_published"], may["churn_rate_before"], may["churn_rate"]) == (1 / 23, 2 / 23, 3 / 23)
    assert may["files"] == f"billing.subscriptions: {LATE_FILES[1]}"


def test_nothing_is_appended_when_nothing_changed_and_a_full_refresh_forgets_nothing(story):
    before, after = story["later still"], story["nothing new"]
    assert after.done.code == 0, after.done.err
    assert (after.restatements, after.versions) == (before.restatements, before.versions)


def test_a_closed_month_that_changes_for_no_reason_is_refused(story):
    before, after = story["nothing new"], story["tampered"]
    assert after.done.code == 1
    assert "closed_months_change_for_a_reason" in after.done.err
    assert after.churn_duckdb == before.churn_duckdb


def test_a_refused_refresh_leaves_no_trace_and_a_policy_is_a_cause(story):
    """Of customer 7, whose row was tampered with, nothing is told; customer 8 is not lost with a grace of 15 days."""
    before, after = story["nothing new"].restatements, story["another policy"].restatements
    assert story["another policy"].done.code == 0
    assert after[: len(before)] == before
    assert [
        (row["period_start"], row["customers_lost_change"], row["cause"], row["files"]) for row in after[len(before) :]
    ] == [
        (date(2024, 4, 1), -1, "policies", None),
        (MAY, 0, "policies", None),
    ]
    assert len({row["refresh_id"] for row in after}) == 3
