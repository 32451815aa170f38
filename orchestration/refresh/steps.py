"""The steps of a refresh in their order: load, build and judge twice, publish.
Dagster's assets run them, `churn check` the first ones."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import expectations
from orchestration.contract.policies import segments
from orchestration.contract.segments import refuse_unknown
from orchestration.contract.tables import contract
from orchestration.errors import EnvironmentFailure, Problem, Refused, UserError
from orchestration.refresh.session import Refresh, explained
from orchestration.transform import passed_tests, project
from orchestration.warehouse import folder, publishing
from orchestration.warehouse.quoting import identifier, quote

if TYPE_CHECKING:
    import duckdb
    from dbt.artifacts.resources import TestConfig
    from dbt.artifacts.schemas.results import NodeResult
    from dbt.contracts.graph.nodes import GenericTestNode

    from expectations import CheckResult, Gate
    from orchestration.engines import Engine
    from orchestration.loading import LoadReport

_SEVERITY = {"ERROR": "critical", "WARN": "warning"}
_STATUS = {"pass": "passed", "warn": "failed", "fail": "failed"}


# What a refresh consists of. Dagster may ask for a part: some models, some checks.
ORDER = ("load", "build raw", "judge raw", "build marts", "judge marts")

manifest = project.manifest


def load(refresh: Refresh) -> LoadReport:
    """Read the extracts into `raw`; whatever a person must correct in them is a UserError,
    and nothing is loaded then."""
    from orchestration.loading import read_extracts

    threading.Thread(target=_read_project, daemon=True).start()  # in the meantime
    with refresh.stage("load extracts") as cost:
        with refresh.warehouse.connect() as con:
            refresh.engine.begin(con)
            report = read_extracts(
                refresh.extracts,
                con,
                refresh.warehouse.scratch,
                refresh.warehouse.pseudonym_key,
                as_of=refresh.as_of,
                allow_personal_ids=refresh.policies["personal_ids"] == "allow",
                full_refresh=refresh.full_refresh,
                delivered=refresh.engine.delivered,
                progress=refresh.progress.step,
            )
            cost.rows = sum(file.rows_read for file in report.files)
            refresh.as_of = report.as_of
            folder.enter_day(con, refresh.id, refresh.day, report.newest.day if report.newest else None)
            refuse_unknown(segments(refresh.policies), con)
        for warning in report.warnings:
            refresh.progress.warn(warning)
        if left_over := refresh.engine.left_over():
            refresh.progress.warn(left_over)
        refresh.done.add("load")
        return report


def _read_project() -> None:
    """Have dbt read its project, for whoever asks for it next. What goes wrong here goes wrong there again."""
    with suppress(Exception):
        project.load_manifest()


def need_loaded(refresh: Refresh) -> None:
    """Load, unless this refresh has done so."""
    if "load" not in refresh.done:
        load(refresh)


def need_staged(refresh: Refresh) -> None:
    """Load and stage, unless this refresh has done so."""
    need_loaded(refresh)
    if "build raw" not in refresh.done:
        build(refresh, "raw")


def need_tables(refresh: Refresh, tables: Collection[str]) -> None:
    """Build those of the tables (as schema.table) that this refresh has not built."""
    need_staged(refresh)
    missing = set(tables) - refresh.built
    if missing and "build marts" not in refresh.done:
        build_tables(refresh, missing)


def need_tables_of(refresh: Refresh, checks: Collection[tuple[str, str]]) -> None:
    """Build what the expectations of these names and tables read, as far as this refresh has not built it."""
    queries = [
        check.sql
        for check in expectations.declared_checks(contract())
        if (check.check_name, check.table_name) in checks
    ]
    need_tables(refresh, {name for query in queries for name in re.findall(r"\w+\.\w+", query)})


def build_tables(refresh: Refresh, tables: Collection[str]) -> list[NodeResult]:
    """Build these tables (as schema.table) and what they are built from."""
    nodes = [node for node in manifest()["nodes"].values() if node["resource_type"] in ("model", "seed")]
    models = [node["name"] for node in nodes if _table(node) in tables]
    return build(refresh, "marts", models) if models else []


def _table(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node['alias']}"


def build(refresh: Refresh, gate: Gate, models: Collection[str] | None = None) -> list[NodeResult]:
    """Build and test the models of a gate and record the tests; of `models`, if they are given, only these and what
    they are built from. Failed tests are among the results, see `refuse_failed`.

    Raises UserError for what int_blockers lists, EnvironmentFailure for a model that could not be built.
    """
    if refresh.engine.builds_anew:
        models = None
    with refresh.stage({"raw": "stage and audit", "marts": "build the marts"}[gate]) as cost:
        warehouse = refresh.warehouse
        with warehouse.connect() as con:
            refresh.engine.prepare(con, gate)
            passed = passed_tests.passed(con)
        results = project.build(
            refresh.engine,
            warehouse.dbt,
            gate,
            {**refresh.variables, "passed_tests": passed},
            refresh.full_refresh,
            _Reporter(refresh),
            models,
        )
        tests = [result for result in results if result.node.resource_type == "test"]
        with warehouse.connect() as con:
            refresh.engine.adopt(con, results)
            passed_tests.keep(con, tests)
            counts = row_counts(con)
            refresh.found |= {
                test_key(result): found for result in tests if (found := broken_laws(refresh.engine, con, result))
            }
        refresh.record(_test_row(result, gate, counts) for result in tests)
        refresh.profile.built(cost.stage, results, counts)
        built = {result.node.name: result for result in results if result.node.resource_type != "test"}
        refresh.built |= {_table(manifest()["nodes"][result.node.unique_id]) for result in built.values()}
        if gate == "raw":
            blockers = [
                Problem(message, problem.replace(" ", "_"))
                for problem, message in _rows(refresh, built["int_blockers"], "problem, message")
            ]
            if blockers:
                raise UserError("\n".join(blockers) + "\nNothing was published.", problems=blockers)
            for (doubt,) in _rows(refresh, built["int_doubts"], "message"):
                refresh.progress.warn(doubt)
        broken = [result for result in built.values() if result.status == "error"]
        if broken:
            messages = {result.node.name: refresh.engine.without_values(str(result.message)) for result in broken}
            refresh.warehouse.write_log("\n".join(f"{name}: {message}" for name, message in messages.items()))
            raise EnvironmentFailure(
                f"{', '.join(messages)} could not be built ({_reason(messages.values())}), "
                f"details in {refresh.warehouse.log}. Readers keep the last published version."
            )
        if models is None:
            refresh.done.add(f"build {gate}")
        return results


def _reason(messages: Iterable[str]) -> str:
    """Of what an engine or dbt says, the line that names an error of the engine, else the first one."""
    lines = [line.strip() for message in messages for line in message.splitlines()]
    return next((line for line in lines if "Error:" in line), lines[0])[:200]


def _rows(refresh: Refresh, result: NodeResult, columns: str) -> list[tuple]:
    """What an intermediate model has to say to a person; nothing when it could not be built."""
    if result.status != "success":
        return []
    with refresh.warehouse.connect() as con:
        return con.execute(f"select {columns} from intermediate.{result.node.name} order by all").fetchall()


def judge(refresh: Refresh, gate: Gate, checks: Collection[tuple[str, str]] | None = None) -> list[CheckResult]:
    """Run the expectations of a gate, or those of these names and tables, and record them. Failed ones are among the
    results, see `refuse_failed`."""
    with refresh.stage(f"judge the {gate} gate") as cost:
        with refresh.warehouse.connect() as con:
            results = expectations.run_gate(
                gate,
                con,
                contract(),
                as_of=refresh.day,
                previous=refresh.warehouse.current if refresh.previous else None,
                judge=refresh.judge,
                only=checks,
            )
        refresh.judged = [*(one for one in refresh.judged if one.gate != gate), *results]  # it may be tried again
        if checks is None:
            shutil.rmtree(refresh.warehouse.data_docs, ignore_errors=True)  # the page of the refresh before
            expectations.write_page(refresh.warehouse.data_docs / "index.html", refresh.judged)
            publishing.open_to_readers(refresh.warehouse, refresh.warehouse.data_docs)
        refresh.record(
            (
                result.check_name,
                gate,
                result.table_name,
                result.severity,
                result.status,
                result.evaluated_count,
                result.failed_count,
            )
            for result in results
        )
        cost.rows = sum(result.evaluated_count for result in results)
        for result in results:
            if result.status != "passed":
                refresh.progress.warn(f"{result.table_name}: {result.message}")
        if checks is None:
            refresh.done.add(f"judge {gate}")
        return results


def refuse_failed(refresh: Refresh) -> None:
    """Refuse if a critical check of this refresh has failed so far."""
    with refresh.explaining("audit"), refresh.warehouse.connect() as con:
        publishing.audit(con, refresh.id, declared=(), found=refresh.found)


def publish(refresh: Refresh) -> dict[str, int]:
    """Publish what passed. Returns the row count of each published table."""
    with refresh.warehouse.connect() as con:
        refresh.profile.keep(con, refresh.id)
    with refresh.stage("publish") as cost:
        if not refresh.done.issuperset(ORDER):
            raise Refused(
                "Nothing was published: a version consists of all tables and checks of one run, so materialize all"
                " assets together, or launch the job refresh."
            )
        counts = publishing.publish(
            refresh.warehouse,
            refresh.id,
            [*publishing.relations(manifest()), *publishing.journals()],
            declared_checks(),
            project.DOCS.parent,
        )
        cost.rows = sum(counts.values())
    has_report = _report(refresh)
    if refresh.destination:
        with refresh.stage(f"publish to {refresh.destination}"):
            refresh.destination.publish(refresh.warehouse, refresh.id)
    refresh.is_complete = has_report
    return counts


def _report(refresh: Refresh) -> bool:
    """Write the report of what was published; one that fails is told and takes nothing back.
    Returns whether it is there."""
    try:
        from orchestration.readers.report.page import add_report

        with refresh.progress.stage("report"), refresh.profile.stage("report"):
            add_report(refresh.warehouse)
        return True
    except Exception as error:
        refresh.progress.warn(
            f"Published, but without a report. {explained(error, 'writing the report', refresh.warehouse, True)}"
        )
        return False


def row_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of each table of the open database, by schema.table, and of what another engine has built. They are counted:
    what DuckDB says by itself (estimated_size) takes deleted rows for rows."""
    relations = con.execute(
        "select schema_name, table_name from duckdb_tables() where not internal union all"
        " select schema_name, view_name from duckdb_views() where not internal and schema_name <> 'raw'"
    ).fetchall()
    counted = " union all ".join(
        f"select {quote(f'{schema}.{name}')}, count(*) from {identifier(schema)}.{identifier(name)}"
        for schema, name in relations
    )
    return dict(con.execute(counted).fetchall()) if relations else {}


