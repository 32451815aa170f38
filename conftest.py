"""Tests write into memory, if the machine has room there: they make and delete so many files that a slow disk takes two
fifths of their time. TMPDIR decides otherwise."""

import os
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 12 * 2**30  # bytes; what a run of all tests writes, and half as much again


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize >= ROOM and not system.f_flag & getattr(os, "ST_NOEXEC", 0)


if "TMPDIR" not in os.environ and _has_room(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
