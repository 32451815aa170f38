"""A Spark cluster of `.venv-spark` on the loopback, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spark.cluster import cluster, missing


@pytest.fixture(scope="session")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def spark(cluster_folder: Path) -> Iterator[str]:
    """The URL of its Thrift server."""
    if lack := missing():
        pytest.skip(lack)
    with cluster(cluster_folder) as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """What the server has logged of errors goes under a failure: a refresh names only the kind of an error."""
    report = yield
    if report.failed and (folder := item.funcargs.get("cluster_folder")):
        lines = (folder / "thriftserver.log").read_text(encoding="utf-8", errors="replace").splitlines()
        logged = [line[:500] for line in lines if "Exception" in line or "Caused by" in line or " ERROR " in line]
        report.sections.append(("Errors in the log of Spark's server", "\n".join(logged[-50:])))
    return report


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")
