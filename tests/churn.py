"""The command line in a fork of a process that has imported everything and done nothing:
a refresh costs half of what it does in a new one."""

from __future__ import annotations

import csv
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Done(NamedTuple):
    code: int  # negative: the signal that ended it
    out: str
    err: str


def churn(*arguments: object, prepare: Callable[[], object] | None = None) -> Done:
    """`churn` with these arguments; `prepare` (a function of a module, or a partial of one) runs in the fork first."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        child = _server().Process(target=_run, args=(list(map(str, arguments)), out, err, prepare))
        child.start()
        child.join()
        return Done(child.exitcode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def write_csv(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """An extract of these rows; the keys of the first are its columns."""
    rows = list(rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def published(folder: Path, as_of: date) -> Path:
    """The warehouse of `folder`/extracts, refreshed by the command that people run."""
    done = churn("refresh", "--extracts", folder / "extracts", "--warehouse", folder / "warehouse", "--as-of", as_of)
    assert done.code == 0, done.err
    return folder / "warehouse"


@cache
def _server():
    # A fork of this process would inherit the threads' locks and open databases of the tests before.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(
        ["expectations.judgement", "dbt.cli.main", "orchestration.cli", "tests.warm", __name__]
    )
    return server


def _run(arguments: list[str], out: Path, err: Path, prepare: Callable[[], object] | None) -> None:
    from orchestration.cli import main

    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    sys.argv = ["churn", *arguments]
    if prepare:
        prepare()
    main()
