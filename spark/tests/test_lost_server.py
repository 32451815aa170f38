"""A server that is lost while a company is refreshed on it."""

from __future__ import annotations

from functools import partial

from spark.tests.companies import SERVER, lose
from spark.tests.compare import exports
from tests.faults.test_refresh import at


def test_a_lost_server_ends_with_a_sentence(random_company, running, cluster_folder, request) -> None:
    """Before all others, which would have to wait until the new one has loaded and compiled what they need."""
    company, before = random_company, exports(random_company.by_spark)
    fault = at("stage and audit", 3, partial(lose, cluster_folder, SERVER))
    done = company.refresh(company.by_spark, *company.engine, prepare=fault)
    assert done.code == 4
    assert "the connection to Spark was lost" in done.err
    assert exports(company.by_spark) == before
    running.start_server()
    request.getfixturevalue("on_spark")  # beside the tests of the other files
