"""What a refresh costs by what has changed since the one before, in CPU seconds, with the tables that took longest:

python -m benchmarks.changes 100000
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.extracts import AS_OF, write_changes, write_extracts
from benchmarks.run import OURS, run

NEXT_DAY = str(date.fromisoformat(AS_OF) + timedelta(days=1))
# In this order, each after the one before: what is delivered first, the day, and other options.
CASES = {
    "full": (False, AS_OF, ()),
    "nothing new": (False, AS_OF, ()),
    "nothing new, another policy": (False, AS_OF, ("--policy", "sla_resolution_hours=48")),
    "that policy as before": (False, AS_OF, ()),
    "0.1 % new and changed": (True, AS_OF, ()),
    "0.1 % new and changed, a day later": (True, NEXT_DAY, ()),
    "full again": (False, NEXT_DAY, ("--full-refresh",)),
}


def main(customers: int) -> None:
    costs = {}
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as scratch:
        extracts, warehouse = Path(scratch, "extracts"), Path(scratch, "warehouse")
        write_extracts(extracts, customers)
        for day, (name, (is_delivered, as_of, options)) in enumerate(CASES.items()):
            if is_delivered:
                write_changes(extracts, customers, "csv", day)
            folders = ["--extracts", str(extracts), "--warehouse", str(warehouse)]
            command = [str(OURS.with_name("churn")), "refresh", *folders, "--as-of", as_of, *options]
            cost, _ = run(command)
            costs[name] = cost.cpu
            print(f"{name}: {cost.cpu:.1f} s of CPU, {cost.cpu / costs['full']:.2f} of full; {slowest(warehouse)}")


def slowest(warehouse: Path) -> str:
    """The stages of the last refresh and the ten tables that took it longest."""
    with duckdb.connect(str(warehouse / "build.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select if(step = 'all', stage, step), seconds from quality.refresh_profile"
            " where refresh_id = (select max(refresh_id) from quality.refresh_history)"
            " qualify step = 'all' or row_number() over (partition by step = 'all' order by seconds desc) <= 10"
            " order by step <> 'all', seconds desc"
        ).fetchall()
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in rows)


if __name__ == "__main__":
    main(int(sys.argv[1]))
