"""Connections to DuckDB with the settings that every part of a refresh needs."""

import os
from pathlib import Path

import duckdb

# Of new files: the first with zstd.
STORAGE_VERSION = "v1.2.0"


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
        "memory_limit": f"{_memory() * 6 // 10 // 2**20}MiB",
        "temp_directory": str(scratch),
        "max_temp_directory_size": f"{max(free * 9 // 10 // 2**20, 1)}MiB",
        "preserve_insertion_order": "true",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "storage_compatibility_version": STORAGE_VERSION,
    }


def _memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its container's share."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return total
