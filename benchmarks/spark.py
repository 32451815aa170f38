"""The invented company of `benchmarks.extracts` on Spark: time of each stage, CPU and peak memory of each process, and
what the tasks of the cluster took and shuffled.

    PYTHONPATH=. .venv-spark/bin/python -m benchmarks.spark 100000 2     customers, workers of one core each; 0: DuckDB

Two refreshes of one warehouse, the second of which loads nothing. A cluster of one machine shows what Spark costs, not
what many machines bring.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from benchmarks.extracts import AS_OF, write_extracts
from spark.cluster import cluster

CHURN = Path(sys.executable).with_name("churn")
# Spark's own, in place of those for small companies.
SETTINGS = {
    "spark.driver.extraJavaOptions": "",
    "spark.executor.extraJavaOptions": "",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.shuffle.partitions": "8",
}


def main(customers: int, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as scratch:
        extracts, warehouse = Path(scratch, "extracts"), Path(scratch, "warehouse")
        write_extracts(extracts, customers)
        events = Path(scratch, "events")
        events.mkdir()
        logged = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": str(events)}
        logged |= {"spark.eventLog.rolling.enabled": "false", "spark.eventLog.compress": "false"}
        ends = []
        spark = cluster(Path(scratch, "cluster"), workers, "2g", SETTINGS | logged)
        with spark if workers else nullcontext() as url:
            for run in ("first", "second"):
                command = [CHURN, "refresh", "--extracts", extracts, "--warehouse", warehouse, "--as-of", AS_OF]
                if url:
                    command += ["--engine", "spark", "--spark-url", url, "--spark-storage", Path(scratch, "storage")]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(done.stderr)
                ends.append(time.time())
                times = next(line for line in done.stdout.splitlines() if line.startswith("time "))
                used = resource.getrusage(resource.RUSAGE_CHILDREN)
                own = ("refresh", used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime)
                so_far = [f"{name} {cpu:.0f} s, {gib:.1f} GiB" for name, gib, cpu in [own, *_jvms(Path(scratch))]]
                print(
                    f"{customers:>11,} customers, {workers} workers, {run} refresh:"
                    f" {times.removeprefix('time').strip()}"
                )
                print(f"{'':>11} CPU and peak so far: {'; '.join(so_far)}", flush=True)
        if not workers:
            return
        for folder in ("raw", "built"):
            size = sum(file.stat().st_size for file in Path(scratch, "storage", folder).rglob("*.parquet"))
            print(f"{'':>11} storage/{folder}: {size / 2**20:,.0f} MiB")
        begin = 0.0
        for run, end in zip(("first", "second"), ends, strict=True):
            print(f"{'':>11} {run} refresh, all tasks: {_tasks(events, begin, end)}")
            begin = end


def _tasks(events: Path, begin: float, end: float) -> str:
    """What the tasks that finished between two moments have taken and shuffled. (What they read from a local disk,
    Spark does not count.)"""
    count, cpu, shuffled, spilled = 0, 0.0, 0, 0
    for line in next(events.iterdir()).read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["Event"] == "SparkListenerTaskEnd" and begin < event["Task Info"]["Finish Time"] / 1000 <= end:
            metrics = event["Task Metrics"]
            count += 1
            cpu += metrics["Executor CPU Time"] / 1e9
            shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
            spilled += metrics["Disk Bytes Spilled"]
    mib = 2**20
    return f"{count:,} tasks, {cpu:.0f} s of CPU, {shuffled / mib:,.0f} MiB shuffled, {spilled / mib:,.0f} MiB spilled"


def _jvms(scratch: Path) -> list[tuple[str, float, float]]:
    """The Thrift server and each executor of the cluster in `scratch`, with the most memory that they have had, in GiB,
    and the CPU seconds that they took."""
    names = {b"HiveThriftServer2": "Thrift server", b"CoarseGrainedExecutorBackend": "executor"}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, place = (process / "cmdline").read_bytes(), (process / "cwd").readlink()
            status, stat = (process / "status").read_text(), (process / "stat").read_text()
        except OSError:  # it has ended, or is somebody else's
            continue
        for sign, name in names.items():
            if sign in command and place.is_relative_to(scratch):
                kib = int(status.partition("VmHWM:")[2].split()[0])
                ticks = sum(map(int, stat.rpartition(")")[2].split()[11:13]))
                found.append((name, kib / 2**20, ticks / os.sysconf("SC_CLK_TCK")))
    return sorted(found)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
