"""The report belongs to its version: it comes after the commit, goes with a rollback,
and its failure takes nothing back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestration.readers.report import page
from orchestration.refresh import steps
from orchestration.refresh.profile import Profile
from orchestration.refresh.progress import Progress
from orchestration.warehouse import publishing
from orchestration.warehouse.folder import Warehouse
from tests.faults.test_publishing import publish, versions_seen


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def report(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add a report that says which version it is of, and its currency."""

    def write(database: Path, folder: Path, currency: str | None) -> Path:
        folder.mkdir()
        (folder / "index.html").write_text(f"{database.parent.name} in {currency}")
        return folder / "index.html"

    monkeypatch.setattr(page, "write_report", write)
    with warehouse.connect() as con:
        con.execute(
            "create schema if not exists intermediate;"
            " create or replace table intermediate.int_reporting_currency as select 'EUR' as currency"
        )
    with warehouse.locked():
        return page.add_report(warehouse)


def test_a_report_goes_with_its_version(warehouse, monkeypatch):
    publish(warehouse, "v1")
    shown = report(warehouse, monkeypatch)
    assert shown == warehouse.folder / "report" / "index.html"
    assert shown.read_text() == "v1 in EUR"
    publish(warehouse, "v2")
    assert not shown.exists()  # v2 has none yet, and v1's would contradict it
    report(warehouse, monkeypatch)
    assert shown.read_text() == "v2 in EUR"
    publishing.rollback(warehouse)
    assert shown.read_text() == "v1 in EUR"


def test_a_report_that_fails_is_told_and_takes_nothing_back(warehouse, monkeypatch):
    publish(warehouse, "v1")
    monkeypatch.setattr(page, "add_report", lambda _: 1 / 0)
    warnings: list[str] = []
    progress = Progress()
    monkeypatch.setattr(progress, "warn", warnings.append)
    steps._report(SimpleNamespace(warehouse=warehouse, progress=progress, profile=Profile()))
    assert "without a report" in warnings[0]
    assert str(warehouse.log) in warnings[0]
    assert "ZeroDivisionError" in warehouse.log.read_text()
    assert versions_seen(warehouse) == {"v1"}
