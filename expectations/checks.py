"""What a check is: a query that measures, and the limits between which Great Expectations accepts the measure.

The query returns one row per subject (a table, column, file, period…):

- `subject`    varchar, unique within the check: what the row speaks about
- `measure`    double: a share, ratio, number of days…; null where there is nothing to judge
- `evaluated`, `failed`, `sample`   where the subject stands for many rows: how many there are, how many of them fail,
               and keys of some that do (varchar[]); a subject without them stands for itself

Keys name places in the extracts or the marts and never repeat what a person wrote: results are published.
A query may use `$as_of` and, where `compares` says so, the last publish attached as `previous`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Gate = Literal["raw", "marts"]
Severity = Literal["critical", "warning"]
Status = Literal["passed", "failed", "error"]

SAMPLE_SIZE = 10


@dataclass(frozen=True)
class CheckSpec:
    """A declared check of the table `schema.table`;
    `compares` lists the columns that it reads from the last publish's table of that name."""

    check_name: str
    gate: Gate
    table_name: str
    severity: Severity
    description: str
    sql: str
    minimum: float | None = None
    maximum: float | None = None
    compares: tuple[str, ...] = ()

    @property
    def limits(self) -> str:
        """The accepted measures in words."""
        if self.minimum is None:
            return f"at most {self.maximum:g}"
        if self.maximum is None:
            return f"at least {self.minimum:g}"
        return f"{self.minimum:g} to {self.maximum:g}"


class Column(Protocol):
    """What the checks ask of a column of the extract contract."""

    @property
    def name(self) -> str: ...

    @property
    def required(self) -> bool: ...

    @property
    def refers_to(self) -> str | None: ...


class Table(Protocol):
    """What the checks ask of a table of the extract contract: `name` as in billing.invoices,
    `raw` as in billing__invoices."""

    @property
    def name(self) -> str: ...

    @property
    def raw(self) -> str: ...

    @property
    def columns(self) -> Mapping[str, Column]: ...

    @property
    def activity(self) -> bool: ...

    @property
    def event_day(self) -> str | None: ...

    @property
    def fresh_for_days(self) -> int | None: ...

    def knows(self, identifier: str) -> bool:
        """Whether the table says that such an id exists."""


class Subject(NamedTuple):
    """One row of a check's query."""

    subject: str
    measure: float | None
    evaluated: int = 1
    failed: int = 1
    sample: list[str] | None = None


class Crash(NamedTuple):
    """Why a check could not be evaluated, in words that repeat no data."""

    reason: str


class Verdict(NamedTuple):
    """What Great Expectations says of a check that it could evaluate."""

    outside: frozenset[str]  # the subjects whose measure is outside the limits


Counted = Mapping[CheckSpec, list[Subject] | Crash]
Judged = Mapping[CheckSpec, Verdict | Crash]
Judge = Callable[[Counted], Judged]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. `failed` and `error` of a critical check, and any `error`, block publishing."""

    check_name: str
    gate: Gate
    table_name: str
    severity: Severity
    status: Status
    evaluated_count: int
    failed_count: int
    sample: list[str]
    message: str


def breaches(relation: str, *, holds: str, key: str, subject: str = "'rows'", among: str = "true") -> str:
    """SQL for the share of the rows of `relation` (those `among`) in which `holds` is not true, per `subject`;
    null is not true."""
    return f"""
        select
            {subject} as subject,
            avg((({holds}) is not true)::integer) as measure,
            count(*) as evaluated,
            count(*) filter (({holds}) is not true) as failed,
            min({key}, {SAMPLE_SIZE}) filter (({holds}) is not true) as sample
        from {relation}
        where {among}
        group by all
    """
