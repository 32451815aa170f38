"""The folders of pulls: written under a hidden name, which no pattern of a mapping matches, and renamed when whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from orchestration.contract.pulls import FOLDER
from orchestration.errors import Busy, EnvironmentFailure
from orchestration.warehouse.publishing import sync

NEW, OLD = "new", "old"


@contextmanager
def placing(extracts: Path, source: str, day: date) -> Iterator[tuple[Path, list[Path]]]:
    """An empty folder to write to, and the folders of earlier days, the oldest first. It becomes the source's folder of
    the day, in place of an earlier one of the same day, when the block has ended well.

    Busy if another process pulls the source. Files are the owner's alone: they hold names and addresses."""
    from filelock import FileLock, Timeout

    home = extracts / FOLDER / source
    umask = os.umask(0o077)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock", timeout=0, mode=0o600):
            settle(home)
            new, placed = home / f".{day}.{NEW}", home / f"{day}"
            new.mkdir()
            try:
                yield new, sorted(folder for folder in home.glob("[0-9]*") if folder.name < placed.name)
            except BaseException:
                shutil.rmtree(new)
                raise
            sync(*new.rglob("*"), new)
            if placed.exists():
                placed.rename(home / f".{day}.{OLD}")
            new.rename(placed)
            sync(home)
            settle(home)
    except Timeout:
        raise Busy("another process is pulling from it. Wait until it has finished.") from None
    except OSError as error:
        raise EnvironmentFailure(f"{error.strerror or error} ({error.filename or home}).") from error
    finally:
        os.umask(umask)


def settle(home: Path) -> None:
    """Remove what a killed pull was writing; a folder that it was replacing comes back, unless its place is taken."""
    for folder in home.glob(f".*.{OLD}"):
        placed = home / folder.name.removeprefix(".").removesuffix(f".{OLD}")
        if placed.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(placed)
    for folder in home.glob(f".*.{NEW}"):
        shutil.rmtree(folder)
