"""`extracts.yml`: how a company's files and columns map onto the contract.

Every scalar is text that remembers where it stands, so that `Yes` stays `Yes` and every complaint can name the line.
"""

import codecs
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import yaml

from orchestration.contract.names import nearest
from orchestration.contract.tables import DATES, NUMBERS, Table, contract
from orchestration.errors import UserError, refuse_if

PRESETS = Path(__file__).parent / "presets"
FILE_NAME = "extracts.yml"
EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}  # units in one second

TOP_KEYS = ("preset", "time_zone", "reporting_currency", "tables", "policies")
TABLE_KEYS = (
    "files",
    "delivery",
    "encoding",
    "delimiter",
    "decimal",
    "date_format",
    "sheet",
    "records",
    "explode",
    "where",
    "columns",
)
COLUMN_KEYS = ("from", "value", "format", "scale", "values", "default")
DELIMITERS = {",": ",", ";": ";", "\t": "\t", "\\t": "\t", "tab": "\t", "|": "|"}


class Text(str):
    """A scalar and its place (`extracts.yml, line 3`)."""

    place: str = FILE_NAME
    shipped: bool = False  # it comes from a preset
    left_out: bool = False  # nothing stands after the key


class Items(list):
    """A YAML list."""

    place: str = FILE_NAME


class Block(dict):
    """A YAML mapping with Text keys."""

    place: str = FILE_NAME


@dataclass(frozen=True)
class ColumnRule:
    """Where a contract column comes from: source columns (several are joined by |) or a constant `value`."""

    sources: tuple[Text, ...] = ()
    value: str | None = None
    format: str | None = None
    scale: Decimal | None = None
    values: dict[str, str] = field(default_factory=dict)
    default: str | None = None
    place: str = FILE_NAME

    def signature(self) -> str:
        return json.dumps([self.sources, self.value, self.format, str(self.scale), self.values, self.default])


@dataclass(frozen=True)
class TableRule:
    """How the files of one contract table are found and read. None: not declared."""

    table: Table
    files: tuple[Text, ...] = ()  # globs relative to the extracts folder; empty: the canonical layout
    delivery: str = "delta"
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    date_format: str | None = None
    sheet: Text | None = None
    records: Text | None = None
    explode: Text | None = None
    where: dict[Text, tuple[str, ...]] = field(default_factory=dict)
    columns: dict[str, ColumnRule] = field(default_factory=dict)

    def falls_back(self, name: str) -> bool:
        """Whether a column that is not mapped may come from the source column of its name: not when that one already
        serves as another column, unless the row would be lost without it."""
        taken = any(mapped.sources == (name,) for mapped in self.columns.values())
        return name not in self.columns and (self.table.columns[name].required or not taken)

    def signature(self, time_zone: str) -> str:
        """What decides how a row is read, as a hash; where the file lies and how it is delivered does not."""
        parts = [
            time_zone,
            self.encoding,
            self.delimiter,
            self.decimal,
            self.date_format,
            self.sheet,
            self.records,
            self.explode,
            self.where,
            {name: rule.signature() for name, rule in self.columns.items()},
            [(column.name, column.type) for column in self.table.columns.values()],
        ]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Mapping:
    """A validated `extracts.yml`. `policies` are text as written (a list is joined by commas), not yet validated."""

    time_zone: str = "UTC"
    reporting_currency: str | None = None
    policies: dict[str, str] = field(default_factory=dict)
    tables: dict[str, TableRule] = field(default_factory=dict)
    content_hash: str = field(default="", compare=False)  # of the file itself

    @property
    def snapshots(self) -> list[str]:
        """The tables of which the newest file replaces all others."""
        return [name for name, rule in self.tables.items() if rule.delivery == "snapshot"]

    def rule(self, table: Table) -> TableRule:
        return self.tables.get(table.name) or TableRule(table)


def load_mapping(extracts: Path) -> Mapping:
    """The mapping of an extracts folder, the default one where it has no `extracts.yml`. Raises UserError with every
    problem found."""
    path = extracts / FILE_NAME
    if not path.exists():
        return Mapping()
    own = _read(path, FILE_NAME)
    merged = Block()
    for preset in _listed(own.get("preset", ())):
        found = PRESETS / f"{preset}.yml"
        if not found.exists():
            hint = nearest(preset, [shipped.stem for shipped in PRESETS.glob("*.yml")])
            refuse_if([f"{preset.place}: there is no preset '{preset}'; {hint}."])
        merged = _merge(merged, _read(found, f"preset {found.name}", shipped=True))
    mapping = _Reader().mapping(_merge(merged, own))
    return replace(mapping, content_hash=sha256(path.read_bytes()).hexdigest())


