"""What people should be told of a warehouse: a failure, extracts that are no longer fresh, and numbers of the last
complete month that are not what the months before make plausible."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from orchestration.contract.mapping import AlertRules
from orchestration.errors import INTERRUPTED
from orchestration.readers.alerts.interval import MONTHS, OUTSIDE, Interval, Month, plausible
from orchestration.warehouse.folder import PUBLISHED, RUNNING, Warehouse

# What a version lacks that an earlier one of ours has published; a failure must be told all the same.
LACKING = (duckdb.BinderException, duckdb.CatalogException)
# What stands for "we don't know" is no reason.
NO_REASONS = ("not_asked", "unmapped")


@dataclass(frozen=True)
class Condition:
    """Something to tell once: as long as `kind` and `state` stay, nothing has changed."""

    kind: str
    state: str
    title: str
    text: str


def conditions(
    warehouse: Warehouse, rules: AlertRules, today: date, outcome: Mapping[str, Any] | None
) -> list[Condition]:
    """All that holds now; `outcome` is what refresh.json says, where no refresh runs."""
    found = [*_failure(warehouse, outcome)] if outcome else []
    if warehouse.current.exists():
        with duckdb.connect(str(warehouse.current), read_only=True) as con, suppress(*LACKING):
            found += [*_stale(con, rules, today), *_numbers(con, warehouse, rules)]
    return found


def _failure(warehouse: Warehouse, outcome: Mapping[str, Any]) -> Iterator[Condition]:
    """Somebody who interrupted it knows."""
    code, message = outcome["exit_code"], outcome["message"]
    if outcome["status"] == RUNNING:
        code, message = "none", "Its process ended before it had finished; run it again."
    if message and code != INTERRUPTED:
        readers = "its version" if outcome["status"] == PUBLISHED else "the version before"
        yield Condition(
            "failure",
            f"{code} {message}",
            f"The churn refresh failed (exit code {code})",
            f"{message}\n\nThe refresh of {outcome['started_at']} in {warehouse.folder}. Readers have {readers}.",
        )


def last_outcome(warehouse: Warehouse) -> dict[str, Any] | None:
    """What refresh.json says; None before the first refresh."""
    if not warehouse.outcome.exists():
        return None
    return json.loads(warehouse.outcome.read_text(encoding="utf-8"))


def _stale(con: duckdb.DuckDBPyConnection, rules: AlertRules, today: date) -> Iterator[Condition]:
    """The extracts as a whole, by the calendar; a table, by the check that knows how often it changes."""
    [(newest,)] = con.execute(
        "select max_by(newest_row_on, refresh_id) from quality.refresh_history where status = 'published'"
    ).fetchall()
    if newest and today - newest > timedelta(days=rules.stale_after_days):
        yield Condition(
            "stale",
            newest.isoformat(),
            f"The churn extracts end on {newest}",
            f"The newest row of all extracts is of {newest}, {(today - newest).days} days ago; the limit is"
            f" {rules.stale_after_days} days (alerts: stale_after_days in extracts.yml). What happened since is not in"
            " the numbers. Export anew.",
        )
    tables = con.execute(
        "select table_name from quality.check_results where check_name = 'freshness' and status = 'failed'"
        " and refresh_id = (select max(refresh_id) from quality.check_results) order by all"
    ).fetchall()
    for (table,) in tables:
        yield Condition(
            f"stale {table}",
            "",
            f"{_source(table)} has had no new rows for long",
            f"Its newest row is longer before as_of than a table of this kind usually goes without (check freshness of"
            f" {table}, in data_docs/). Is its export still running?",
        )


def _source(table: str) -> str:
    """The contract table of a staging model."""
    return table.removeprefix("staging.stg_").replace("__", ".")


def _numbers(con: duckdb.DuckDBPyConnection, warehouse: Warehouse, rules: AlertRules) -> Iterator[Condition]:
    """Of the last complete month."""
    rows = con.execute(
        "select period_start, period_end, customers_at_start, customers_lost from marts.churn_rates_monthly"
        f" where is_complete and customers_at_start > 0 order by period_start desc limit {MONTHS + 1}"
    ).fetchall()
    if not rows:
        return
    start, end, customers, lost = rows[0]
    if rules.lost_sales_over is not None:
        yield from _lost_sales(con, warehouse, rules, start, end)
    if len(rows) <= MONTHS:
        return
    before = [Month(*row[2:]) for row in rows[1:]]
    interval = plausible(before, customers)
    if not interval.low <= lost <= interval.high:
        yield Condition(
            f"churn of {start:%Y-%m}",
            f"{lost} of {customers}",
            f"Churn in {start:%Y-%m} was {lost / customers:.1%}",
            f"{_against(lost, customers, interval)}\n\n{_asking(warehouse, customers_lost(start, end))}",
        )
    reasons = con.execute(
        f"""
        select reason_code, any_value(reason),
            coalesce(sum(customers_lost) filter (where period_start = $start), 0)::bigint as now,
            map_from_entries(list((period_start, customers_lost)))
        from marts.churn_reasons_monthly
        where period_start between $first and $start and reason_code not in {NO_REASONS}
        group by reason_code
        order by now desc, reason_code
        """,
        {"start": start, "first": rows[-1][0]},
    ).fetchall()
    for code, reason, now, counts in reasons:
        earlier = [Month(row[2], counts.get(row[0], 0)) for row in rows[1:]]
        interval = plausible(earlier, customers)
        usual = customers * sum(month.lost for month in earlier) / sum(month.customers for month in earlier)
        if now >= 2 * usual and now > interval.high:
            yield Condition(
                f"reason {code} of {start:%Y-%m}",
                f"{now} of {customers}",
                f"'{reason}' cost {now:,} customers in {start:%Y-%m}, twice the usual or more",
                f"{_against(now, customers, interval)}\n\n{_asking(warehouse, customers_lost(start, end, code))}",
            )


def _lost_sales(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse, rules: AlertRules, start: date, end: date
) -> Iterator[Condition]:
    rows = con.execute(
        "select lost_sales from marts.lost_revenue_monthly where period_start = ? and lost_sales > ?",
        [start, rules.lost_sales_over],
    ).fetchall()
    for (sales,) in rows:
        yield Condition(
            f"lost sales of {start:%Y-%m}",
            f"{sales}",
            f"Lost sales in {start:%Y-%m} were {sales:,.2f}",
            f"{sales:,.2f} is over {rules.lost_sales_over:,.2f}, the amount set in extracts.yml (alerts:"
            f" lost_sales_over).\n\n{_asking(warehouse, customers_lost(start, end))}",
        )


def _against(count: int, customers: int, interval: Interval) -> str:
    return (
        f"{count:,} of {customers:,} customers. The {MONTHS} months before make {interval.low:,} to {interval.high:,}"
        f" plausible ({interval.low / customers:.1%} to {interval.high / customers:.1%}; {1 - OUTSIDE:.0%} prediction"
        f" interval), and {interval.expected:,.1f} were expected."
    )


def _asking(warehouse: Warehouse, query: str) -> str:
    return f'Who they are:\n\nduckdb -readonly {shlex.quote(str(warehouse.current))} "{query}"'


def customers_lost(start: date, end: date, reason_code: str | None = None) -> str:
    """A query for the customers that a month has lost, for a reason: there at its opening and not at its end."""
    return (
        "select customer_id, max(ended_on) as lost_on, max_by(reason_code, ended_on) as why"
        f" from marts.fct_customer_spells where started_on < date '{end}' group by customer_id"
        f" having bool_or(started_on < date '{start}' and coalesce(ended_on >= date '{start}', true))"
        f" and bool_and(coalesce(ended_on < date '{end}', false))"
        + (f" and why = '{reason_code}'" if reason_code else "")
        + " order by all"
    )
