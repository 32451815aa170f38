"""A Postgres for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.connect import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: make connect")
    if postgres.binaries() is None:
        pytest.skip("no server of Postgres is installed: apt-get install postgresql")
    with postgres.serving() as address:
        yield address


@pytest.fixture
def database(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new database."""
    import psycopg

    name = f"of_{abs(hash(request.node.name))}"
    with psycopg.connect(postgres_server, autocommit=True) as con:
        con.execute(f'create database "{name}"')
    yield postgres_server.removesuffix("postgres") + name
