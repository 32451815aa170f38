"""A Spark cluster of `.venv-spark` on the loopback, for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from orchestration.engines.storage import claim
from orchestration.warehouse.folder import Warehouse
from spark.cluster import Cluster, cluster, missing
from spark.tests.companies import Company, demo_company, fail_once, invented_company, public_company
from tests.golden.test_public_extracts import DATA


@pytest.fixture(scope="session")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def settings_of_the_server() -> dict[str, str]:
    """With any of these Spark would calculate something else than DuckDB, or run out of memory, if a refresh did not
    set it for itself."""
    return {
        "spark.sql.session.timeZone": "Asia/Tokyo",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.decimalOperations.allowPrecisionLoss": "true",
        "spark.sql.caseSensitive": "true",
        "spark.sql.ansi.doubleQuotedIdentifiers": "true",
        "spark.sql.parser.escapedStringLiterals": "true",
        "spark.sql.files.ignoreMissingFiles": "true",
        "spark.sql.files.ignoreCorruptFiles": "true",
        "spark.sql.parquet.datetimeRebaseModeInRead": "LEGACY",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "LEGACY",
        "spark.sql.parquet.int96RebaseModeInRead": "LEGACY",
        "spark.sql.parquet.int96RebaseModeInWrite": "LEGACY",
        "spark.sql.legacy.createHiveTableByDefault": "true",
        "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.CombineUnions",
        "spark.sql.constraintPropagation.enabled": "true",
        "spark.sql.sources.fileCompressionFactor": "1.0",
    }


@pytest.fixture(scope="session")
def by_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Company]]]:
    """A company that is another one each day, and that of the demo. DuckDB refreshes them while the cluster starts and
    the first tests need one core."""
    if lack := missing():
        pytest.skip(lack)
    seed = date.today().toordinal()
    with ThreadPoolExecutor(1) as beside:
        yield {
            "random": beside.submit(invented_company, tmp_path_factory.mktemp(f"seed{seed}x"), seed),
            "demo": beside.submit(demo_company, tmp_path_factory.mktemp("demo")),
        }


@pytest.fixture(scope="session")
def running(cluster_folder: Path, settings_of_the_server: dict[str, str], by_duckdb: object) -> Iterator[Cluster]:
    # Root may read and write anywhere; without these privileges permissions hold for the cluster as for anybody's.
    privileges = "-dac_override,-dac_read_search"
    bound = [] if os.getuid() else ["setpriv", "--inh-caps", privileges, "--bounding-set", privileges]
    settings = settings_of_the_server
    # Of two workers each would load and compile what the tasks need.
    with cluster(cluster_folder, workers=1, cores=2, memory="1536m", settings=settings, launcher=bound) as started:
        yield started


@pytest.fixture(scope="session")
def on_spark(
    by_duckdb, running: Cluster, cluster_folder: Path, storage: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Company]]]:
    """The demo company on Spark, then the public one, beside other tests, which mostly wait. What Spark fails of itself
    is tried once more."""

    def demo() -> Company:
        company = by_duckdb["demo"].result().on(running.url, storage)
        company.published(company.by_spark, *company.engine, prepare=fail_once)
        return company

    with ThreadPoolExecutor(1) as beside:
        companies = {"demo": beside.submit(demo)}
        if DATA.is_dir():
            folder = tmp_path_factory.mktemp("public")
            companies["public"] = beside.submit(public_company, folder, cluster_folder, running.url, storage)
        yield companies


@pytest.fixture(scope="session")
def random_company(by_duckdb: dict[str, Future[Company]], running: Cluster, storage: Path) -> Company:
    """Another company each day, which DuckDB has refreshed."""
    company = by_duckdb["random"].result().on(running.url, storage)
    claim(company.storage, Warehouse(company.by_spark).identity)
    return company


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
