"""Folders of the moment, for commands that publish nothing: they hold copies of the extracts, so none may stay."""

import fcntl
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "churn-"
IN_USE = ".in_use"  # locked by the process whose folder it is in


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is removed at the end, also when the process is told to end; those that killed processes of this
    person left are removed before."""
    _remove_left()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, Path(name, IN_USE).open("w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_EX)
        yield Path(name)


def _remove_left() -> None:
    for in_use in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{IN_USE}"):
        with suppress(OSError), in_use.open("r+") as handle:  # another person's, or a process uses it
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(in_use.parent)
