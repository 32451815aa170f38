"""What the page shows, read from a published churn.duckdb: only counts, sums and rates,
nothing about a single customer.

Tables are sent column by column, {name: [values]}. `p` and `s` are positions in `periods` and `segments`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration import ROOT
from orchestration.warehouse.quoting import quote

# How far back the page looks, in periods; the marts hold everything.
_PERIODS = {"month": 48, "quarter": 24, "year": 12}
_COHORTS = 36
# If a segment type has many values, only the largest are shown.
_VALUES = 15
_EMPLOYEES = 40
_CURVE_POINTS = 150
_SURVIVAL_DAYS = [30, 90, 180, 365, 730]
# More days than this without data before a refresh, and the page warns of it.
_STALE_DAYS = 7

# Marts with one row per period and segment, and the columns that the page shows.
_GRIDS = {
    "churn": (
        "churn_rates",
        (
            "customers_at_start, customers_lost, customers_lost_voluntary, customers_lost_involuntary,"
            " customers_lost_unknown, customers_new, customers_returned, customers_at_end, churn_rate,"
            " round(churn_rate_low, 6) as churn_rate_low, round(churn_rate_high, 6) as churn_rate_high"
        ),
    ),
    "revenue": (
        "revenue_retention",
        (
            "mrr_at_start, mrr_new, mrr_reactivated, mrr_expanded, mrr_contracted, mrr_churned, mrr_at_end,"
            " net_revenue_retention"
        ),
    ),
    "lost": (
        "lost_revenue",
        (
            "lost_sales, lost_customers_sales, recoverable_sales_if_heard,"
            " recoverable_sales_if_heard_promptly, lost_profit"
        ),
    ),
    "sales": ("average_check", "revenue"),
    "nps": ("net_promoter_score", "responses, nps, nps_low, nps_high"),
}


def read_data(database: Path, currency: str | None, segment_types: Sequence[str] | None = None) -> dict[str, Any]:
    """Everything that the page shows, for all segment types or only `segment_types`."""
    with duckdb.connect() as con:
        con.execute(f"attach {quote(database)} as churn (read_only)")
        con.execute("use churn")
        _choose(con, segment_types)
        return {
            **_refresh(con),
            "currency": currency,
            "periods": con.execute(
                "from temp.periods select period_grain, period_start, period_end, is_complete order by p"
            ).fetchall(),
            "segments": con.execute("from temp.segments select segment_type, segment order by s").fetchall(),
            "segment_types": [
                kind
                for (kind,) in con.execute(
                    "from temp.kinds select segment_type where segment_type <> 'all' order by k"
                ).fetchall()
            ],
            "reasons": _reasons(),
            **{name: _grid(con, mart, columns) for name, (mart, columns) in _GRIDS.items()},
            "churn_reasons": _grid(
                con, "churn_reasons", "reason_code, customers_lost, lost_customers_sales", "customers_lost > 0"
            ),
            "cohorts": _cohorts(con),
            "survival": _survival(con),
            "staff": _staff(con),
            "win_back": _win_back(con),
            "risk": _risk(con),
            "quality": _quality(con),
        }


def _choose(con: duckdb.DuckDBPyConnection, segment_types: Sequence[str] | None) -> None:
    """The periods and segments to show, numbered, the whole company as segment 0."""
    lengths = " ".join(f"when '{grain}' then {count}" for grain, count in _PERIODS.items())
    con.execute(f"""
        create temp table periods as
        with latest as (
            select distinct period_grain, period_start, period_end, is_complete from marts.churn_rates
            where segment_type = 'all'
            qualify row_number() over (partition by period_grain order by period_start desc)
                <= case period_grain {lengths} end
        )
        select row_number() over (order by period_grain, period_start) - 1 as p, * from latest
    """)
    declared = [
        row[0]
        for row in con.execute(
            "select distinct segment_type from marts.churn_rates where segment_type <> 'all' order by 1"
        ).fetchall()
    ]
    kept = [kind for kind in declared if segment_types is None or kind in segment_types]
    con.execute(
        "create temp table kinds as select unnest(?::varchar[]) as segment_type, unnest(range(?)) as k",
        [["all", *kept], len(kept) + 1],
    )
    con.execute(f"""
        create temp table segments as
        with sizes as (
            select segment_type, segment, k, sum(customers_at_start + customers_new) as size
            from marts.churn_rates join temp.kinds using (segment_type)
            where period_grain = 'month'
            group by segment_type, segment, k
            qualify row_number() over (partition by segment_type order by size desc, segment) <= {_VALUES}
        )
        select row_number() over (order by k, segment = '(unknown)', segment) - 1 as s, segment_type, segment from sizes
    """)


def _columns(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, list[Any]]:
    cursor = con.execute(sql)
    names, rows = [column[0] for column in cursor.description], cursor.fetchall()
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {name: [] for name in names}


def _grid(con: duckdb.DuckDBPyConnection, mart: str, columns: str, where: str = "true") -> dict[str, list[Any]]:
    return _columns(
        con,
        f"select p, s, {columns} from marts.{mart} join temp.periods using (period_grain, period_start) "
        f"join temp.segments using (segment_type, segment) where {where} order by all",
    )


def is_stale(ends_on: date, refreshed_on: date) -> bool:
    """Whether the report has to say of a refresh of that day on which day its data ends: data that is up to date ends
    on the day before."""
    return (refreshed_on - ends_on).days - 1 > _STALE_DAYS


def _refresh(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The published refresh; `data_ends_on` and `days_behind` are None unless its extracts were stale."""
    [(refresh_id, as_of, started_at, policies, ends_on, behind)] = con.execute("""
        select refresh_id, as_of, started_at, policies, coalesce(newest_row_on, as_of),
            cast(started_at as date) - coalesce(newest_row_on, as_of)
        from quality.refresh_history where status = 'published' order by 1 desc limit 1
    """).fetchall()
    stale = is_stale(ends_on, started_at.date())
    return {
        "refresh_id": refresh_id,
        "as_of": as_of,
        "started_at": started_at,
        "policies": json.loads(policies),
        "data_ends_on": ends_on if stale else None,
        "days_behind": behind if stale else None,
    }


