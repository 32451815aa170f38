"""How much memory DuckDB gets."""

from __future__ import annotations

import os

import pytest

from orchestration.warehouse import connection
from orchestration.warehouse.connection import is_short_of_memory, settings

GIB = 2**30
MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("memory", "share"), [(16 * GIB, 9830), (2 * GIB, 1228), (GIB, 320), (GIB // 2, 128)])
def test_a_small_machine_keeps_memory_for_the_rest_of_a_refresh(tmp_path, monkeypatch, memory, share):
    monkeypatch.setattr(connection, "_memory", lambda: memory)
    assert settings(tmp_path)["memory_limit"] == f"{share}MiB"
    assert is_short_of_memory() == (memory <= 2 * GIB)


@pytest.mark.parametrize(
    ("own", "files", "memory"),
    [
        ("0::/", {"memory.max": "1000"}, 1000),  # a container
        ("0::/system.slice/churn.service", {"system.slice/churn.service/memory.max": "2000"}, 2000),
        ("0::/a.slice/b.service", {"a.slice/b.service/memory.max": "max", "a.slice/memory.max": "3000"}, 3000),
        ("5:cpu,memory:/docker/x\n1:name=systemd:/", {"memory/docker/x/memory.limit_in_bytes": "4000"}, 4000),
        ("4:memory:/of/the/host", {"memory/memory.limit_in_bytes": "5000"}, 5000),  # seen from within a container
        ("4:memory:/", {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, MACHINE),
        ("0::/", {"memory.max": "max"}, MACHINE),
        ("0::/", {}, MACHINE),
        (None, {}, MACHINE),
    ],
)
def test_a_limit_of_a_container_or_a_service_counts(tmp_path, monkeypatch, own, files, memory):
    if own:
        (tmp_path / "own").write_text(f"{own}\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(connection, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(connection, "_GROUPS", tmp_path)
    assert connection._memory() == memory
