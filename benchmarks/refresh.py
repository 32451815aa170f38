"""How long a refresh takes as a company grows: made-up extracts of several sizes, each refreshed twice from nothing.

    make bench                      10,000, 100,000 and 1,000,000 invoices
    make bench SIZES="5000000"

The second refresh loads nothing: its time is what the models, the checks and the publish cost. Times depend on the
machine; compare runs of one machine only. Nothing here is asserted, and no test reads it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

CHURN = Path(sys.executable).with_name("churn")
AS_OF = "2025-12-31"


def write_extracts(folder: Path, invoices: int) -> None:
    """A company of `invoices` invoices of a tenth as many customers over six years, half of whom subscribe,
    from DuckDB's hash."""
    customers = max(invoices // 10, 1)
    for source in ("crm", "billing"):
        (folder / source).mkdir(parents=True)
    con = duckdb.connect()
    tables = {
        "crm/customers.csv": f"""
            select 'c' || n as customer_id, ['BG', 'RU', 'PH', 'GB'][(1 + hash(n) % 4)::integer] as country,
                ['web', 'shop', 'partner'][(1 + hash(n, 1) % 3)::integer] as acquisition_channel
            from range({customers}) as t(n)""",
        "billing/subscriptions.csv": f"""
            select 's' || n as subscription_id, 'c' || n as customer_id, started_on, 'p' || (hash(n, 4) % 5) as plan_id,
                if(hash(n, 5) % 3 = 0, null, started_on + (hash(n, 6) % 900)::integer) as ended_on,
                10 + hash(n, 7) % 90 as unit_price, 'EUR' as currency
            from (select n, date '2020-01-01' + (hash(n, 3) % 2100)::integer as started_on
                from range({customers // 2}) as t(n))""",
        "billing/invoices.parquet": f"""
            select 'i' || n as invoice_id, 'c' || (hash(n, 8) % {customers}) as customer_id,
                timestamp '2020-01-01' + to_minutes((hash(n, 9) % 3155040)::integer) as issued_at,
                ((hash(n, 10) % 20000) / 100.0)::decimal(18, 2) as amount, 'EUR' as currency
            from range({invoices}) as t(n)""",
    }
    for file, query in tables.items():
        con.execute(f"copy ({query}) to '{folder / file}'")


def main() -> None:
    for size in [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000, 1_000_000]:
        with tempfile.TemporaryDirectory(prefix="churn-bench-") as scratch:
            extracts, warehouse = Path(scratch, "extracts"), Path(scratch, "warehouse")
            write_extracts(extracts, size)
            for run in ("first", "second"):
                command = [CHURN, "refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", AS_OF]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(done.stderr)
                times = next(line for line in done.stdout.splitlines() if line.startswith("time "))
                peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
                print(
                    (
                        f"{size:>11,} invoices, {run:<6} refresh: {times.removeprefix('time').strip()}"
                        f" (peak so far {peak:.1f} GiB)"
                    ),
                    flush=True,
                )


if __name__ == "__main__":
    main()
