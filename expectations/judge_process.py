"""Great Expectations in a process of its own: the seconds that its import takes pass while the extracts load."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from expectations.checks import Counted, Crash, Judge, Judged


def here(counted: Counted) -> Judged:
    """Judge in this process."""
    from expectations.judgement import judge

    return judge(counted)


@contextmanager
def judge_beside() -> Iterator[Judge]:
    """A judge that gets ready at once in a process beside this one, and ends with it. One that dies judges nothing:
    all crash."""
    if "great_expectations" in sys.modules:  # nothing to wait for
        yield here
        return
    # in a process group of its own, for an interrupt at the keyboard is for the refresh to answer; -P, or Python would
    # look for modules in the current folder first, which may hold extracts
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )

    def beside(counted: Counted) -> Judged:
        assert process.stdin and process.stdout
        try:
            pickle.dump(counted, process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except Exception:  # half an answer, or what is none, can raise anything
            return dict.fromkeys(counted, Crash("the process of Great Expectations has died"))

    try:
        yield beside
    finally:
        process.terminate()
        process.communicate()


def judge_apart(counted: Counted) -> Judged:
    """Judge in a process that ends with its answer: what Great Expectations needs, 170 MB, is free at all other
    times."""
    with judge_beside() as judge:
        return judge(counted)


def serve() -> None:
    """Judge what is sent until nobody is left to send."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    from expectations.judgement import judge

    while True:
        try:
            counted = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(judge(counted), answers)
        answers.flush()
