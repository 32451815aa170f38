"""What a refresh costs, side by side with what people would use instead, on the extracts of an invented company:

    make bench SIZE=medium

Every contender runs in a process of its own, one after the other and round by round, so that a machine that gets
slower slows all of them. What each calculates is compared with the marts before its time counts. The results go to
`benchmarks/RESULTS.md`, one section for each size and format; nothing is asserted about time, and no test runs this.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.extracts import AS_OF, write_changes, write_extracts

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
OURS, THEIRS = Path(sys.executable), ROOT / ".venv-bench" / "bin" / "python"
SIZES = {"small": (10_000, 5), "medium": (100_000, 5), "large": (1_000_000, 3)}  # customers, rounds
FORMATS = ("csv", "parquet")

# The marts' own words for what the peers calculate; a cohort has no row in a peer's table where nothing is left of it.
MARTS = {
    "spell": "select customer_id, started_on, ended_on from marts.fct_customer_spells",
    "movement": "select customer_id, occurred_on, mrr_change, mrr_after from marts.fct_mrr_movements",
    "churn": """
        select period_start, customers_at_start, customers_lost
        from marts.churn_rates where period_grain = 'month' and segment_type = 'all'""",
    "cohort": """
        select cohort_start, age, customers_active, revenue
        from marts.cohort_retention
        where cohort_grain = 'month' and segment_type = 'all' and (customers_active <> 0 or revenue <> 0)""",
    "mrr": """
        select period_start, mrr_new, mrr_reactivated, mrr_expanded, mrr_contracted, mrr_churned
        from marts.revenue_retention where period_grain = 'month' and segment_type = 'all'""",
}
SAME_OUTPUTS = ("fct_customer_spells", "fct_mrr_movements", "churn_rates", "cohort_retention")
CALENDAR_OUTPUTS = ("churn_rates", "revenue_retention")


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds by the clock and of CPU, and MiB of its largest process."""

    seconds: float
    cpu: float
    memory: float


def main(size: str, form: str) -> None:
    if size not in SIZES or form not in FORMATS:
        sys.exit(f"SIZE must be one of {', '.join(SIZES)}, FORMAT one of {', '.join(FORMATS)}.")
    customers, rounds = SIZES[size]
    loads = [os.getloadavg()[0]]
    costs: dict[str, list[Cost]] = defaultdict(list)
    stages: dict[str, list[float]] = defaultdict(list)
    tests: list[float] = []
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as scratch:
        extracts, warehouse, out = (Path(scratch, name) for name in ("extracts", "warehouse", "out"))
        write_extracts(extracts, customers, form)
        size_of_extracts = bytes_in(extracts)
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            shutil.rmtree(warehouse, ignore_errors=True)
            full, times = refresh(extracts, warehouse)
            costs["refresh"].append(full)
            for stage, seconds in times.items():
                stages[stage].append(seconds)
            costs["refresh, nothing new"].append(refresh(extracts, warehouse)[0])
            costs["floor"].append(peer("floor", extracts, out / "floor"))
            for name in ("in_duckdb", "in_polars", "in_pandas"):
                costs[name].append(peer(name, extracts, out / name))
                compare(out / name, warehouse)
            costs["calendar"].append(peer("calendar", out / "floor" / "floor.duckdb", out / "calendar"))
            compare(out / "calendar", warehouse)
            costs["models: same outputs"].append(models(warehouse, SAME_OUTPUTS))
            costs["models: calendar's outputs"].append(models(warehouse, CALENDAR_OUTPUTS))
            costs["imports"].append(run([str(OURS), "-c", "import dagster, dbt.cli.main"])[0])
            costs["ten queries"].append(self_timed([str(OURS), "-m", "benchmarks.queries", str(warehouse)]))
            tests.append(data_tests(warehouse))
        size_of_warehouse = bytes_in(warehouse)
        for day in range(1, rounds + 1):
            say(f"changes {day} of {rounds}")
            write_changes(extracts, customers, form, day)
            costs["refresh, 0.1 % new and changed"].append(refresh(extracts, warehouse)[0])
    loads.append(os.getloadavg()[0])
    stages["data tests"] = tests
    kept = section(size, form, customers, rounds, costs, stages, size_of_extracts, size_of_warehouse, loads)
    write_results(f"{size}, {form}", kept)
    print(kept)


def refresh(extracts: Path, warehouse: Path) -> tuple[Cost, dict[str, float]]:
    """The cost of a refresh and the seconds of its stages, of which one with nothing new has none."""
    command = [str(OURS.with_name("churn")), "refresh", "--extracts", str(extracts), "--warehouse", str(warehouse)]
    cost, said = run([*command, "--as-of", AS_OF])
    told = "".join(line.removeprefix("time ") for line in said.splitlines() if line.startswith("time "))
    times = re.findall(r"([a-z][a-z ]*) ([\d.]+) s", told)
    return cost, {stage.strip(): float(seconds) for stage, seconds in times}


def data_tests(warehouse: Path) -> float:
    """Seconds of all data tests of the last whole refresh, as if none had run beside another thing."""
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        [(seconds,)] = con.execute(
            "select sum(seconds) from quality.refresh_profile where step = 'data tests'"
            " and refresh_id = (select max(refresh_id) from quality.refresh_profile)"
        ).fetchall()
    return seconds


def peer(name: str, source: Path, out: Path) -> Cost:
    return self_timed([str(THEIRS), "-m", f"benchmarks.peers.{name}", str(source), str(out)])


def models(warehouse: Path, names: tuple[str, ...]) -> Cost:
    return self_timed([str(OURS), "-m", "benchmarks.models", str(warehouse), *names])


