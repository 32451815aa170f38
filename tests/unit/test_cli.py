"""The command line before it refreshes: usage, policies, who speaks where and with which code."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from orchestration import ROOT
from orchestration.contract.policies import POLICIES, effective_policies
from orchestration.errors import UserError
from orchestration.warehouse.folder import Warehouse
from tests.outcome import outcome_of

CHURN = Path(sys.executable).with_name("churn")
SLOW_IMPORTS = {"dagster", "dbt", "great_expectations", "pandas"}


def churn(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(CHURN), *map(str, arguments)], capture_output=True, text=True, **options)


def test_help_names_every_command_and_imports_nothing_slow():
    code = (
        "import sys; from orchestration.cli import main; sys.argv = ['churn', '--help']\n"
        "try: main()\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for command in ("refresh", "check", "demo", "rollback", "ui"):
        assert f"\n  {command} " in shown
    modules = shown.splitlines()[-1]
    assert not {name for name in SLOW_IMPORTS if f"'{name}'" in modules}


def test_the_version_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert churn("--version").stdout == f"churn, version {project['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refresh"], "Missing option '--extracts'"),
        (
            ["refresh", "--extracts", "x", "--warehouse", "w", "--as-of", "31.12.2025"],
            "does not match the format '%Y-%m-%d'",
        ),
        (
            ["refresh", "--extracts", "x", "--warehouse", "w", "--policy", "laps_days=3"],
            "the nearest valid name is 'lapse_days'",
        ),
        (["refresh", "--extracts", "x", "--warehouse", "w", "--policy", "lapse_days"], "write NAME=VALUE"),
        (["refresh", "--extracts", "x", "--warehouse", "w", "--polcy", "a=b"], "No such option"),
        (["refersh"], "No such command 'refersh'"),
        (["check"], "Missing option '--extracts'"),
        (["rollback", "--warehouse", "missing"], "There is no folder missing"),
    ],
)
def test_wrong_usage_is_told_on_stderr_with_code_2(tmp_path, arguments, message):
    result = churn(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert not (tmp_path / "w" / "churn.duckdb").exists()


def test_a_missing_folder_of_extracts_is_named(tmp_path):
    result = churn("check", "--extracts", tmp_path / "missing")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"There is no folder {tmp_path / 'missing'}" in result.stderr


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, "There is no folder"),
        ("sources: [\n", "this is not valid YAML"),
        ("polices: {}\n", "unknown key 'polices'"),
    ],
)
def test_a_wrong_folder_or_mapping_is_told_before_anything_slow_is_imported(tmp_path, written, message):
    extracts, warehouse = tmp_path / "extracts", tmp_path / "warehouse"
    if written is not None:
        extracts.mkdir()
        (extracts / "extracts.yml").write_text(written)
    code = (
        "import sys; from orchestration.cli import main\n"
        f"sys.argv = ['churn', 'refresh', '--extracts', {str(extracts)!r}, '--warehouse', {str(warehouse)!r}]\n"
        "try: main()\nexcept SystemExit as end: print(end.code)\nprint(sorted(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    exit_code, modules = told.stdout.splitlines()
    assert exit_code == "2"
    assert message in told.stderr
    assert not {name for name in SLOW_IMPORTS if f"'{name}'" in modules}
    assert not warehouse.exists()


def test_a_quiet_failure_says_where_to_look_and_not_what_stands_there(tmp_path):
    """Also the first one, which makes the folder of the warehouse."""
    (tmp_path / "extracts.yml").write_text("time_zone: UTC\ncurrency_of_ann: EUR\n")
    arguments = ("refresh", "--extracts", tmp_path, "--warehouse", tmp_path / "warehouse")
    quiet = churn(*arguments, "--quiet")
    assert (quiet.returncode, quiet.stdout) == (2, "")
    assert quiet.stderr.startswith("the extracts must be corrected first: mapping (extracts.yml, line 2).")
    details = tmp_path / "warehouse" / "failure.txt"
    assert str(details) in quiet.stderr
    assert "unknown key 'currency_of_ann'" in details.read_text(encoding="utf-8")
    ended = outcome_of(tmp_path / "warehouse")
    assert (ended["status"], ended["exit_code"], ended["refresh_id"]) == ("failed", 2, None)
    assert ended["problems"] == [{"code": "mapping", "table": None, "file": None, "mapping": "extracts.yml, line 2"}]
    assert f"{ended['message']}\n" == quiet.stderr
    shown = churn(*arguments, "--json")
    assert shown.returncode == 2
    assert json.loads(shown.stdout).keys() == ended.keys()
    assert "unknown key 'currency_of_ann'" in shown.stderr
    with Warehouse(tmp_path / "warehouse").locked():
        held = churn(*arguments, "--quiet")
    assert held.stderr.startswith("the extracts must be corrected first") and "failure.txt" not in held.stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--publish-to", "mongodb://server/marts", "What to publish to must have the form postgresql://"),
        (
            "--policy",
            "laps_days=30",
            "--policy: there is no policy 'laps_days'; the nearest",
        ),
        ("--engine", "spark", "The engine spark needs --spark-url"),
    ],
)
def test_a_quiet_failure_of_a_setting_says_what_is_wrong_with_it(tmp_path, option, value, told):
    (tmp_path / "invoices.csv").write_text("x\n")
    done = churn("refresh", "--extracts", tmp_path, "--warehouse", tmp_path / "warehouse", "--quiet", option, value)
    assert done.returncode == 2 and done.stderr.startswith(told)
    assert outcome_of(tmp_path / "warehouse")["message"] == done.stderr.removesuffix("\n")


def test_a_second_refresh_names_the_first_and_changes_nothing(tmp_path):
    (tmp_path / "warehouse").mkdir()
    lock = tmp_path / "warehouse" / ".lock"
    with FileLock(lock):
        lock.write_text("process 4711 on till-7 since 2025-12-31 05:00:00 UTC\n")
        result = churn("refresh", "--extracts", tmp_path, "--warehouse", tmp_path / "warehouse")
    assert (result.returncode, result.stdout) == (3, "")
    assert "process 4711 on till-7" in result.stderr
    assert [file.name for file in (tmp_path / "warehouse").iterdir()] == [".lock"]  # refresh.json is the other's


def test_a_folder_that_cannot_be_made_is_the_environments_fault(tmp_path):
    (tmp_path / "file").touch()
    result = churn("refresh", "--extracts", tmp_path, "--warehouse", tmp_path / "file" / "warehouse")
    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr.startswith("Not a directory")


def test_policies_are_the_vars_of_the_project():
    declared = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    assert set(POLICIES) == set(declared) - {"as_of", "reporting_currency", "own_reason_aliases"}
    assert effective_policies({}) == {name: declared[name] for name in POLICIES}


def test_the_command_line_wins_over_the_extracts_and_these_over_the_defaults():
    values = effective_policies({"lapse_days": "120", "grace_days": "7"}, ["lapse_days=60"])
    assert (values["lapse_days"], values["grace_days"], values["reason_window_days"]) == (60, 7, 60)


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("activity_basis=Purchase", "purchase"),
        ("lapse_days=1", 1),
        ("lapse_days=36500", 36_500),
        ("grace_days=000", 0),
        ("count_free_plans=yes", True),
        ("profit_margin=0.35", 0.35),
        ("profit_margin=null", None),
        ("segments=country, first_plan", ["country", "first_plan"]),
        ("segments=[country]", ["country"]),
        ("segments=", []),
        ("fiscal_year_start_month=12", 12),
    ],
)
def test_policies_are_read_by_their_type(assignment, value):
    assert effective_policies({}, [assignment])[assignment.partition("=")[0]] == value


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("activity_basis=both", "one of auto, subscription, purchase"),
        ("lapse_days=0", "lapse_days is '0', but must be a whole number from 1 to 36,500"),
        ("lapse_days=99999999999", "a whole number from 1 to 36,500"),
        ("lapse_days=" + "9" * 5_000, "a whole number from 1 to 36,500"),
        ("grace_days=36501", "a whole number from 0 to 36,500"),
        ("reason_window_days=2147483647", "a whole number from 0 to 36,500"),
        ("sla_first_response_hours=3000000000", "a whole number from 1 to 87,600"),
        ("sla_resolution_hours=87601", "a whole number from 1 to 87,600"),
        ("lapse_days=1.5", "a whole number from 1"),
        ("lapse_days=²", "a whole number from 1"),
        ("grace_days=-1", "a whole number from 0"),
        ("count_free_plans=maybe", "true or false"),
        ("profit_margin=35", "a fraction from 0 to 1"),
        ("profit_margin=nan", "a fraction from 0 to 1"),
        ("fiscal_year_start_month=13", "a whole number from 1 to 12"),
    ],
)
def test_a_value_that_a_policy_cannot_have_is_refused(assignment, expected):
    with pytest.raises(UserError, match=expected):
        effective_policies({}, [assignment])


def test_an_unknown_policy_in_the_extracts_is_named():
    with pytest.raises(
        UserError, match="extracts.yml: there is no policy 'grace'; the nearest valid name is 'grace_days'"
    ):
        effective_policies({"grace": "1"})