def _read(path: Path, name: str, shipped: bool = False) -> Block:
    """A YAML file as Blocks, lists and Texts."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8; nothing was loaded."
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error)
        raise UserError(f"{name}{line}: this is not valid YAML: {what}. Nothing was loaded.") from None

    problems: list[str] = []

    def convert(node):
        place = f"{name}, line {node.start_mark.line + 1}"
        if isinstance(node, yaml.ScalarNode):
            text = Text(node.value)
            text.place, text.shipped = place, shipped
            text.left_out = node.value == "" and node.style is None
            return text
        if isinstance(node, yaml.SequenceNode):
            items = Items(map(convert, node.value))
            items.place = place
            return items
        block = Block()
        block.place = place
        for key_node, value_node in node.value:
            key = convert(key_node)
            if not isinstance(key, Text):
                problems.append(f"{place}: a key must be a plain name.")
                continue
            if key in block:
                problems.append(f"{key.place}: '{key}' stands here twice.")
            block[key] = convert(value_node)
        return block

    tree = Block() if node is None else convert(node)
    if not isinstance(tree, Block):
        problems.append(f"{name}: keys are expected ({', '.join(TOP_KEYS)}).")
    refuse_if(problems)
    return tree


def _merge(base: Block, own: Block, depth: int = 0) -> Block:
    """`own` over `base`, key by key down to the columns of a table."""
    merged = Block(base)
    merged.place = own.place
    for key, value in own.items():
        known = merged.pop(key, None)  # the key's place must be the own one
        if depth < 3 and key != "where" and isinstance(known, Block) and isinstance(value, Block):
            value = _merge(known, value, depth + 1)
        merged[key] = value
    return merged


def _listed(value) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


class _Reader:
    """Turns the tree into a Mapping and collects every problem on the way."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def mapping(self, tree: Block) -> Mapping:
        self._known_keys(tree, TOP_KEYS, "")
        time_zone = self._text(tree, "time_zone") or "UTC"
        if time_zone not in available_timezones():
            self._say(time_zone, f"there is no time zone '{time_zone}'; {_nearest_zone(time_zone)}")
        currency = self._text(tree, "reporting_currency")
        if currency is not None and not re.fullmatch(r"[A-Za-z]{3}", currency.strip()):
            self._say(currency, f"'{currency}' is not a currency code of three letters")
        policies = {}
        for name, value in self._block(tree, "policies").items():
            policies[name] = ",".join(self._texts(name, value))
        tables = {}
        for name in self._block(tree, "tables"):
            if name not in contract():
                self._say(name, f"there is no table '{name}' in the contract; {nearest(name, contract())}")
            else:
                tables[str(name)] = self._table(contract()[name], self._block(tree["tables"], name))
        refuse_if(self.problems)
        return Mapping(str(time_zone), currency and str(currency).strip().upper(), policies, tables)

    def _table(self, table: Table, block: Block) -> TableRule:
        self._known_keys(block, TABLE_KEYS, f" of {table.name}")
        where = {}
        for name, values in self._block(block, "where").items():
            where[name] = tuple(text.strip() for text in self._texts(name, values))
        columns = {}
        for name, value in self._block(block, "columns").items():
            if name not in table.columns:
                self._say(name, f"{table.name} has no column '{name}'; {nearest(name, table.columns)}")
            else:
                columns[str(name)] = self._column(table, name, value)
        date_format = self._text(block, "date_format")
        if date_format is not None:
            self._check_format(date_format)
        encoding = self._text(block, "encoding")
        if encoding is not None:
            try:
                encoding = codecs.lookup(encoding).name
            except LookupError:
                self._say(
                    encoding,
                    f"there is no encoding '{encoding}'; such are utf-8, utf-16, windows-1251, windows-1252, latin-1",
                )
        delimiter = self._choice(block, "delimiter", DELIMITERS)
        return TableRule(
            table,
            tuple(self._texts("files", block["files"])) if "files" in block else (),
            self._choice(block, "delivery", ("delta", "snapshot")) or "delta",
            encoding,
            delimiter and DELIMITERS.get(delimiter),
            self._choice(block, "decimal", (".", ",")),
            date_format,
            self._text(block, "sheet"),
            self._text(block, "records"),
            self._text(block, "explode"),
            where,
            columns,
        )

    def _column(self, table: Table, name: Text, value) -> ColumnRule:
        if not isinstance(value, Block):
            return ColumnRule(tuple(self._texts(name, value)), place=name.place)
        self._known_keys(value, COLUMN_KEYS, f" of {table.name}.{name}")
        kind = table.columns[name].type
        if ("from" in value) == ("value" in value):
            self._say(name, f"{name} needs either 'from' (a source column) or 'value' (a constant)")
        if "value" in value and len(value) > 1:
            self._say(name, f"{name} is a constant: nothing may stand beside 'value'")
        format = self._text(value, "format")
        if format is not None and kind not in DATES:
            self._say(format, f"'format' is for dates, {table.name}.{name} is none")
        elif format is not None:
            self._check_format(format)
        scale_text, scale = self._text(value, "scale"), None
        if scale_text is not None and kind not in NUMBERS:
            self._say(scale_text, f"'scale' is for numbers, {table.name}.{name} is none")
        elif scale_text is not None:
            try:
                scale = Decimal(scale_text)
            except InvalidOperation:
                scale = Decimal(0)
            if not scale.is_finite() or scale == 0 or len(scale.as_tuple().digits) > 12 or abs(scale.adjusted()) > 9:
                self._say(scale_text, f"'{scale_text}' is not a factor such as 0.01")
        listed = {}
        for key, mapped in self._block(value, "values").items():
            if isinstance(mapped, Text):
                listed[key.strip()] = str(mapped)
            else:
                self._say(key, f"'{key}' must stand for one value")
        default, constant = self._text(value, "default"), self._text(value, "value")
        return ColumnRule(
            tuple(self._texts(name, value["from"])) if "from" in value else (),
            constant and str(constant),
            format and str(format),
            scale,
            listed,
            None if default is None else str(default),
            name.place,
        )

    def _check_format(self, text: Text) -> None:
        if text in EPOCHS:
            return
        if re.search(r"%-?y", text):
            self._say(text, f"'{text}' has years of two digits (%y); years have four (%Y)")
        elif not re.search(r"%[YGcx]", text):
            self._say(text, f"'{text}' has no year (%Y) and is neither epoch_s nor epoch_ms")
        else:
            try:
                with duckdb.connect() as engine:
                    engine.execute("select try_strptime('x', ?)", [str(text)])
            except duckdb.Error as error:
                self._say(text, f"'{text}' is not a date format: {str(error).splitlines()[0].rpartition(': ')[2]}")

    def _say(self, at, problem: str) -> None:
        self.problems.append(f"{getattr(at, 'place', FILE_NAME)}: {problem}.")

    def _known_keys(self, block: Block, keys: tuple[str, ...], owner: str) -> None:
        for key in block:
            if key not in keys:
                self._say(key, f"unknown key '{key}'{owner}; {nearest(key, keys)}")

    def _block(self, block: Block, key: str) -> Block:
        value = block.get(key, Block())
        if isinstance(value, Block):
            return value
        if not getattr(value, "left_out", False):
            self._say(value, f"'{key}' must have keys below it")
        return Block()

    def _text(self, block: Block, key: str) -> Text | None:
        value = block.get(key)
        if isinstance(value, Text):
            return None if value.left_out else value
        if value is not None:
            self._say(next(name for name in block if name == key), f"'{key}' must be one value")
        return None

    def _texts(self, at, value) -> list[Text]:
        texts = _listed(value)
        if not texts or not all(isinstance(text, Text) and not text.left_out for text in texts):
            self._say(at, f"'{at}' must be a value or a list of values")
            return []
        return texts

    def _choice(self, block: Block, key: str, choices: Iterable[str]) -> str | None:
        value = self._text(block, key)
        if value is not None and value not in choices:
            self._say(value, f"'{value}' is no {key}; it may be {', '.join(repr(choice) for choice in choices)}")
        return value and str(value)


def _nearest_zone(name: str) -> str:
    zones = available_timezones()
    return nearest(name, zones) if get_close_matches(name, zones, 1, 0.5) else "names are as in Europe/Sofia"
