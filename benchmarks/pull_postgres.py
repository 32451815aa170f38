"""How long `churn pull` takes for a table of Postgres, against what the server itself needs to copy it out.

    .venv/bin/python -m benchmarks.pull_postgres postgresql://USER:PASSWORD@HOST/DATABASE [ROWS]

Makes a table of 500,000 invoices in a schema of its own, `churn_benchmark`, copies it out with psql and pulls it in a
process of its own, three times in turn, and drops the schema. What it takes to start is measured with an empty table.
Shown are the best times by the clock. Nothing here is asserted, and no test reads it; `make connect` and psql are
needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHURN = Path(sys.executable).with_name("churn")
SOURCES = """
pull:
  erp: {kind: sql, tables: churn_benchmark.invoices}
  empty: {kind: sql, tables: churn_benchmark.nothing}
"""
COPY = "copy churn_benchmark.invoices to stdout"
TABLES = """
drop schema if exists churn_benchmark cascade;
create schema churn_benchmark;
create table churn_benchmark.invoices as
    select
        n as invoice_id,
        'c' || n % 50000 as customer_id,
        timestamptz '2020-01-01' + n * interval '5 minutes' as issued_at,
        (n % 100000)::numeric(12, 2) / 100 as amount,
        'EUR' as currency,
        (array['paid', 'open', 'void'])[1 + n % 3] as status,
        date '2020-01-01' + n % 2000 as paid_on,
        n % 7 = 0 as is_test
    from generate_series(1, {rows}) as numbers (n);
create table churn_benchmark.nothing (id bigint);
alter table churn_benchmark.invoices alter column amount type numeric(12, 2);
"""


def seconds(*command: object, environment: dict[str, str] | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main(address: str, rows: int) -> None:
    seconds("psql", "-q", address, "-c", TABLES.format(rows=rows))
    secrets = {f"SOURCES__{name}__CREDENTIALS": address for name in ("ERP", "EMPTY")}
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "extracts.yml").write_text(SOURCES, encoding="utf-8")
            pull = [CHURN, "pull", "--extracts", folder, "--quiet", "--source"]
            rounds = [
                (
                    seconds("psql", "-q", address, "-c", COPY),
                    *(seconds(*pull, name, environment=secrets) for name in ("erp", "empty")),
                )
                for _ in range(3)
            ]
            copied, pulled, started = map(min, zip(*rounds, strict=True))
            [file] = Path(folder).glob("pulls/erp/*/*.parquet")
            print(f"{rows:,} rows: COPY {copied:.2f} s, churn pull {pulled:.2f} s, of which start {started:.2f} s:")
            print(f"{pulled / copied:.1f} times as long, {(pulled - started) / copied:.1f} times without the start")
            print(f"{file.stat().st_size / 2**20:.1f} MiB of Parquet")
    finally:
        seconds("psql", "-q", address, "-c", "drop schema churn_benchmark cascade")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500_000)
