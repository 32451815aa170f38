"""What `churn pull` and `--publish-to` say before anything is fetched or sent; tests/connect tests what they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration import pulling
from orchestration.contract.mapping import load_mapping
from orchestration.errors import UserError
from orchestration.loading.discovery import find_extracts
from orchestration.warehouse import destination
from orchestration.warehouse.destination import Destination
from orchestration.warehouse.folder import Warehouse


def declaring(folder: Path, text: str):
    (folder / "extracts.yml").write_text(text, encoding="utf-8")
    return load_mapping(folder)


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pulling, destination):
        monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_packages")
def test_without_its_packages_a_pull_says_how_to_install_them(tmp_path):
    mapping = declaring(tmp_path, "pull: {stripe: }\n")
    with pytest.raises(UserError, match="needs packages that are not installed: run `make connect`"):
        pulling.sources_to_pull(mapping)


@pytest.mark.usefixtures("without_packages")
def test_without_its_packages_a_publish_to_postgres_says_how_to_install_them(tmp_path):
    with pytest.raises(UserError, match="run `make connect`") as refusal:
        Destination.of(Warehouse(tmp_path), "postgresql://churn:secret@db/analytics")
    assert "secret" not in str(refusal.value)
    assert Destination.of(Warehouse(tmp_path), None) is None


def test_only_sources_that_are_declared_are_pulled(tmp_path, monkeypatch):
    monkeypatch.setattr(pulling, "find_spec", lambda name: True)
    with pytest.raises(UserError, match=r"declares nothing to pull. Write the sources under pull:"):
        pulling.sources_to_pull(load_mapping(tmp_path))
    mapping = declaring(tmp_path, "pull: {stripe: , shop: {kind: shopify, site: alfa}}\n")
    with pytest.raises(UserError, match="declares no source 'strip' to pull; the nearest valid name is 'stripe'"):
        pulling.sources_to_pull(mapping, ["strip"])
    assert [source.name for source in pulling.sources_to_pull(mapping)] == ["stripe", "shop"]
    assert [source.name for source in pulling.sources_to_pull(mapping, ["shop"])] == ["shop"]


def test_a_refresh_from_sources_that_were_never_pulled_is_refused(tmp_path):
    mapping = declaring(tmp_path, "pull:\n  stripe:\n")
    with pytest.raises(UserError, match=r"line 2: nothing has been pulled from stripe yet. Run `churn pull` first"):
        find_extracts(tmp_path, mapping)
