"""`kind: files` from a folder: all files as they lie there, those that have not changed linked to the pull before."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

pytest.importorskip("dlt", reason="dlt is not installed: make connect")

from orchestration import pulling
from orchestration.contract.mapping import load_mapping
from orchestration.errors import EnvironmentFailure, UserError
from orchestration.loading.discovery import find_extracts

MAPPING = """
pull:
  bank: {{kind: files, url: '{place}', files: ["*.csv", "old/*.gz"]}}
tables:
  billing.invoice_lines:
    files: "pulls/bank/*/**/*.csv*"
    delivery: snapshot
    snapshot: "pulls/bank/%Y-%m-%d"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    (folder / "old").mkdir(parents=True)
    (folder / "may.csv").write_text("may", encoding="utf-8")
    (folder / "june.csv").write_text("june", encoding="utf-8")
    (folder / "old" / "2024.csv.gz").write_bytes(b"\x1f\x8bnot read here")
    (folder / "notes.txt").write_text("not asked for", encoding="utf-8")
    return folder


def pull(extracts: Path, place: str, monkeypatch: pytest.MonkeyPatch, day: date) -> pulling.Pulled:
    extracts.mkdir(exist_ok=True)
    (extracts / "extracts.yml").write_text(MAPPING.format(place=place), encoding="utf-8")
    monkeypatch.setattr(pulling, "today", lambda time_zone: day)
    mapping = load_mapping(extracts)
    [source] = pulling.sources_to_pull(mapping)
    return pulling.pull_source(extracts, mapping, source)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_each_pull_has_all_files_and_fetches_only_what_has_changed(tmp_path, place, monkeypatch):
    extracts = tmp_path / "extracts"
    first = pull(extracts, place.as_uri(), monkeypatch, date(2026, 3, 1))
    assert first.counts == {"files": 3}
    assert contents(first.folder) == {name: text for name, text in contents(place).items() if name != "notes.txt"}
    (place / "june.csv").write_text("june, corrected", encoding="utf-8")
    (place / "old" / "2024.csv.gz").unlink()
    second = pull(extracts, place.as_uri(), monkeypatch, date(2026, 3, 2))
    assert contents(second.folder) == {"may.csv": b"may", "june.csv": b"june, corrected"}
    assert os.path.samefile(first.folder / "may.csv", second.folder / "may.csv")
    assert contents(first.folder)["june.csv"] == b"june"
    found = find_extracts(extracts, load_mapping(extracts))
    assert [one.snapshot for one in found.deliveries] == ["2026-03-01"] * 3 + ["2026-03-02"] * 2


def test_a_place_that_cant_be_read_leaves_what_was_pulled(tmp_path, place, monkeypatch):
    extracts = tmp_path / "extracts"
    pull(extracts, place.as_uri(), monkeypatch, date(2026, 3, 1))
    monkeypatch.setenv("SOURCES__BANK__SFTP_USERNAME", "nobody")
    with pytest.raises(EnvironmentFailure, match=r"bank: its files could not be read \(\w+\). Nothing of this pull"):
        pull(extracts, "sftp://127.0.0.1/folder", monkeypatch, date(2026, 3, 2))
    with pytest.raises(UserError, match=r"bank: it needs client_email or .* as SOURCES__BANK__CLIENT_EMAIL in the env"):
        pull(extracts, "gdrive://folder", monkeypatch, date(2026, 3, 2))
    assert [path.name for path in (extracts / "pulls" / "bank").iterdir() if path.is_dir()] == ["2026-03-01"]
