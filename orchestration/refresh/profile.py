"""What a refresh costs: seconds, rows and memory of each of its stages, and of each table that it builds."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.transform.project import UNCHANGED, manifest

if TYPE_CHECKING:
    import duckdb
    from dbt.artifacts.schemas.results import NodeResult

ALL = "all"  # the step that stands for the whole stage
DATA_TESTS = "data tests"
_PAUSE = 0.05  # seconds between two looks at the memory


@dataclass
class Cost:
    """What a step of a stage took."""

    stage: str
    step: str
    seconds: float
    rows: int | None
    peak_bytes: int
    is_built: bool | None = None  # of a table: false where the same would have come out


class Profile:
    """Collects costs while a refresh runs; a thread looks at the memory of the process meanwhile."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self._kept = 0
        self._moments: list[float] = []
        self._memory: list[int] = []
        self._ended = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the memory of the process."""
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            yield
        finally:
            self._ended.set()
            watch.join()

    @contextmanager
    def stage(self, name: str) -> Iterator[Cost]:
        """Everything within belongs to this stage; whoever knows its rows enters them."""
        began, cost = time.time(), Cost(name, ALL, 0, None, 0)
        yield cost
        ended = time.time()
        cost.seconds, cost.peak_bytes = ended - began, max(self._peak(began, ended), _resident())
        self.costs.append(cost)

    def built(self, stage: str, results: list[NodeResult], counts: Mapping[str, int]) -> None:
        """What dbt's nodes took: each table by itself, its rows as counted, and the data tests together."""
        tests = Cost(stage, DATA_TESTS, 0, None, 0)
        for result in results:
            peak = self._peak(*_span(result))
            if result.node.resource_type == "test":
                tests.seconds += result.execution_time
                tests.peak_bytes = max(tests.peak_bytes, peak)
            else:
                node = manifest()["nodes"][result.node.unique_id]  # as named on any engine
                table = f"{node['schema']}.{node['alias']}"
                is_built = result.adapter_response.get("code") != UNCHANGED
                self.costs.append(Cost(stage, table, result.execution_time, counts.get(table), peak, is_built))
        self.costs.append(tests)

    def keep(self, con: duckdb.DuckDBPyConnection, refresh_id: str) -> None:
        """Enter what is new into quality.refresh_profile."""
        rows = [(refresh_id, *astuple(cost)) for cost in self.costs[self._kept :]]
        if rows:
            con.executemany("insert into quality.refresh_profile values (?, ?, ?, ?, ?, ?, ?)", rows)
            self._kept += len(rows)

    def lines(self) -> Iterator[str]:
        """The costs as a table: the stages in their order, under each its steps, the slowest first."""
        width = max((len(cost.step) for cost in self.costs), default=0) + 2
        yield f"{'':{width}}  seconds          rows  peak memory"
        for stage in dict.fromkeys(cost.stage for cost in self.costs):
            own = [cost for cost in self.costs if cost.stage == stage]
            for cost in sorted(own, key=lambda cost: (cost.step != ALL, -cost.seconds)):
                name = stage if cost.step == ALL else f"  {cost.step}"
                rows = "" if cost.rows is None else f"{cost.rows:,}"
                built = "  unchanged" if cost.is_built is False else ""
                yield f"{name:{width}}  {cost.seconds:7.2f}  {rows:>12}  {cost.peak_bytes / 2**20:8,.0f} MB{built}"

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE):
            self._moments.append(time.time())
            self._memory.append(_resident())

    def _peak(self, began: float, ended: float) -> int:
        """The most memory that was seen between two moments; what is shorter than the pause has the looks around it."""
        first = max(bisect_right(self._moments, began) - 1, 0)
        seen = self._memory[first : bisect_left(self._moments, ended) + 1]
        return max(seen, default=0) or _resident()


def _span(result: NodeResult) -> tuple[float, float]:
    """When a node began and ended; dbt says so in UTC, without naming it."""
    moments = [
        moment.replace(tzinfo=UTC).timestamp()
        for timing in result.timing
        for moment in (timing.started_at, timing.completed_at)
        if moment
    ]
    return min(moments, default=0), max(moments, default=0)


def _resident() -> int:
    """Bytes of memory that the process holds; where the system doesn't say so, the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
