"""How a company's files and columns map onto the contract: the rules that `extracts.yml` declares."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import time
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from orchestration.contract.names import nearest
from orchestration.contract.placed_yaml import Block, Items, Text, merge, read_yaml
from orchestration.contract.pulls import Pull, as_pulled, kind_of
from orchestration.contract.tables import Table
from orchestration.errors import Problem, UserError, refuse_if

PRESETS = Path(__file__).parent / "presets"
FILE_NAME = "extracts.yml"
EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}  # units in one second
EXCEL_SERIAL = "excel_serial"
MINOR_UNITS = "minor_units"
LANGUAGES = ("bg", "ru", "en", "fil")
DELIMITERS = {",": ",", ";": ";", "\t": "\t", "\\t": "\t", "tab": "\t", "|": "|"}
# Where a column comes from: one of these.
ORIGINS = ("from", "first_of", "value")
# Ids of persons, which may be published as pseudonyms.
PERSONS = ("customer_id", "employee_id")
# What the only source of a table is called when its mapping gives it no name.
FIRST_SOURCE = "1"


@dataclass(frozen=True)
class Kept:
    """A condition of `where` on a source column: values to keep, values to drop, whether it must have a value."""

    values: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    present: bool | None = None


@dataclass(frozen=True)
class Unpivot:
    """Columns whose header matches `columns` become rows: `name` holds the header, `value` the cell."""

    columns: str
    name: str
    value: str


@dataclass(frozen=True)
class ColumnRule:
    """Where a contract column comes from and how its text is read.

    `sources`: source columns, several joined by |. `first_of`: alternatives, the first with a value counts.
    `value`: a constant. Exactly one of the three is given."""

    sources: tuple[Text, ...] = ()
    value: str | None = None
    formats: tuple[str, ...] = ()
    scale: Decimal | str | None = None  # a factor, or minor_units
    values: dict[str, str] = field(default_factory=dict)
    default: str | None = None
    first_of: tuple[Text, ...] = ()
    empty: tuple[str, ...] = ()
    optional: bool = False
    time_zone: str | None = None
    date_language: str | None = None
    add: tuple[tuple[str, int], ...] = ()  # (days | months | years, count)
    inclusive: bool = False
    normalise: str | None = None
    pseudonym: bool = False
    place: str = FILE_NAME

    @property
    def read_from(self) -> tuple[Text, ...]:
        """Every source column that the rule reads."""
        return self.sources or self.first_of

    def signature(self) -> str:
        """What decides how the column is read, as text."""
        parts = {name: value for name, value in vars(self).items() if name != "place"}
        return json.dumps(parts, default=str)


@dataclass(frozen=True)
class SourceRule:
    """How the files of one source of a contract table are found and read. None: not declared."""

    table: Table
    name: str = FIRST_SOURCE
    files: tuple[Text, ...] = ()  # globs relative to the extracts folder; empty: the canonical layout
    delivery: str = "delta"
    snapshot: str | None = None  # all, folder, or a date pattern of the path
    history: bool = False
    dated: bool = False  # the lists of a history state the days of starts and ends
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    date_formats: tuple[str, ...] = ()
    date_language: str | None = None
    time_zone: str | None = None
    header_row: int | None = None
    sheet: tuple[Text, ...] = ()  # names or patterns
    records: Text | None = None
    explode: Text | None = None
    fill_down: tuple[Text, ...] = ()
    unpivot: Unpivot | None = None
    where: dict[Text, Kept] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    key_prefix: str = ""
    customer_prefix: str = ""
    status_means: str | None = None
    columns: dict[str, ColumnRule] = field(default_factory=dict)
    place: str = field(default="", compare=False)  # of its first key; none in the canonical layout

    def falls_back(self, name: str) -> bool:
        """Whether a column that is not mapped may come from the source column of its name: not when that one already
        serves as another column, unless the row would be lost without it."""
        taken = any(mapped.read_from == (name,) for mapped in self.columns.values())
        return name not in self.columns and (self.required(name) or not taken)

    def required(self, name: str) -> bool:
        """Whether each row needs a value in the column; versions of a list need no day of their own."""
        return self.table.columns[name].required and not (self.history and name == "started_on")

    def formats(self, mapped: ColumnRule) -> tuple[str, ...]:
        """The declared formats of a date column."""
        return mapped.formats or self.date_formats

    def language(self, mapped: ColumnRule) -> str | None:
        """The declared language of the month names of a date column."""
        return mapped.date_language or self.date_language

    def signature(self, time_zone: str) -> str:
        """What decides how a row is read, as a hash; where the file lies and how it is delivered does not."""
        unread = ("table", "files", "delivery", "snapshot", "dated", "status_means", "columns", "place")
        parts = {name: value for name, value in vars(self).items() if name not in unread}
        parts |= {
            "company": time_zone,
            "columns": {name: rule.signature() for name, rule in self.columns.items()},
            "contract": [(column.name, column.type) for column in self.table.columns.values()],
            "where": {name: vars(kept) for name, kept in self.where.items()},
        }
        return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class AlertRules:
    """Beyond which limits people are told of something, and when not (docs/alerts.md)."""

    stale_after_days: int = 7
    lost_sales_over: Decimal | None = None
    quiet_hours: tuple[time, time] | None = None

    def is_quiet(self, at: time) -> bool:
        """Whether nobody wants to hear of anything at this time of the day; quiet hours may go over midnight."""
        if self.quiet_hours is None:
            return False
        start, end = self.quiet_hours
        return start <= at < end if start <= end else at >= start or at < end


@dataclass(frozen=True)
class Mapping:
    """A validated `extracts.yml`. `policies` are text as written (a list is joined by commas), not yet validated."""

    time_zone: str = "UTC"
    reporting_currency: str | None = None
    policies: dict[str, str] = field(default_factory=dict)
    tables: dict[str, tuple[SourceRule, ...]] = field(default_factory=dict)
    schedule: time = time(5)  # of the daily refresh, in the time zone
    alerts: AlertRules = AlertRules()
    pulls: tuple[Pull, ...] = ()
    content_hash: str = field(default="", compare=False)  # of the file itself

    @property
    def snapshots(self) -> list[str]:
        """The sources, as `table source`, of which the newest snapshot replaces all earlier ones."""
        return [f"{rule.table.name} {rule.name}" for rule in self.rules() if rule.delivery == "snapshot"]

    def sources(self, table: Table) -> tuple[SourceRule, ...]:
        """The sources of a table; a table that is not mapped has one, in the canonical layout."""
        return self.tables.get(table.name) or (SourceRule(table),)

    def rules(self) -> Iterable[SourceRule]:
        """Every source that the file declares."""
        return (rule for sources in self.tables.values() for rule in sources)


def load_mapping(extracts: Path) -> Mapping:
    """The mapping of an extracts folder, the default one where it has no `extracts.yml`. Raises UserError with every
    problem found."""
    from orchestration.contract.mapping_reader import MappingReader

    path = extracts / FILE_NAME
    if (other := path.with_suffix(".yaml")).exists():
        advice = "Keep one of the two, named extracts.yml" if path.exists() else "Rename it to extracts.yml"
        raise UserError(
            f"{other.name} is not read: the mapping is called {FILE_NAME}. {advice}; nothing was loaded.",
            code="mapping",
        )
    if not path.exists():
        return Mapping()
    if not is_within(path, extracts):
        raise UserError(
            f"{FILE_NAME} is a link that leads out of {extracts}. Copy the file there; nothing was loaded.",
            code="mapping",
        )
    own = read_yaml(path, FILE_NAME)
    presets = _presets(own) + _pulled(own)
    merged = Block()
    for _, tree in presets:
        merged = merge(merged, Block({key: value for key, value in tree.items() if key != "tables"}), 1)
    merged = merge(merged, own, 1)
    tables = own.get("tables")
    if isinstance(tables, Block) or (tables is None and presets) or getattr(tables, "left_out", False):
        merged["tables"] = _with_presets(presets, tables if isinstance(tables, Block) else Block())
    mapping = MappingReader().mapping(merged)
    return replace(mapping, content_hash=sha256(path.read_bytes()).hexdigest())


def unattended_mapping(extracts: Path) -> Mapping:
    """The mapping, for what runs by the clock and must not end with a mistake in it: the refresh tells of that."""
    from orchestration.contract.mapping_reader import MappingReader

    try:
        return load_mapping(extracts)
    except UserError:
        with suppress(UserError, OSError):
            return MappingReader().unattended(read_yaml(extracts / FILE_NAME, FILE_NAME))
        return Mapping()


def is_within(path: Path, folder: Path) -> bool:
    """Whether the path, its links followed, lies in the folder."""
    return path.resolve().is_relative_to(folder.resolve())


def preset_mapping(preset: str) -> Mapping:
    """A shipped preset by itself."""
    from orchestration.contract.mapping_reader import MappingReader  # it reads what is defined here

    own = Block({Text("preset"): Text(preset)})
    return MappingReader().mapping(Block({Text("tables"): _with_presets(_presets(own), Block())}))


def _presets(own: Block) -> list[tuple[str, Block]]:
    """Name and content of the presets that the file starts from."""
    declared = own.get("preset", ())
    presets = []
    for preset in declared if isinstance(declared, list | tuple) else [declared]:
        shipped = {path.stem: path for path in PRESETS.glob("*.yml")}
        if not isinstance(preset, Text) or preset not in shipped:
            place = getattr(preset, "place", FILE_NAME)
            refuse_if([Problem(f"{place}: there is no preset '{preset}'; {nearest(str(preset), shipped)}.", "mapping")])
        presets.append((str(preset), _shipped(preset)))
    return presets


def _shipped(preset: str) -> Block:
    return read_yaml(PRESETS / f"{preset}.yml", f"preset {preset}.yml", shipped=True)


def _pulled(own: Block) -> list[tuple[str, Block]]:
    """Name and content of the presets that read what is pulled; what is wrong with `pull` the reader says."""
    declared = own.get("pull")
    sources = declared.items() if isinstance(declared, Block) else ()
    return [
        (str(name), as_pulled(name, kind, _shipped(kind.preset)))
        for name, value in sources
        if (kind := kind_of(name, value)).preset
    ]


def _with_presets(presets: list[tuple[str, Block]], own: Block) -> Block:
    """The sources of each table: those of the presets, named after them, and the company's own over or after them."""
    tables = Block()
    tables.place = own.place
    for preset, tree in presets:
        for table, sources in tree.get("tables", Block()).items():
            for source in sources if isinstance(sources, list) else [sources]:
                named = Block(source)
                named.place = source.place
                part = source.get("name")
                named[Text("name")] = Text(f"{preset}-{part}" if part else preset)
                tables.setdefault(table, Items()).append(named)
    for table, sources in own.items():
        shipped = tables.pop(table, Items())
        if not shipped:
            tables[table] = sources
            continue
        merged = Items(shipped)
        for source in sources if isinstance(sources, list) else [sources]:
            if not isinstance(source, Block):
                merged.append(source)
                continue
            positions = {str(block["name"]): position for position, block in enumerate(merged) if "name" in block}
            # a table written without a name, where there is one source to mean, means that one
            only = next(iter(positions)) if len(shipped) == 1 and not isinstance(sources, list) else None
            position = positions.get(str(source.get("name", only)))
            if position is None:
                merged.append(source)
            else:
                merged[position] = _overridden(merged[position], source)
        tables[table] = merged
    return tables


def _overridden(shipped: Block, own: Block) -> Block:
    """A preset's source with the company's own over it, key by key. A column for which the company says where it comes
    from no longer comes from where the preset had it."""
    merged, columns = merge(shipped, own, 2), own.get("columns")
    for name, column in columns.items() if isinstance(columns, Block) else ():
        if not isinstance(column, Block) or not any(key in column for key in ORIGINS):
            continue
        if "value" in column:  # nothing may stand next to a constant
            merged["columns"][name] = column
        for key in ORIGINS:
            if key not in column:
                merged["columns"][name].pop(key, None)
    return merged
