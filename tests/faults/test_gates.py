"""A check that crashes is an error, never a pass and never a missing result."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

import expectations
from expectations import CheckResult, CheckSpec, Judge, judge_process, runner

HOLDS = CheckSpec(
    "holds",
    "marts",
    "marts.some_mart",
    "critical",
    "One is at most one",
    "select 'one' as subject, 1 as measure",
    maximum=1,
)
FAILS = replace(HOLDS, check_name="fails", sql="select 'two' as subject, 2 as measure")


def run(*checks: CheckSpec, judge: Judge = judge_process.here) -> list[CheckResult]:
    with duckdb.connect() as con:
        con.execute("create table people as select 'Marked Person' as name")
        return runner.run_checks(list(checks), con, as_of=date(2024, 1, 31), judge=judge)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select 'one' as subject, missing from people", 'Binder Error: Referenced column "missing" not found'),
        ("select 'one' as subject, 1 as measure from marts.not_built", "Catalog Error: Table with name"),
        ("select 'one' as subject, name::integer as measure from people", "ConversionException"),
        ("select 'one' as subject, name as measure from people", "ValueError"),
        ("select 'one' as subject", "ValueError"),
    ],
)
def test_a_query_that_crashes_is_an_error_and_stops_no_other(sql, reason):
    crashed, held, failed = run(replace(HOLDS, check_name="crashes", sql=sql), HOLDS, FAILS)
    assert (crashed.status, crashed.evaluated_count, crashed.failed_count, crashed.sample) == ("error", 0, 0, [])
    assert reason in crashed.message
    assert "Marked" not in crashed.message
    assert (held.status, failed.status) == ("passed", "failed")


def test_an_exception_inside_great_expectations_is_an_error(monkeypatch):
    from great_expectations.execution_engine import PandasExecutionEngine

    def broken(*args, **kwargs):
        raise RuntimeError("planted")

    monkeypatch.setattr(PandasExecutionEngine, "get_compute_domain", broken)
    (result,) = run(HOLDS)
    assert (result.status, result.evaluated_count, result.failed_count) == ("error", 0, 0)
    assert "planted" in result.message


def test_a_validation_that_breaks_off_is_an_error_for_each_of_its_checks(monkeypatch):
    from great_expectations import ValidationDefinition

    def broken(*args, **kwargs):
        raise RuntimeError("planted")

    monkeypatch.setattr(ValidationDefinition, "run", broken)
    assert [result.status for result in run(HOLDS, FAILS)] == ["error", "error"]


def test_an_expectation_that_was_not_evaluated_is_an_error(monkeypatch):
    from great_expectations import ValidationDefinition

    complete = ValidationDefinition.run

    def forgetful(self, **options):
        outcome = complete(self, **options)
        outcome.results.pop()
        return outcome

    monkeypatch.setattr(ValidationDefinition, "run", forgetful)
    assert sorted(result.status for result in run(HOLDS, replace(HOLDS, check_name="holds_too", maximum=9))) == [
        "error",
        "passed",
    ]


class TestJudgeBeside:
    """Great Expectations in a process of its own."""

    @pytest.fixture(autouse=True)
    def not_imported_yet(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "great_expectations", raising=False)

    def test_says_what_one_in_this_process_says(self):
        with judge_process.judge_beside() as judge:
            results = [run(HOLDS, FAILS, judge=judge), run(FAILS, judge=judge)]
        assert results == [run(HOLDS, FAILS), run(FAILS)]

    def test_leaves_no_process_where_it_is_started_for_each_answer(self, monkeypatch):
        started = []

        class Noted(subprocess.Popen):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                started.append(self)

        monkeypatch.setattr(judge_process.subprocess, "Popen", Noted)
        results = run(HOLDS, FAILS, judge=judge_process.judge_apart)
        assert [process.poll() is None for process in started] == [False]
        assert results == run(HOLDS, FAILS)

    def test_judges_nothing_when_it_has_died(self, monkeypatch):
        monkeypatch.setattr(judge_process, "__name__", "no_module_of_this_name")
        with judge_process.judge_beside() as judge:
            results = [run(HOLDS, FAILS, judge=judge), run(HOLDS, judge=judge)]
        assert [result.status for gate in results for result in gate] == ["error", "error", "error"]
        assert "has died" in results[0][0].message

    def test_runs_no_code_of_the_current_folder(self, tmp_path, monkeypatch):
        for name in ("great_expectations", "random"):
            (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
        monkeypatch.setenv("PYTHONPATH", str(Path(expectations.__file__).parents[1]))
        monkeypatch.chdir(tmp_path)
        with judge_process.judge_beside() as judge:
            assert run(HOLDS, judge=judge)[0].status == "passed"
        assert not (tmp_path / "executed").exists()

    @pytest.mark.parametrize("said", ["no pickle", "cnowhere\\nnothing\\n.", ""])
    def test_judges_nothing_when_what_it_says_is_no_answer(self, monkeypatch, said):
        program = f"import sys; sys.stdin.buffer.peek(); sys.stdout.write('{said}')"
        monkeypatch.setattr(
            judge_process.subprocess,
            "Popen",
            lambda _, popen=subprocess.Popen, **options: popen([sys.executable, "-c", program], **options),
        )
        with judge_process.judge_beside() as judge:
            assert [result.status for result in run(HOLDS, FAILS, judge=judge)] == ["error", "error"]

    def test_ends_with_its_refresh_however_that_ends(self):
        code = (
            "import subprocess, time\n"
            "from expectations import judge_beside\n"
            "class Shown(subprocess.Popen):\n"
            "    def __init__(self, *arguments, **options):\n"
            "        super().__init__(*arguments, **options)\n"
            "        print(self.pid, flush=True)\n"
            "subprocess.Popen = Shown\n"
            "with judge_beside():\n"
            "    time.sleep(60)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as refresh:
            judge = int(refresh.stdout.readline())
            refresh.kill()
        for _ in range(600):
            if not Path(f"/proc/{judge}/cmdline").exists() or not Path(f"/proc/{judge}/cmdline").read_bytes():
                return
            time.sleep(0.1)
        pytest.fail(f"process {judge} is left")
