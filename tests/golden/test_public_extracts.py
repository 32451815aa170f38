"""Real public extracts against the rows that the marts must show.

The data lies beside the checkout, in ../shared/data; where it isn't, these tests skip by name. `make test EVERYTHING=1`
runs all of them by the command that people run. Otherwise that is done with each that is refused, has later files or
finds as_of itself; of the others only what is compared is built, which takes a fifth of the time.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

import expectations.judgement  # noqa: F401  (else each refresh would start a process that imports it)
from orchestration.refresh import steps
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import refreshing
from tests import staged
from tests.churn import Done, churn
from tests.expected import assert_expected, marts_of

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public extracts of ../shared/data are not here")

EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{example['folder']}")
    for name, examples in (yaml.safe_load((DATA / "examples.yml").read_text()) if DATA.is_dir() else {}).items()
    for example in examples
]


def copied(name: str, example: dict, folder: Path) -> Path:
    """A copy of an example's extracts, in `folder`."""
    shared = Path(name, example["folder"]) if name == "field" else Path(name)  # other sets share files among examples
    shutil.copytree(DATA / shared, folder / shared, copy_function=shutil.copy)
    if archive := example.get("unpack"):
        with tarfile.open(folder / name / archive) as tar:
            tar.extractall(folder / name, filter="data")
    return folder / name / example["folder"]


def refresh(name: str, example: dict, folder: Path) -> tuple[Done, Path]:
    """Refresh an example's extracts, and again when its later files have come; the last outcome and the warehouse."""
    warehouse, extracts = folder / "warehouse", copied(name, example, folder)
    day = [] if example["as_of"] == "default" else ["--as-of", str(example["as_of"])]
    arguments = ["refresh", "--extracts", extracts, "--warehouse", warehouse, *day]
    if later := example.get("later"):
        for file in later:
            shutil.move(extracts / file, folder / file)
        assert churn(*arguments).code == 0
        for file in later:
            shutil.move(folder / file, extracts / file)
    return churn(*arguments), warehouse


def is_by_command(example: dict) -> bool:
    is_told = {"refused", "later"} & set(example) or example["as_of"] == "default"
    return bool(is_told) or bool(os.environ.get("EVERYTHING"))


@pytest.mark.parametrize(("name", "example"), [one for one in EXAMPLES if is_by_command(one.values[1])])
def test_a_public_extract_gives_its_expected_rows(name: str, example: dict, tmp_path: Path) -> None:
    done, warehouse = refresh(name, example, tmp_path)
    if "refused" in example:
        assert done.code in (1, 2), done.err
        assert [word for word in example["refused"] if word not in done.err] == []
        assert not (warehouse / "churn.duckdb").exists()
        return
    assert done.code == 0, done.err
    assert [word for word in example.get("warned", ()) if word not in done.err] == []
    assert_expected(warehouse / "churn.duckdb", DATA / name / example["expected"])


@pytest.mark.parametrize(("name", "example"), [one for one in EXAMPLES if not is_by_command(one.values[1])])
def test_the_marts_of_a_public_extract_have_the_expected_rows(
    name: str, example: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    extracts = copied(name, example, tmp_path)
    with refreshing(extracts, tmp_path / "warehouse", Progress(), example["as_of"]) as current:
        steps.load(current)
        if "warned" in example:
            steps.build(current, "raw")
            steps.judge(current, "raw")
        expected = DATA / name / example["expected"]
        staged.build(current.warehouse.build, [f"+{mart}" for mart in marts_of(expected)], current.variables)
        assert_expected(current.warehouse.build, expected)
    told = capsys.readouterr().err
    assert [word for word in example.get("warned", ()) if word not in told] == []
