"""A Spark cluster on this machine's loopback: a master, workers and the Thrift server, all out of the pyspark package.

For trying Spark and for the tests; a company that needs Spark has a cluster of its own. Everything that was started is
stopped again, and its files lie in one folder. `python -m spark.cluster` says what this machine lacks for one.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration.errors import EnvironmentFailure

JAVA = 17
# The server reads the extracts of small companies here: two tasks are enough, and more cost more than they save.
_SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # What nobody looks at: what goes well, pages, and plans in words.
    "spark.log.level": "WARN",
    "spark.ui.enabled": "false",
    "spark.ui.liveUpdate.period": "-1",
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.maxPlanStringLength": "100",
    # The time of small companies goes into planning and into compiling what then runs for a moment.
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
    "spark.executor.extraJavaOptions": "-XX:+UseSerialGC",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    # Spark's own catalog: 40 % of the server's time went into a Hive metastore for these few tables.
    "spark.sql.catalogImplementation": "in-memory",
}


def missing() -> str | None:
    """What this machine lacks for a cluster, in words; None when it lacks nothing."""
    java = shutil.which("java")
    if not java:
        return f"there is no java on the PATH; Spark needs Java {JAVA}"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = said.partition('"')[2].partition(".")[0].partition('"')[0]
    if not version.isdigit() or int(version) < JAVA:
        return f"java is version {version or 'unknown'}; Spark needs Java {JAVA}"
    if _free_memory() < 6 * 2**30:
        return "less than 6 GB of memory are free"
    return None


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs: the URL of its Thrift server, and how to start that again, once it was lost."""

    url: str
    start_server: Callable[[], None]


@contextmanager
def cluster(
    folder: Path,
    workers: int = 2,
    memory: str = "1g",
    server_memory: str = "1536m",
    cores: int = 1,
    settings: dict[str, str] | None = None,
    launcher: Sequence[str] = (),
) -> Iterator[Cluster]:
    """A cluster whose files lie in `folder`. Workers have `cores` and a heap of `memory` each, the Thrift server has
    `server_memory`. `launcher` is a command that starts the command after it, as nice does."""
    from pyspark.find_spark_home import _find_spark_home

    home = Path(_find_spark_home())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for log in folder.glob("*.log"):  # of an earlier cluster
        log.unlink()
    master, thrift = free_port(), free_port()
    settings = {
        **_SETTINGS,
        "spark.executor.memory": memory,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        **(settings or {}),
    }
    properties = folder / "spark.conf"
    properties.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "SPARK_DAEMON_MEMORY": server_memory,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }
    start = [*launcher, f"{home}/bin/spark-class"]
    where = ["--host", "127.0.0.1", "--webui-port", "0"]
    small = {**environment, "SPARK_DAEMON_MEMORY": "256m"}
    with _interruptible(), ExitStack() as stack:

        def run(name: str, command: list[str], environment: dict[str, str], port: int | None) -> None:
            stack.enter_context(_running(name, command, environment, folder, port))

        run("master", [*start, "org.apache.spark.deploy.master.Master", *where, "--port", str(master)], small, master)
        for number in range(1, workers + 1):
            work = ["--cores", str(cores), "--memory", memory, "--work-dir", str(folder / f"work{number}")]
            worker = "org.apache.spark.deploy.worker.Worker"
            run(f"worker{number}", [*start, worker, *where, *work, f"spark://127.0.0.1:{master}"], small, None)
        server = [*launcher, f"{home}/bin/spark-submit", "--master", f"spark://127.0.0.1:{master}"]
        server += ["--properties-file", str(properties)]
        server += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
        server += ["--hiveconf", f"hive.server2.thrift.port={thrift}"]
        server += ["--hiveconf", "hive.server2.thrift.bind.host=127.0.0.1"]
        # By default each statement gets a new thread, which reads Hive's configuration anew: half of the server's time
        server += ["--hiveconf", "hive.server2.async.exec.threads=8"]
        server += ["--hiveconf", "hive.server2.async.exec.keepalive.time=3600s"]

        def start_server() -> None:
            run("thriftserver", server, environment, thrift)

        start_server()
        yield Cluster(f"thrift://127.0.0.1:{thrift}", start_server)


@contextmanager
def _interruptible() -> Iterator[None]:
    """The first signal to stop, or the end of the terminal, is a KeyboardInterrupt here: all that was started is
    stopped, which later ones must not disturb. Processes in sessions of their own would outlive this one otherwise."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def interrupt(*_: object) -> None:
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _running(
    name: str, command: list[str], environment: dict[str, str], folder: Path, port: int | None
) -> Iterator[None]:
    """A process with its children, until the end; ready when it listens on `port`."""
    log = folder / f"{name}.log"
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, cwd=folder, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while port and not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise EnvironmentFailure(f"Spark's {name} did not start; {log} says why.")
            time.sleep(0.2)
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """End a process and what it started: the group that it leads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def free_port() -> int:
    """A port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_memory() -> int:
    """Bytes of memory that a new process may have."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(missing())