def _reasons() -> dict[str, dict[str, str]]:
    """Attributes and labels of the main reasons by code."""
    with (ROOT / "seeds" / "main_reasons.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["reason_code"]: {
                "en": row["reason"],
                "bg": row["reason_bg"],
                "ru": row["reason_ru"],
                "fil": row["reason_fil"],
                "nature": row["nature"],
                "control": row["control"],
            }
            for row in csv.DictReader(file)
        }


def _cohorts(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Cohorts with lists by age; for grains in `running`, the last age of every cohort is the open period."""
    running = con.execute("select distinct cohort_grain from marts.cohort_retention where not is_complete").fetchall()
    table = _columns(
        con,
        f"""
        select
            cohort_grain as grain, s, cohort_start as start, any_value(cohort_size) as size,
            any_value(mrr_initial) as mrr_initial,
            list(customers_active order by age) as active, list(customers_purchasing order by age) as purchasing,
            list(mrr_at_close order by age) as mrr, list(revenue order by age) as revenue
        from marts.cohort_retention join temp.segments using (segment_type, segment)
        group by cohort_grain, s, cohort_start
        qualify dense_rank() over (partition by cohort_grain order by cohort_start desc) <= {_COHORTS}
        order by all
    """,
    )
    return {"running": [grain for (grain,) in running], **table}


def _survival(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    """One curve per segment, thinned for the screen; points that the text and the table quote are kept."""
    return _columns(
        con,
        f"""
        with numbered as (
            select
                *,
                row_number() over curve as n,
                count(*) over (partition by s) as points,
                survival <= 0.5 and coalesce(lag(survival) over curve, 1) > 0.5 as is_half,
                len(list_filter(
                    {_SURVIVAL_DAYS},
                    lambda day: tenure_days <= day and day < coalesce(lead(tenure_days) over curve, 1000000)
                )) > 0 as is_told
            from marts.survival_curves join temp.segments using (segment_type, segment)
            window curve as (partition by s order by tenure_days)
        )
        select
            s, max(at_risk) as customers, list(tenure_days order by tenure_days) as days,
            list(round(survival, 4) order by tenure_days) as survival,
            list(round(survival_low, 4) order by tenure_days) as low,
            list(round(survival_high, 4) order by tenure_days) as high
        from numbered
        where (points - n) % (1 + points // {_CURVE_POINTS}) = 0 or n = 1 or is_half or is_told
        group by s
        order by s
    """,
    )


def _staff(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    return _columns(
        con,
        f"""
        select employee_id, team, period_start as start, first_time_customers, observed_90d, returned_90d,
            returned_to_same_employee_90d
        from marts.staff_retention left join marts.dim_employees using (employee_id)
        where employee_id in (
            select employee_id from marts.staff_retention group by 1 order by sum(observed_90d) desc, 1
            limit {_EMPLOYEES}
        )
        order by all
    """,
    )


def _win_back(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    counts = (
        "contacted, replied, reasons_learnt, observed_30d, returned_30d, observed_90d, returned_90d, observed_365d,"
        " returned_365d, revenue_recovered"
    )
    sums = ", ".join(f"sum({name})::double as {name}" for name in counts.split(", "))
    return _columns(con, f"select channel, {sums} from marts.win_back_results group by 1 order by contacted desc, 1")


def _risk(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    signals = con.execute("""
        select column_name from duckdb_columns()
        where database_name = 'churn' and schema_name = 'marts' and table_name = 'at_risk_customers'
            and data_type = 'BOOLEAN'
    """).fetchall()
    each = " union all ".join(
        (
            f"select '{signal}' as signal, count(*) as customers, coalesce(sum(revenue_at_risk), 0) as revenue"
            f" from marts.at_risk_customers where {signal}"
        )
        for (signal,) in signals
    )
    return {
        "all": con.execute(
            "select count(*), coalesce(sum(revenue_at_risk), 0) from marts.at_risk_customers"
        ).fetchone(),
        "signals": _columns(con, f"{each} order by customers desc, signal"),
        "backtest": _columns(
            con,
            """
            select quarter_start as start, signal, customers, flagged, lost_within_90d, flagged_lost_within_90d
            from marts.at_risk_backtest
            qualify dense_rank() over (order by quarter_start desc) <= 24
            order by all
        """,
        ),
    }


def _quality(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    this_refresh = "refresh_id = (select max(refresh_id) from quality.refresh_history where status = 'published')"
    return {
        "checks": _columns(
            con,
            f"select gate, severity, status, count(*) as checks from quality.check_results where {this_refresh}"
            " group by all order by all",
        ),
        "failed": _columns(
            con,
            f"""
            select check_name, table_name, severity, failed_count from quality.check_results
            where {this_refresh} and status <> 'passed' order by all limit 50
        """,
        ),
        "extracts": _columns(
            con,
            """
            select table_name, count(*) as files, max(loaded_at) as loaded_at, sum(rows_read)::bigint as rows_read,
                sum(rows_loaded)::bigint as rows_loaded, sum(rows_quarantined)::bigint as rows_quarantined,
                sum(rows_filtered)::bigint as rows_filtered, sum(rows_repeated)::bigint as rows_repeated
            from quality.load_audit group by 1 order by 1
        """,
        ),
        "restatements": _columns(
            con,
            """
            select period_start as start, restated_at, churn_rate_first_published, churn_rate_before, churn_rate,
                customers_lost_change, cause
            from marts.restatements order by restated_at desc, period_start desc limit 40
        """,
        ),
        "newest_purchase": con.execute("select max(issued_on) from marts.fct_purchases").fetchall()[0][0],
    }
