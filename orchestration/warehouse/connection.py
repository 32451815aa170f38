"""Connections to DuckDB with the settings that every part of a refresh needs."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

# Of new files: the first with zstd.
STORAGE_VERSION = "v1.2.0"
# What a refresh takes besides, whatever the size of a company: Python with dbt, and Great Expectations.
_OTHERS, _JUDGE = 704 * 2**20, 176 * 2**20
_OWN_GROUPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def connect(database: Path, scratch: Path, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open `database`. Work that outgrows memory goes to `scratch`, a folder on the warehouse's own disk; rows keep
    their order; extensions are never fetched, so that nothing depends on a network."""
    return duckdb.connect(str(database), read_only=read_only, config={**settings(scratch)})


def settings(scratch: Path) -> dict[str, str]:
    """The settings as text, in the form that dbt's profile takes too."""
    scratch.mkdir(parents=True, exist_ok=True)
    disk = os.statvfs(scratch)
    free = disk.f_bavail * disk.f_frsize
    return {
        "memory_limit": f"{_for_duckdb(_memory()) // 2**20}MiB",
        "temp_directory": str(scratch),
        "max_temp_directory_size": f"{max(free * 9 // 10 // 2**20, 1)}MiB",
        "preserve_insertion_order": "true",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "storage_compatibility_version": STORAGE_VERSION,
    }


def is_short_of_memory() -> bool:
    """Whether there is none for what makes a refresh faster: Great Expectations at hand, tables built side by side."""
    memory = _memory()
    return memory - memory * 6 // 10 < _OTHERS + _JUDGE


def _for_duckdb(memory: int) -> int:
    """Its share of so many bytes."""
    return max(min(memory * 6 // 10, memory - _OTHERS), memory // 4)


def _memory() -> int:
    """Bytes of memory that this process may use: the machine's, or what a container, a service or a group of them
    gets of it."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [total]
    with suppress(OSError):
        for line in _OWN_GROUPS.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                limits += _limits(_GROUPS, group, "memory.max")
            elif "memory" in controllers.split(","):
                limits += _limits(_GROUPS / "memory", group, "memory.limit_in_bytes")
    return min(limits)


def _limits(root: Path, group: str, name: str) -> Iterator[int]:
    """The limits of a group and of all groups that it is in, as far as they can be seen and there are any."""
    path = Path(group.lstrip("/"))
    for folder in (path, *path.parents):
        with suppress(OSError, ValueError):  # no such file, or "max"
            yield int((root / folder / name).read_text())
