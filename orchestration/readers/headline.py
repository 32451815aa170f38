"""The few numbers that a refresh ends with, read from what it published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb


@dataclass(frozen=True)
class Month:
    """The whole company in a complete month; a rate is None when there were no customers to compute it from."""

    start: date
    customers_at_start: int
    customers_lost: int
    churn_rate: float | None
    retention_rate: float | None
    lost_sales: Decimal | None


@dataclass(frozen=True)
class Reason:
    """A main reason for which customers were lost."""

    label: str
    customers_lost: int


@dataclass(frozen=True)
class WinBack:
    """Lost customers who may be contacted, and the sales expected from them (reporting currency)."""

    candidates: int
    expected_sales: Decimal


@dataclass(frozen=True)
class Headline:
    """Rows of all extracts, checks of this refresh, the last three complete months (the oldest first), the top reasons
    of these months together, and the lost customers who may be contacted."""

    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    checks: int
    checks_failed: int
    months: list[Month]
    reasons: list[Reason]
    win_back: WinBack

    def metadata(self) -> dict[str, Any]:
        """For Dagster: numbers only, which it plots over the refreshes."""
        counts = {
            name: getattr(self, name)
            for name in ("rows_read", "rows_loaded", "rows_quarantined", "checks", "checks_failed")
        }
        counts["win_back_candidates"] = self.win_back.candidates
        if not self.months:
            return counts
        last = self.months[-1]
        rates = {"churn_rate": last.churn_rate, "retention_rate": last.retention_rate}
        rates["lost_sales"] = None if last.lost_sales is None else float(last.lost_sales)
        return {
            **counts,
            "month": last.start.isoformat(),
            **{name: rate for name, rate in rates.items() if rate is not None},
        }


def headline(published: Path, refresh_id: str) -> Headline:
    """The headline of a published churn.duckdb, whose refresh is `refresh_id`."""
    with duckdb.connect(str(published), read_only=True) as con:
        [(read, loaded, quarantined)] = con.execute(
            "select coalesce(sum(rows_read), 0), coalesce(sum(rows_loaded), 0), coalesce(sum(rows_quarantined), 0)"
            " from quality.load_audit"
        ).fetchall()
        [(checks, failed)] = con.execute(
            "select count(*), count(*) filter (status <> 'passed') from quality.check_results where refresh_id = ?",
            [refresh_id],
        ).fetchall()
        months = con.execute("""
            select period_start, churn.customers_at_start, churn.customers_lost, churn.churn_rate, churn.retention_rate,
                lost.lost_sales
            from marts.churn_rates_monthly as churn
            left join marts.lost_revenue_monthly as lost using (period_start)
            where churn.is_complete
            order by period_start desc
            limit 3
        """).fetchall()
        reasons = con.execute(
            """
            select reason, sum(customers_lost) as lost
            from marts.churn_reasons_monthly
            where period_start in (select unnest(?::date[])) and reason_code <> 'not_asked'
            group by reason
            having lost > 0
            order by lost desc, reason
            limit 3
            """,
            [[month[0] for month in months]],
        ).fetchall()
        [win_back] = con.execute("""
            select count(*), coalesce(sum(expected_recoverable_sales), 0)
            from marts.lost_customers
            where contact_allowed and best_channel is not null
        """).fetchall()
    return Headline(
        int(read),
        int(loaded),
        int(quarantined),
        int(checks),
        int(failed),
        months=[Month(*month) for month in reversed(months)],
        reasons=[Reason(label, int(lost)) for label, lost in reasons],
        win_back=WinBack(*win_back),
    )
