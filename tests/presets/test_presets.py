"""Each preset on a small extract in its vendor's documented shape: the marts worked out by hand, and no warning."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

import expectations.judgement  # noqa: F401  (else each refresh would start a process that imports it)
from orchestration.contract.mapping import PRESETS
from orchestration.refresh import steps
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import refreshing
from tests import staged
from tests.expected import assert_expected, marts_of

HERE, DOCS = Path(__file__).parent, Path(__file__).parents[2] / "docs" / "presets"
CASES = sorted(path.parent.name for path in HERE.glob("*/extracts.yml"))
AS_OF = date(2024, 6, 30)


def shipped() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yml"))


def test_every_preset_has_an_extract_and_a_page():
    assert set(shipped()) <= set(CASES)
    assert [name for name in shipped() if not (DOCS / f"{name}.md").exists()] == []
    listed = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [name for name in shipped() if f"({name}.md)" not in listed] == []


@pytest.mark.parametrize("name", CASES)
def test_a_preset_gives_the_marts_worked_out_by_hand(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    extracts = Path(shutil.copytree(HERE / name, tmp_path / "extracts", ignore=shutil.ignore_patterns("expected")))
    with refreshing(extracts, tmp_path / "warehouse", Progress(), AS_OF) as current:
        steps.load(current)
        marts = {"int_doubts", "load_audit", *marts_of(HERE / name / "expected")}
        staged.build(current.warehouse.build, [f"+{mart}" for mart in marts], current.variables)
        with current.warehouse.connect() as con:
            doubts = con.execute("select message from intermediate.int_doubts").fetchall()
        assert_expected(current.warehouse.build, HERE / name / "expected")
    told = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    allowed = (HERE / name / "warned.txt").read_text().splitlines() if (HERE / name / "warned.txt").exists() else []
    unexpected = [line for line in [*told, *(text for (text,) in doubts)] if not any(part in line for part in allowed)]
    assert unexpected == []
    assert [part for part in allowed if not any(part in line for line in [*told, *(text for (text,) in doubts)])] == []
