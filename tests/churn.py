"""The command line in a fork of this process, which has imported everything already: a refresh costs half of what it does in a process of its own."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Done(NamedTuple):
    code: int  # negative: the signal that ended it
    out: str
    err: str


def churn(*arguments: object, prepare: Callable[[], None] = lambda: None) -> Done:
    """`churn` with these arguments; `prepare` runs in the fork first."""
    import great_expectations  # noqa: F401

    import orchestration.definitions  # noqa: F401
    from orchestration.cli import main

    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        if not (child := os.fork()):
            # what the parent left to be collected has threads that the fork has not: ending it here would abort
            gc.freeze()
            try:
                for number, path in ((1, out), (2, err)):
                    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
                sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
                sys.argv = ["churn", *map(str, arguments)]
                prepare()
                main()
                code = 0
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                code = 99
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        return Done(os.waitstatus_to_exitcode(status), out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))
