"""The invented company of `benchmarks.extracts` on Spark or DuckDB: what each stage of a refresh takes.

    PYTHONPATH=. .venv-spark/bin/python -m benchmarks.spark CUSTOMERS WORKERS [csv|parquet] [MEMORY] [REFRESHES]

WORKERS have one core each; they and the Thrift server have a heap of MEMORY (2g). 0 is DuckDB alone. The first refresh
is into an empty folder, each other one of REFRESHES (2) after 0.1 % new and changed rows, for which Spark builds
everything again. Of each, in Markdown: by stage, seconds by the clock, CPU seconds and the most memory of each kind of
process, and what Spark's own counters say that its tasks read, shuffled and spilled; the same counters for the models
that took most. A cluster of one machine shows what Spark costs, not what many machines bring.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.extracts import AS_OF, write_changes, write_extracts
from spark.cluster import cluster

CHURN = Path(sys.executable).with_name("churn")
# Spark's own, in place of those for small companies.
SETTINGS = {
    "spark.driver.extraJavaOptions": "",
    "spark.executor.extraJavaOptions": "",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.shuffle.partitions": "8",
    # Bytes that are read by several threads at once are missing in Spark's counters.
    "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",
}
REFRESH, SERVER, EXECUTOR = "refresh", "Thrift server", "executor"
PAUSE = 0.25  # seconds between two looks at the processes
HEAVIEST = 12
GIB, MIB = 2**30, 2**20
_STAGE = re.compile(r"([a-z][a-z ]*): [\d.]+ s\n")
_NODE = re.compile(r'"node_id": "(\w+)\.\w+\.([^"]+)"')


@dataclass
class Use:
    """CPU seconds of the processes of a kind, and the memory of the largest one in bytes."""

    cpu: float = 0
    memory: int = 0


@dataclass
class Stage:
    """A stage of a refresh: when it began and ended, and what its processes took."""

    name: str
    began: float
    ended: float = 0
    uses: dict[str, Use] = field(default_factory=lambda: defaultdict(Use))


@dataclass
class Tasks:
    """What tasks of Spark took, in seconds and bytes."""

    count: int = 0
    cpu: float = 0
    read: int = 0
    shuffled: int = 0
    spilled: int = 0

    def add(self, event: dict) -> None:
        metrics = event.get("Task Metrics") or {}  # a task that was lost has none
        if metrics:
            self.count += 1
            self.cpu += metrics["Executor CPU Time"] / 1e9
            self.read += metrics["Input Metrics"]["Bytes Read"]
            self.shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
            self.spilled += metrics["Disk Bytes Spilled"]

    def cells(self) -> list[str]:
        amounts = (f"{amount / MIB:,.0f}" for amount in (self.read, self.shuffled, self.spilled))
        return [f"{self.count:,}", f"{self.cpu:,.1f}", *amounts]


def main(customers: int, workers: int, form: str = "csv", memory: str = "2g", refreshes: str = "2") -> None:
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as folder:
        scratch = Path(folder)
        write_extracts(scratch / "extracts", customers, form)
        size = sum(file.stat().st_size for file in (scratch / "extracts").rglob(f"*.{form}"))
        engine = f"Spark, {workers} workers of one core and {memory}" if workers else "DuckDB"
        print(f"{customers:,} customers, {size / MIB:,.0f} MiB of {form}, on {engine}")
        (scratch / "events").mkdir()
        logged = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": str(scratch / "events")}
        logged |= {"spark.eventLog.rolling.enabled": "false", "spark.eventLog.compress": "false"}
        spark = cluster(scratch / "cluster", workers, memory, server_memory=memory, settings=SETTINGS | logged)
        with spark if workers else nullcontext() as running:
            kinds = [REFRESH, SERVER, EXECUTOR] if workers else [REFRESH]
            for day in range(int(refreshes)):
                if day:
                    write_changes(scratch / "extracts", customers, form, day)
                stages = refresh(scratch, running and running.url)
                print(f"\n{'refresh after 0.1 % new and changed rows' if day else 'first refresh'}\n")
                print_table(kinds, stages, scratch / "events")
        for place in ("raw", "built", "delivered") if workers else ():
            size = sum(file.stat().st_size for file in (scratch / "storage" / place).rglob("*.parquet"))
            print(f"storage/{place}: {size / MIB:,.0f} MiB")


def refresh(scratch: Path, url: str | None) -> list[Stage]:
    """Refresh the warehouse, on Spark if there is a URL, and watch it."""
    command = [CHURN, "refresh", "--extracts", scratch / "extracts", "--warehouse", scratch / "warehouse"]
    command += ["--as-of", AS_OF]
    if url:
        command += ["--engine", "spark", "--spark-url", url, "--spark-storage", scratch / "storage"]
    stages = [Stage("", time.time())]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        looks = [look(process.pid, scratch)]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(PAUSE):
                looks.append(look(process.pid, scratch))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            for line in process.stderr or ():
                said.append(line)
                if stage := _STAGE.fullmatch(line):
                    looks.append(look(process.pid, scratch))
                    stages[-1].name, stages[-1].ended = stage[1], looks[-1].moment
                    stages.append(Stage("", looks[-1].moment))
        finally:
            ended.set()
            watching.join()
    if process.returncode:
        sys.exit("".join(said))
    looks.sort(key=lambda one: one.moment)
    for stage in stages[:-1]:
        within = [one for one in looks if stage.began <= one.moment <= stage.ended]
        for kind in within[-1].uses:
            use = stage.uses[kind]
            use.cpu = within[-1].uses[kind].cpu - within[0].uses[kind].cpu
            use.memory = max(one.uses[kind].memory for one in within)
    return stages[:-1]


@dataclass
class Look:
    """What processes held at a moment, and had taken by then."""

    moment: float
    uses: dict[str, Use]


def look(session: int, scratch: Path) -> Look:
    """At the processes of a refresh, which leads a session, and at those of the cluster in `scratch`."""
    found = Look(time.time(), defaultdict(Use))
    for kind, memory, cpu in _processes(session, scratch):
        found.uses[kind].cpu += cpu
        found.uses[kind].memory = max(found.uses[kind].memory, memory)
    return found


def _processes(session: int, scratch: Path) -> Iterator[tuple[str, int, float]]:
    """Kind, bytes of memory and CPU seconds; of children that have ended, their parent has the seconds."""
    signs = {b"HiveThriftServer2": SERVER, b"CoarseGrainedExecutorBackend": EXECUTOR}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session:
                kind = REFRESH
            else:
                command = (process / "cmdline").read_bytes()
                kind = next((kind for sign, kind in signs.items() if sign in command), "")
                if not kind or not (process / "cwd").readlink().is_relative_to(scratch):
                    continue
        except OSError:  # it has ended, or is somebody else's
            continue
        pages, ticks = int(stat[21]), sum(map(int, stat[11:15]))
        yield kind, pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def print_table(kinds: list[str], stages: list[Stage], events: Path) -> None:
    """The stages of a refresh, and the models that took most of Spark's tasks."""
    by_stage, by_node = tasks(events, stages)
    head = ["stage", "seconds", *(f"CPU s, {kind}" for kind in kinds), *(f"peak GiB, {kind}" for kind in kinds)]
    counted = ["tasks", "CPU s of tasks", "MiB read", "MiB shuffled", "MiB spilled"]
    rows = []
    for stage in stages:
        seconds = f"{stage.ended - stage.began:,.1f}"
        cpu = [f"{stage.uses[kind].cpu:,.1f}" for kind in kinds]
        memory = [f"{stage.uses[kind].memory / GIB:.1f}" for kind in kinds]
        rows.append([stage.name, seconds, *cpu, *memory, *(by_stage[stage.name].cells() if SERVER in kinds else [])])
    cpu = [f"{sum(stage.uses[kind].cpu for stage in stages):,.1f}" for kind in kinds]
    memory = [f"{max(stage.uses[kind].memory for stage in stages) / GIB:.1f}" for kind in kinds]
    total = [f"{stages[-1].ended - stages[0].began:,.1f}", *cpu, *memory]
    rows.append(["all", *total, *(total_of(by_stage.values()).cells() if SERVER in kinds else [])])
    print_rows([*head, *(counted if SERVER in kinds else [])], rows)
    if SERVER in kinds:
        print()
        heaviest = sorted(by_node, key=lambda node: -by_node[node].cpu)[:HEAVIEST]
        kept = {kind: total_of(tasks for node, tasks in by_node.items() if node[0] == kind) for kind, _ in by_node}
        rows = [[name, *by_node[kind, name].cells()] for kind, name in heaviest]
        print_rows(["node", *counted], rows + [[f"all: {kind}", *found.cells()] for kind, found in kept.items()])


