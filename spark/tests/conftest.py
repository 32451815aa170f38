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


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")
