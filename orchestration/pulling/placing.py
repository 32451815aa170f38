"""The folders of pulls: written under a hidden name, which no pattern of a mapping matches, and renamed when whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path

from orchestration.contract.pulls import DAY, FOLDER
from orchestration.errors import Busy, EnvironmentFailure, PullRefused
from orchestration.warehouse.publishing import sync

NEW, OLD = "new", "old"


@contextmanager
def placing(extracts: Path, source: str, day: date) -> Iterator[tuple[Path, list[Path]]]:
    """An empty folder to write to, and the folders of earlier days, the oldest first. It becomes the source's folder of
    the day, in place of an earlier one of the same day, when the block has ended well.

    Busy if another process pulls the source, PullRefused if a folder of a later day is there. Files are the owner's
    alone: they hold names and addresses."""
    from filelock import FileLock, Timeout

    home = extracts / FOLDER / source
    umask = os.umask(0o077)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock", timeout=0, mode=0o600):
            settle(home)
            _refuse_later(home, day)
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


def _refuse_later(home: Path, day: date) -> None:
    """A folder of a later day, pulled while the clock was ahead, would stay the newest, and nothing of today count."""
    later = []
    for folder in home.glob("[0-9]*"):
        with suppress(ValueError):
            if datetime.strptime(folder.name, DAY).date() > day:
                later.append(f"{FOLDER}/{home.name}/{folder.name}")
    if later:
        more = f" and {len(later) - 1} more" if len(later) > 1 else ""
        raise PullRefused(
            f"{max(later)}{more}: dated after today ({day}), so that what is pulled now would not be in force."
            " If today is another day, set this machine's clock; if not, the clock was ahead: remove what it dated"
            " wrongly, or rename it to the day on which it was pulled. Then pull again."
        )


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
