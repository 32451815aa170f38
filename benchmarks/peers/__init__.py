"""What people use instead of this warehouse, each in one file that is run as a program of its own.

    python -m benchmarks.peers.in_polars EXTRACTS OUT

`EXTRACTS` has one file of each table. A peer writes what it calculates to Parquet files in `OUT` and prints the seconds
that it took, from the first byte read to the last byte written. `benchmarks.run` compares the files with the marts
before it counts the time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

AS_OF = "2025-12-31"
LAPSE_DAYS = 90


def timed(work: Callable[[Path, Path], None]) -> None:
    """Do what the command line asks for and print how long it took."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    work(source, out)
    print(time.perf_counter() - started)


def extract(folder: Path, table: str) -> Path:
    """The file of a table, whichever format it has."""
    [file] = folder.glob(f"{table}.*")
    return file
