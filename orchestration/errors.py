"""Failures that speak to a person. Each class is one exit code of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

INTERRUPTED = 130  # the exit code after a signal to stop

# A problem with the mapping begins with its place there.
_IN_MAPPING = re.compile(r"(?:extracts|preset \w+)\.yml, line \d+")


@dataclass(frozen=True)
class Place:
    """What may be told anybody of a problem: its code (docs/bad-inputs.md), and where a person has to look."""

    code: str
    table: str | None = None  # of the contract
    file: str | None = None  # its path in the extracts folder
    mapping: str | None = None  # as in "extracts.yml, line 3"

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.table, self.file, self.mapping)))
        return f"{self.code} ({where})" if where else self.code


class Problem(str):
    """What is wrong, in words for the person at the keyboard: they may quote the extracts. `place` quotes nothing."""

    place: Place

    def __new__(
        cls, text: str, code: str, table: str | None = None, file: str | None = None, mapping: str | None = None
    ) -> Problem:
        problem = super().__new__(cls, text)
        named = _IN_MAPPING.match(text)
        problem.place = Place(code, table, file, named[0] if named else mapping or None)
        return problem

    def of(self, table: str | None = None, file: str | None = None, mapping: str | None = None) -> Problem:
        """The same problem, with what its place lacks; `mapping` is where its table begins there."""
        own = self.place
        return Problem(self, own.code, own.table or table, own.file or file, own.mapping or mapping)


class ChurnError(Exception):
    """A failure with a message for a person: what is wrong, where, what was left untouched, what to do."""

    exit_code = 4


class Refused(ChurnError):
    """A critical check refused to publish; readers still have the last good version."""

    exit_code = 1


class UserError(ChurnError):
    """Something that the person must fix before a build can start: usage, mapping, files, rates. The message may quote
    the extracts; `places` are what may be told anybody."""

    exit_code = 2

    def __init__(self, message: str, code: str = "usage", file: str | None = None, problems: Sequence[Problem] = ()):
        super().__init__(message)
        self.problems = tuple(problems) or (Problem(message, code, file=file),)

    @property
    def places(self) -> list[Place]:
        """Each place once, in the order of the problems."""
        return list(dict.fromkeys(problem.place for problem in self.problems))


class SetupError(UserError):
    """What a person must correct outside the extracts: an option, a setting, an address, a secret, what is installed.
    The message quotes nothing of the extracts."""


class PullRefused(SetupError):
    """What a person must correct before a source can be pulled."""

    def __init__(self, message: str):
        super().__init__(message, "pull")


class Withheld(UserError):
    """A UserError without its message, which may quote the extracts: what passes through Dagster,
    which keeps what it hears."""


class Busy(ChurnError):
    """Another refresh holds the warehouse."""

    exit_code = 3


class EnvironmentFailure(ChurnError):
    """Disk, permission or an internal error: nothing that the extracts could cure."""

    exit_code = 4


def refuse_if(problems: list[Problem]) -> None:
    """Raise one UserError for all `problems` of the extracts, if there are any; nothing has been loaded then."""
    if problems:
        head = f"{len(problems)} problems in the extracts:\n" if len(problems) > 1 else ""
        told = "\n".join(dict.fromkeys(problems))
        raise UserError(f"{head}{told}\nNothing was loaded; the warehouse is as it was.", problems=problems)
