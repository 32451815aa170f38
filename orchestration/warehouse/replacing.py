"""Writing a file whole: under a temporary name alongside it, which then takes its place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path, *, private: bool = False) -> Iterator[Path]:
    """A new, empty file to write to; it replaces `file` at the end of the block, or is removed if the block fails.

    A private file is its owner's alone from its first byte; any other has the permissions that the umask leaves.
    """
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    # Exclusively, so that nobody else's file or link is written to.
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666))
    try:
        yield new
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
