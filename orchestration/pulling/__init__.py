"""Pulling: what the sources of `pull:` hold now, written as files into the extracts folder, where loading begins.

A pull of a source is one folder, pulls/<source>/<day>/, which appears when all of it is there and is the whole of what
was pulled on that day. dlt and the drivers of databases are imported here by `churn pull` only.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.contract.mapping import FILE_NAME, Mapping
from orchestration.contract.names import nearest
from orchestration.contract.pulls import FOLDER, Pull
from orchestration.errors import ChurnError, PullRefused, UserError
from orchestration.pulling.placing import placing
from orchestration.warehouse.dlt_settings import INSTALL, prepare_dlt
from orchestration.warehouse.folder import today

if TYPE_CHECKING:
    from orchestration.pulling.secrets import Secrets


@dataclass(frozen=True)
class Pulled:
    """What a pull has brought: the folder, how many objects, rows or files each of its lists has, and its seconds."""

    source: str
    folder: Path
    counts: dict[str, int]
    seconds: float


def sources_to_pull(mapping: Mapping, names: Iterable[str] = ()) -> list[Pull]:
    """The sources of these names, or all that extracts.yml declares. Raises PullRefused when there is none of the name,
    and when the packages that a pull needs are not installed."""
    declared = {pull.name: pull for pull in mapping.pulls}
    if not declared:
        raise PullRefused(f"{FILE_NAME} declares nothing to pull. Write the sources under pull: (docs/pull.md).")
    for name in names:
        if name not in declared:
            raise PullRefused(f"{FILE_NAME} declares no source '{name}' to pull; {nearest(name, declared)}.")
    if find_spec("dlt") is None:
        raise PullRefused(f"A pull needs packages that are not installed: {INSTALL}. Nothing was pulled.")
    return [pull for pull in declared.values() if pull.name in set(names) or not names]


def pull_source(
    extracts: Path, mapping: Mapping, pull: Pull, progress: Callable[[str], None] = lambda text: None
) -> Pulled:
    """Pull one source into its folder of today. Raises a ChurnError that names the source and what was left as it was;
    nothing of a pull that fails is ever read."""
    prepare_dlt()
    from orchestration.pulling.secrets import Secrets

    started = time.perf_counter()
    day = today(mapping.time_zone)
    secrets = Secrets(pull)
    try:
        with placing(extracts, pull.name, day) as (folder, earlier):
            counts = {}
            for name, count in _lists(pull, secrets, folder, earlier):
                counts[name] = count
                progress(f"{pull.name}: {count:,} {name}")
    except ChurnError as error:
        kind = PullRefused if isinstance(error, UserError) else type(error)
        raise kind(f"{pull.name}: {error} Nothing of this pull was kept; earlier ones are as they were.") from None
    return Pulled(pull.name, extracts / FOLDER / pull.name / f"{day}", counts, time.perf_counter() - started)


def _lists(pull: Pull, secrets: Secrets, folder: Path, earlier: list[Path]) -> Iterable[tuple[str, int]]:
    """Write what a source holds into the folder, list by list. Yields the name of each and how much is in it."""
    with _without_collector():  # nothing is pulled yet: these are generators
        if pull.kind == "sql":
            from orchestration.pulling.databases import tables

            return tables(pull, secrets, folder, earlier)
        if pull.kind == "files":
            from orchestration.pulling.buckets import files

            return files(pull, secrets, folder, earlier)
        from orchestration.pulling.apis import lists

        return lists(pull, secrets, folder)


@contextmanager
def _without_collector() -> Iterator[None]:
    """While dlt and the drivers are imported: all that they make stays, and searching it took a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
