"""Which engine a refresh takes, what it says when that can't work, and what of build.duckdb outlives a change."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from orchestration.engines import DuckDB, EngineSettings, forget_tables, forget_views
from orchestration.engines.spark import Spark
from orchestration.engines.storage import claim, refuse_foreign
from orchestration.errors import UserError
from orchestration.warehouse import connection
from orchestration.warehouse.folder import JOURNALS, Warehouse

SPARK = {"engine": "spark", "spark_url": "thrift://here:10000", "spark_storage": "/storage"}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def test_duckdb_runs_the_models_unless_something_else_is_said(warehouse) -> None:
    found = EngineSettings.of(warehouse, dict.fromkeys(SPARK))
    assert isinstance(found.start(warehouse, "id"), DuckDB)
    found.remember(warehouse)
    assert not warehouse.settings.exists()


@pytest.mark.parametrize(("memory", "side_by_side"), [(2**30, False), (2**32, True)])
def test_on_little_memory_duckdb_builds_one_table_at_a_time(warehouse, monkeypatch, memory, side_by_side) -> None:
    monkeypatch.setattr(connection, "_memory", lambda: memory)
    with DuckDB(warehouse).running() as (output, _):
        assert ("threads" not in output) == side_by_side


def test_a_warehouse_remembers_its_engine_until_another_is_named(warehouse) -> None:
    EngineSettings.of(warehouse, SPARK).remember(warehouse)
    remembered = EngineSettings.of(warehouse, {})
    assert remembered == EngineSettings(**SPARK)
    engine = remembered.start(warehouse, "id")
    assert isinstance(engine, Spark)
    assert (engine.host, engine.port, engine.prefix, engine.storage) == ("here", 10000, "churn_", Path("/storage"))
    EngineSettings.of(warehouse, {"engine": "duckdb"}).remember(warehouse)
    assert EngineSettings.of(warehouse, {}).engine == "duckdb"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("engin: spark\n", "there is no setting 'engin'"),
        ("spark\n", "must hold lines of the form engine: spark"),
        ("engine: sparc\n", "'sparc', but must be duckdb or spark"),
        ("spark_url: 5\n", "settings.yml: spark_url must be a text, not 5. Nothing was changed."),
        ("spark_prefix: null\n", "settings.yml: spark_prefix must be a text, not None. Nothing was changed."),
    ],
)
def test_a_settings_file_that_cannot_be_used_says_why(warehouse, written, told) -> None:
    warehouse.settings.write_text(written, encoding="utf-8")
    with pytest.raises(UserError) as error:
        EngineSettings.of(warehouse, {})
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"spark_url": None}, "needs --spark-url thrift://HOST:PORT"),
        ({"spark_storage": None}, "and --spark-storage DIR"),
        ({"spark_url": "here:10000"}, "write thrift://HOST:PORT"),
        ({"spark_url": "thrift://here:many"}, "write thrift://HOST:PORT"),
        ({"spark_url": "thrift://user:secret@here:1"}, "write thrift://HOST:PORT"),
        ({"spark_storage": "storage"}, "by its whole path"),
        ({"spark_prefix": "Churn-"}, "small letters, digits and underscores"),
    ],
)
def test_settings_of_spark_that_cannot_be_right_say_so(warehouse, changed, told) -> None:
    with pytest.raises(UserError) as error:
        EngineSettings.of(warehouse, SPARK | changed).start(warehouse, "id")
    assert told in str(error.value) and "secret" not in str(error.value)


def test_spark_s_messages_are_cut_to_what_quotes_no_data(warehouse) -> None:
    engine = EngineSettings.of(warehouse, SPARK).start(warehouse, "id")
    cast = (
        "Runtime Error in model x\n  Database Error\n    org.apache.hive.service.cli.HiveSQLException: Error running"
        " query: [CAST_INVALID_INPUT] org.apache.spark.SparkNumberFormatException: [CAST_INVALID_INPUT] The value"
        " '[MARKED_PERSON] IO Error' of the type \"STRING\" cannot be cast"
    )
    assert engine.without_values(cast) == "Spark Error: CAST_INVALID_INPUT"
    full = "Database Error\n java.io.IOException: No space left on device: Marked Person"
    assert engine.without_values(full) == "Spark Error: no space is left on a disk of the cluster or on the storage"
    folder = (
        "Database Error\n org.apache.hive.service.cli.HiveSQLException: Error running query:"
        " org.apache.spark.SparkException: Job aborted: java.io.IOException: Mkdirs failed to create file:/Marked"
    )
    assert "Spark may not write to the storage" in engine.without_values(folder)
    unseen = "Error running query: [UNABLE_TO_INFER_SCHEMA] Unable to infer schema for Parquet at /Marked"
    assert "Spark does not see the storage" in engine.without_values(unseen)
    broadcast = "org.apache.spark.SparkException: OutOfMemoryError: Not enough memory to build and broadcast the table"
    assert "spark.driver.memory" in engine.without_values(broadcast)
    collected = (
        "Total size of serialized results of 8 tasks (1.1 GiB) is bigger than spark.driver.maxResultSize (1024.0 MiB)"
    )
    assert "spark.driver.maxResultSize" in engine.without_values(
        f"org.apache.spark.SparkException: Job aborted: {collected}"
    )
    job = (
        "Database Error\n org.apache.hive.service.cli.HiveSQLException: Error running query:"
        " org.apache.spark.SparkException: Job aborted: java.util.NoSuchElementException: key not found: Marked Person"
    )
    assert engine.without_values(job) == "Spark Error: SparkException, NoSuchElementException"
    assert "Marked" not in engine.without_values("Database Error\n  something about Marked Person")


def failed(name: str) -> SimpleNamespace:
    """A model's result that Spark has no error class for."""
    return SimpleNamespace(node=SimpleNamespace(unique_id=f"model.churn_warehouse.{name}"), message="key not found")


