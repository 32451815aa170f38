"""The cluster of `make spark` leaves nothing behind, tried with processes that only listen in place of Spark's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Listens on the port that Spark's process would, and has a child as those have.
PROCESS = f"""#!{sys.executable}
import re, socket, subprocess, sys
subprocess.Popen(["sleep", "600"])
ports = re.findall(r"(?:--port |thrift.port=)([0-9]+)", " ".join(sys.argv))
listening = [socket.create_server(("127.0.0.1", int(port))) for port in ports]
subprocess.run(["sleep", "600"])
"""
PROGRAM = """
import sys, time
from pathlib import Path
from spark.cluster import cluster
with cluster(Path(sys.argv[1])) as running:
    print(running.url, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def pyspark(tmp_path: Path) -> Path:
    """A folder with a package of that name, whose Spark is in `home`."""
    package, home = tmp_path / "packages" / "pyspark", tmp_path / "home" / "bin"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "find_spark_home.py").write_text(f"def _find_spark_home(): return {str(home.parent)!r}\n")
    home.mkdir(parents=True)
    for name in ("spark-class", "spark-submit"):
        (home / name).write_text(PROCESS)
        (home / name).chmod(0o755)
    return package.parent


def processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end meanwhile
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
    return found


def await_processes(count: int, folder: Path) -> None:
    deadline = time.monotonic() + 20
    while len(processes_in(folder)) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(processes_in(folder)) == count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_stops_all_that_was_started(pyspark, tmp_path, number) -> None:
    environment = os.environ | {"PYTHONPATH": f"{pyspark}:{ROOT}"}
    folder = tmp_path / "cluster"
    command = [sys.executable, "-c", PROGRAM, folder]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell's background job ignores some
    ) as process:
        assert process.stdout and process.stdout.readline().startswith("thrift://127.0.0.1:")
        await_processes(4 * 3, folder)  # master, two workers and the server, with two children each
        process.send_signal(number)
        process.wait(60)
    assert process.returncode != 0
    assert processes_in(folder) == []