def self_timed(command: list[str]) -> Cost:
    """The cost of a program that prints, at its end, the seconds of what it is measured for."""
    cost, said = run(command)
    return Cost(float(said.split()[-1]), cost.cpu, cost.memory)


def run(command: list[str]) -> tuple[Cost, str]:
    """The cost of a program and what it printed; the end where it fails."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        started = time.perf_counter()
        environment = os.environ | {"PYTHONPATH": "."}
        process = subprocess.Popen(command, stdout=said, stderr=complained, cwd=ROOT, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (said, complained):
            file.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{complained.read()}")
        return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), said.read()


def compare(out: Path, warehouse: Path) -> None:
    """Stop where a peer's table differs from the mart: a time for other numbers is worth nothing. In a process of its
    own: a program that is started counts what the starting one has ever held as memory of its own."""
    process = get_context("spawn").Process(target=_compare, args=(out, warehouse))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def _compare(out: Path, warehouse: Path) -> None:
    with duckdb.connect(str(warehouse / "churn.duckdb"), read_only=True) as con:
        for file in sorted(out.glob("*.parquet")):
            con.execute(f"create or replace temp view ours as {MARTS[file.stem]}")
            types = con.execute("select column_name, column_type from (describe ours)").fetchall()
            columns = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in types)
            con.execute(f"create or replace temp view theirs as select {columns} from '{file}'")
            for one, other in (("ours", "theirs"), ("theirs", "ours")):
                differing = con.sql(f"from {one} except all from {other}")
                if count := len(differing):
                    example = dict(zip(differing.columns, differing.limit(1).fetchone() or (), strict=True))
                    sys.exit(f"{out.name}: {count} rows of {file.stem} are only in {one}, for example {example}.")


def section(
    size: str,
    form: str,
    customers: int,
    rounds: int,
    costs: dict[str, list[Cost]],
    stages: dict[str, list[float]],
    size_of_extracts: int,
    size_of_warehouse: int,
    loads: list[float],
) -> str:
    """The results of one size and format in Markdown."""
    seconds = {name: median(cost.seconds for cost in found) for name, found in costs.items()}
    peak = {name: median(cost.memory for cost in found) for name, found in costs.items()}
    stage = {name: median(found) for name, found in stages.items()}
    tests = stage.pop("data tests")
    total = sum(stage.values())
    reading = sum(found for name, found in stage.items() if name in ("load extracts", "stage and audit"))
    same, refreshed = reading + seconds["models: same outputs"], seconds["refresh"]
    gates = sum(found for name, found in stage.items() if name.startswith("judge"))
    ratios = {
        "refresh ÷ floor": refreshed / seconds["floor"],
        "calendar ÷ our models, same outputs from loaded tables": (
            seconds["calendar"] / seconds["models: calendar's outputs"]
        ),
        "DuckDB by hand ÷ ours, same outputs from files": seconds["in_duckdb"] / same,
        "polars ÷ ours, same outputs from files": seconds["in_polars"] / same,
        "pandas ÷ ours, same outputs from files": seconds["in_pandas"] / same,
        "refresh after 0.1 % new and changed rows ÷ refresh": (seconds["refresh, 0.1 % new and changed"] / refreshed),
        "refresh with nothing new ÷ refresh": seconds["refresh, nothing new"] / refreshed,
        "refresh with nothing new ÷ imports": seconds["refresh, nothing new"] / seconds["imports"],
        "both gates and all data tests ÷ the refresh's stages": (gates + tests) / total,
        f"warehouse folder ÷ {form}": size_of_warehouse / size_of_extracts,
    }
    lines = [
        (
            f"`make bench SIZE={size} FORMAT={form}`, {datetime.now(UTC):%Y-%m-%d}: {customers:,} customers,"
            f" {size_of_extracts / 1e6:,.0f} MB of {form}, median of {rounds}."
        ),
        f"{machine()}; load average {loads[0]:.1f} before and {loads[1]:.1f} after (this run alone makes about 2).",
        "",
        "| | seconds | from – to | CPU seconds | peak MiB |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, found in costs.items():
        if name == "ten queries":
            continue
        times = [cost.seconds for cost in found]
        cpu = median(cost.cpu for cost in found)
        lines.append(
            f"| {name.replace('in_', '')} | {seconds[name]:.1f} | {min(times):.1f} – {max(times):.1f} | {cpu:.1f} |"
            f" {peak[name]:,.0f} |"
        )
    lines += ["", f"Stages of the refresh: {', '.join(f'{name} {found:.1f} s' for name, found in stage.items())}."]
    lines.append(f"Data tests, within these, two at a time: {tests:.1f} s.")
    lines += [f"Ten queries of the published file, median: {seconds['ten queries'] * 1000:.1f} ms.", ""]
    lines += ["| | ratio |", "|---|--:|", *(f"| {name} | {ratio:.2f} |" for name, ratio in ratios.items())]
    return "\n".join(lines)


def machine() -> str:
    """This machine as far as it matters for a time: nothing that names it."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    processor = model.group(1) if model else platform.machine()
    versions = subprocess.run(
        [THEIRS, "-c", "import pandas, polars; print('polars', polars.__version__ + ', pandas', pandas.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return (
        f"{len(os.sched_getaffinity(0))} cores of {processor}, {memory:.0f} GiB of memory,"
        f" Python {platform.python_version()}, DuckDB {version('duckdb')}, {versions}"
    )


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def write_results(title: str, text: str) -> None:
    """Replace the section of that title, or add it."""
    introduction, *sections = re.split(r"^## ", RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {one.partition("\n")[0]: one.partition("\n")[2].strip() for one in sections}
    found[title] = text
    body = "".join(f"\n## {name}\n\n{found[name]}\n" for name in found)
    RESULTS.write_text(introduction.strip() + "\n" + body, encoding="utf-8")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