def test_what_spark_fails_of_itself_is_tried_again_without_its_files_but_never_the_history(warehouse, tmp_path) -> None:
    """The rows that were lent to it lie among its files: a second try would find an empty table, and append to that."""
    engine = EngineSettings.of(warehouse, SPARK | {"spark_storage": str(tmp_path)}).start(warehouse, "id")
    folders = {name: engine.built / name for name in ("history/closed_month_versions", "marts/churn_rates")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    assert not engine.can_try_again([failed("closed_month_versions"), failed("churn_rates")])
    assert all(folder.exists() for folder in folders.values())
    assert engine.can_try_again([failed("churn_rates")])
    assert [name for name, folder in folders.items() if folder.exists()] == ["history/closed_month_versions"]


def test_of_what_was_built_only_the_journals_and_the_history_outlive_a_change_of_engine(warehouse) -> None:
    with duckdb.connect() as con:
        con.execute("create schema raw; create schema marts; create schema history; create schema quality")
        con.execute("create table raw.loads (load_id varchar); create view raw.crm__customers as from raw.loads")
        con.execute("create table history.closed_month_versions (x int); create table quality.load_audit (x int)")
        con.execute("create table marts.churn_rates (x int); create view marts.lost_revenue as from marts.churn_rates")
        for journal in JOURNALS:
            journal.create(con)
        forget_views(con)
        forget_tables(con)
        left = "select table_schema || '.' || table_name from information_schema.tables order by all"
        assert [name for (name,) in con.execute(left).fetchall()] == [
            "history.closed_month_versions",
            "quality.check_results",
            "quality.refresh_history",
            "quality.refresh_profile",
            "raw.crm__customers",
            "raw.loads",
        ]


def test_a_storage_is_of_one_warehouse_that_may_be_moved(warehouse, tmp_path) -> None:
    storage = tmp_path / "storage"
    for _ in range(2):
        refuse_foreign(storage, warehouse.identity)
        claim(storage, warehouse.identity)
    assert storage.stat().st_mode & 0o777 == 0o700
    moved = Warehouse(warehouse.folder.rename(tmp_path / "moved"))
    refuse_foreign(storage, moved.identity)

    shutil.copytree(moved.folder, tmp_path / "copy")
    for other in (Warehouse(tmp_path / "copy"), Warehouse(tmp_path / "another")):
        with pytest.raises(UserError, match="belongs to another warehouse, or to the one that this .* is a copy of"):
            refuse_foreign(storage, other.identity)


def test_a_folder_with_files_of_somebody_else_is_no_storage(warehouse, tmp_path) -> None:
    storage = tmp_path / "data"
    refuse_foreign(storage, warehouse.identity)
    (storage / "raw").mkdir(parents=True)
    with pytest.raises(UserError, match=f"no warehouse has marked .* write {warehouse.identity} into {storage}/"):
        refuse_foreign(storage, warehouse.identity)
    claim(storage, warehouse.identity)  # as the message says
    refuse_foreign(storage, warehouse.identity)


def test_duckdb_says_what_spark_has_left(warehouse, tmp_path) -> None:
    storage = tmp_path / "storage"
    engine = EngineSettings.of(warehouse, {"spark_storage": str(storage)}).start(warehouse, "id")
    assert engine.left_over() is None
    claim(storage, warehouse.identity)
    assert f"{storage} still holds what Spark read and built" in engine.left_over()
    claim(storage, Warehouse(tmp_path / "other").identity)
    assert engine.left_over() is None
