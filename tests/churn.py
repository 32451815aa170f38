"""The command line in a fork of a process that has imported everything and done nothing: a refresh costs half of what it does in a new one."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple


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


@cache
def _server():
    # A fork of this process would inherit the threads' locks and open databases of the tests before.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["great_expectations", "dbt.cli.main", "orchestration.definitions", "orchestration.cli", __name__])
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
