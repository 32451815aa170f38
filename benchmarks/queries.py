"""Ten queries as a retention page sends them, on the published file: the median of their milliseconds, beside that of a
query that reads nothing.

python -m benchmarks.queries WAREHOUSE
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import duckdb

QUERIES = {
    "churn by month": """
        select period_start, churn_rate, churn_rate_low, churn_rate_high from marts.churn_rates
        where period_grain = 'month' and segment_type = 'all' order by period_start""",
    "churn of a country": """
        select period_start, customers_at_start, customers_lost, churn_rate from marts.churn_rates
        where period_grain = 'quarter' and segment_type = 'country' and segment = 'BG' order by period_start""",
    "segments of the last month": """
        select segment_type, segment, churn_rate from marts.churn_rates
        where period_grain = 'month' and is_complete
        qualify period_start = max(period_start) over () order by churn_rate desc""",
    "triangle of cohorts": """
        select cohort_start, age, retention_rate from marts.cohort_retention
        where cohort_grain = 'month' and segment_type = 'all' order by all""",
    "cohorts of a segment": """
        select age, sum(customers_active) / sum(cohort_size) from marts.cohort_retention
        where cohort_grain = 'month' and segment_type = 'first_plan' and is_complete group by age order by age""",
    "MRR by movement": """
        select period_start, mrr_new, mrr_reactivated, mrr_expanded, mrr_contracted, mrr_churned
        from marts.revenue_retention where period_grain = 'month' and segment_type = 'all' order by period_start""",
    "reasons of a quarter": """
        select reason, sum(customers_lost) from marts.churn_reasons
        where period_grain = 'quarter' and segment_type = 'all' group by reason order by 2 desc""",
    "lost sales": """
        select period_start, lost_customers_sales from marts.lost_revenue
        where period_grain = 'month' and segment_type = 'all' order by period_start""",
    "whom to win back": "select * from marts.lost_customers where contact_allowed order by win_back_rank limit 50",
    "who is about to leave": "select * from marts.at_risk_customers order by score desc, revenue_at_risk desc limit 50",
}
TIMES = 21


def main(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        con.execute("set threads = 2")
        empty = milliseconds(con, "select 1 where false")
        each = {name: milliseconds(con, query) for name, query in QUERIES.items()}
    for name, found in each.items():
        print(f"{found:8.1f} ms  {name}")
    print(f"{empty:8.2f} ms  a query that reads nothing")
    print(median(each.values()) / 1000)


def milliseconds(con: duckdb.DuckDBPyConnection, query: str) -> float:
    """The median of several runs, their rows fetched."""
    found = []
    for _ in range(TIMES):
        started = time.perf_counter()
        con.execute(query).fetchall()
        found.append((time.perf_counter() - started) * 1000)
    return median(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