def declared_checks() -> set[tuple[str, str]]:
    """Name and table of every check that a refresh must run: the data tests of the project and the expectations."""
    tests = {_test_key(node) for node in manifest()["nodes"].values() if node["resource_type"] == "test"}
    return tests | {(check.check_name, check.table_name) for check in expectations.declared_checks(contract())}


def test_key(result: NodeResult) -> tuple[str, str]:
    """Name and table of a data test that was run, as in quality.check_results."""
    return _test_key(manifest()["nodes"][result.node.unique_id])


def broken_laws(engine: Engine, con: duckdb.DuckDBPyConnection, result: NodeResult) -> str:
    """The laws that a failed test of the kind `holds` found broken, each with a key for which it is;
    nothing of any other test."""
    kind = manifest()["nodes"][result.node.unique_id].get("test_metadata") or {}
    if kind.get("name") != "holds" or result.status not in ("fail", "warn"):
        return ""
    test = cast("GenericTestNode", result.node)
    rows = engine.rows(con, f"select law, sample_key from ({test.compiled_code}) as broken_laws order by law_number")
    return "; ".join(f"{law} (for example {key})" if key else law for law, key in rows)


def _test_key(test: Mapping[str, Any]) -> tuple[str, str]:
    """A data test's name and the table that it is about: the one it is declared at, else the last one that it names."""
    node = test.get("attached_node") or test["depends_on"]["nodes"][-1]
    about = manifest()["nodes"].get(node) or manifest()["sources"][node]
    return test["name"], f"{about['schema']}.{about.get('alias') or about['identifier']}"


def _test_row(result: NodeResult, gate: str, counts: Mapping[str, int]) -> tuple[str, str, str, str, str, int, int]:
    name, table = test_key(result)
    severity = _SEVERITY[cast("TestConfig", result.node.config).severity.upper()]
    return name, gate, table, severity, _STATUS.get(result.status, "error"), counts.get(table, 0), result.failures or 0


class _Reporter:
    """Reports the nodes that dbt finishes."""

    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh

    def __call__(self, event: Any) -> None:
        if event.info.name in project.EVENTS:
            node = event.data.node_info
            took = "unchanged" if event.data.status == project.UNCHANGED else f"{event.data.execution_time:.1f} s"
            self._refresh.progress.step(f"{node.node_relation.schema}.{node.node_relation.alias} {took}")
