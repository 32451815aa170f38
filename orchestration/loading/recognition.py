"""Which shipped presets the files of a folder are made for, by the columns that they have: for `churn init`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from orchestration.contract.mapping import PRESETS, SourceRule, preset_mapping
from orchestration.contract.tables import contract
from orchestration.errors import Problem, UserError
from orchestration.loading.discovery import Delivery, canonical_table, readable_files
from orchestration.loading.readers import Readers

# A preset is recognised by a file that has so many of its columns; further files of it need fewer.
RECOGNISED_BY, ALSO_WITH = 5, 2
# Bytes of a text file that are looked at: each rule of each preset looks.
HEAD = 1 << 20


@dataclass(frozen=True)
class Group:
    """Files whose names differ in digits only, seen as deliveries of one source; the first stands for all."""

    pattern: str
    deliveries: tuple[Delivery, ...]
    head: Delivery  # the beginning of the first, as a file of its own

    @property
    def delivery(self) -> Delivery:
        return self.deliveries[0]


@dataclass(frozen=True)
class Match:
    """A source of a preset, files that it could read, and how many of its columns they have."""

    preset: str
    rule: SourceRule
    group: Group
    columns: int

    @property
    def is_at_home(self) -> bool:
        """Whether the files lie and are called as the preset wants it."""
        return any(self.group.delivery.path.match(pattern) for pattern in self.rule.files)

    @property
    def tells_subscriptions(self) -> bool:
        return self.rule.table.name.startswith("billing.subscription")


def groups_of(folder: Path, scratch: Path) -> list[Group]:
    """The files of a folder that could be extracts; beginnings of large ones are copied to `scratch`."""
    found: dict[str, list[Delivery]] = {}
    for delivery in readable_files(folder):
        file = Path(delivery.file)
        name = _without_digits(file.stem) + file.suffix
        folders = [_without_digits(part) for part in file.parent.parts]
        found.setdefault("/".join([*folders, name]), []).append(delivery)
    return [
        Group(pattern, tuple(deliveries), _head(deliveries[0], scratch / f"head_{place}"))
        for place, (pattern, deliveries) in enumerate(found.items())
    ]


def _without_digits(name: str) -> str:
    return re.sub(r"\d[\d_.-]*(?=\D|$)", "*", name)


def _head(delivery: Delivery, target: Path) -> Delivery:
    """The first lines of a large text file; other files as they are."""
    of_lines = delivery.suffixes[-1] in (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
    if not of_lines or delivery.path.stat().st_size <= HEAD:
        return delivery
    with delivery.path.open("rb") as whole:
        lines = whole.read(HEAD)
    target.write_bytes(lines[: lines.rfind(b"\n") + 1])
    return replace(delivery, path=target)


def is_canonical(folder: Path, group: Group, scratch: Path) -> bool:
    """Whether the files are found and read without any mapping."""
    table = canonical_table(group.delivery.path.relative_to(folder))
    with duckdb.connect() as con:
        return table is not None and _columns(con, scratch, SourceRule(contract()[table]), group) is not None


def matching_presets(groups: list[Group], scratch: Path) -> list[Match]:
    """What each preset that is recognised could read."""
    matches: list[Match] = []
    with duckdb.connect() as con:
        for preset in sorted(path.stem for path in PRESETS.glob("*.yml")):
            found = [
                Match(preset, rule, group, count)
                for rule in preset_mapping(preset).rules()
                for group in groups
                if (count := _found(con, scratch, rule, group))
            ]
            if any(match.columns >= RECOGNISED_BY for match in found):
                matches += [match for match in found if match.columns >= ALSO_WITH]
    return matches


def choose(matches: list[Match]) -> list[Match]:
    """The matches to propose: each file is read by one preset, each table of a preset from one file, and the
    subscriptions of a vendor are told once."""
    chosen: list[Match] = []
    columns: dict[str, int] = {}
    for match in matches:
        columns[match.preset] = columns.get(match.preset, 0) + match.columns
    for preset in sorted(columns, key=lambda preset: -columns[preset]):
        taken = {match.group for match in chosen}
        left = [match for match in matches if match.preset == preset and match.group not in taken]
        at_home = {match.group for match in left if match.is_at_home}
        # a file that lies where the preset wants it is what it is called
        best = _best_of_each_table([match for match in left if match.is_at_home or match.group not in at_home])
        told = {_vendor(match.preset) for match in chosen if match.tells_subscriptions}
        if _vendor(preset) not in told or not any(match.tells_subscriptions for match in best):
            chosen += best
    return chosen


def _best_of_each_table(matches: list[Match]) -> list[Match]:
    """The best match of each table. Files that lie elsewhere than the preset wants are one thing: they serve further
    tables only where the preset reads those from the same files."""
    of_group: dict[Group, Match] = {}
    best: dict[str, Match] = {}
    for match in sorted(matches, key=lambda match: -match.columns):
        main = of_group.setdefault(match.group, match)
        if match.is_at_home or match.rule.files == main.rule.files:
            best.setdefault(match.rule.table.name, match)
    return list(best.values())


def _vendor(preset: str) -> str:
    return preset.partition("_")[0]


def _found(con: duckdb.DuckDBPyConnection, scratch: Path, rule: SourceRule, group: Group) -> int:
    """How many columns of the rule the files have; 0 where they lack one that the rule needs."""
    if rule.records and group.delivery.format != "json":
        return 0
    columns = _columns(con, scratch, rule, group) or set()
    return sum(not columns.isdisjoint(mapped.read_from) for mapped in rule.columns.values())


def _columns(con: duckdb.DuckDBPyConnection, scratch: Path, rule: SourceRule, group: Group) -> set[str] | None:
    """The columns of files that can be read by the rule and have rows."""
    readers, problems = Readers(con, scratch), list[Problem]()
    try:
        stages = readers.stages(rule, [replace(group.head, table=rule.table.name)], problems)
        if problems or not stages or not con.execute(f"select 1 from {stages[0].relation} limit 1").fetchall():
            return None
        return set().union(*stages[0].columns)
    except (UserError, duckdb.Error):
        return None
    finally:
        readers.close()