def print_rows(head: list[str], rows: list[list[str]]) -> None:
    for row in (head, ["---", *["--:"] * (len(head) - 1)], *rows):
        print(f"| {' | '.join(row)} |", flush=True)


def total_of(tasks: Iterable[Tasks]) -> Tasks:
    total = Tasks()
    for one in tasks:
        for name, amount in vars(one).items():
            setattr(total, name, getattr(total, name) + amount)
    return total


def tasks(events: Path, stages: list[Stage]) -> tuple[dict[str, Tasks], dict[tuple[str, str], Tasks]]:
    """Spark's tasks of a refresh by its stages, and by what dbt ran: kind (model, test, …) and name."""
    by_stage: dict[str, Tasks] = defaultdict(Tasks)
    by_node: dict[tuple[str, str], Tasks] = defaultdict(Tasks)
    nodes: dict[int, tuple[str, str]] = {}
    for log in events.iterdir():
        with log.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):  # Spark is writing it
                    break
                event = json.loads(line)
                if event["Event"] == "SparkListenerJobStart":
                    node = _NODE.search(event["Properties"].get("spark.job.description", ""))
                    nodes |= dict.fromkeys(event["Stage IDs"], (node[1], node[2]) if node else ("other", "other"))
                elif event["Event"] == "SparkListenerTaskEnd":
                    moment = event["Task Info"]["Finish Time"] / 1000
                    for stage in stages:
                        if stage.began < moment <= stage.ended:
                            by_stage[stage.name].add(event)
                            by_node[nodes[event["Stage ID"]]].add(event)
    return by_stage, by_node


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
