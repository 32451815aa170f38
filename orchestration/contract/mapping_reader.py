"""From the text of `extracts.yml` to rules, with every mistake reported at its line with the nearest valid name."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import available_timezones

import duckdb

from orchestration.contract.mapping import (
    DELIMITERS,
    EPOCHS,
    EXCEL_SERIAL,
    FILE_NAME,
    LANGUAGES,
    MINOR_UNITS,
    ORIGINS,
    PERSONS,
    AlertRules,
    ColumnRule,
    Kept,
    Mapping,
    SourceRule,
    Unpivot,
)
from orchestration.contract.names import closest, nearest
from orchestration.contract.patterns import DAY_PARTS, full_matches
from orchestration.contract.placed_yaml import Block, Text
from orchestration.contract.pulls import NAME, read_pulls
from orchestration.contract.tables import DATES, MONEY, NUMBERS, Table, contract
from orchestration.errors import Problem, refuse_if

TOP_KEYS = ("preset", "pull", "time_zone", "reporting_currency", "tables", "policies", "schedule", "alerts")
TABLE_KEYS = (
    "name",
    "files",
    "delivery",
    "snapshot",
    "history",
    "encoding",
    "delimiter",
    "decimal",
    "date_format",
    "date_language",
    "time_zone",
    "header_row",
    "sheet",
    "records",
    "explode",
    "fill_down",
    "unpivot",
    "where",
    "empty",
    "key_prefix",
    "customer_prefix",
    "status_means",
    "columns",
)
COLUMN_KEYS = (
    "from",
    "first_of",
    "value",
    "empty",
    "values",
    "default",
    "format",
    "date_language",
    "time_zone",
    "scale",
    "add",
    "inclusive",
    "normalise",
    "pseudonym",
    "optional",
)
ALERT_KEYS = ("stale_after_days", "lost_sales_over", "quiet_hours")
WHERE_KEYS = ("present", "not")
UNPIVOT_KEYS = ("columns", "name", "value")
ADD_KEYS = ("years", "months", "days")  # in this order, as calendars do
SNAPSHOTS = ("all", "folder")
HISTORIES = ("true", "false", "dated")
INCLUSIVE = ("ended_on", "covers_until")
SUBSCRIPTIONS = "billing.subscriptions"
LONGEST_PATTERN = 1_000  # bytes


def column_name(text: Text) -> Text:
    """A source column as headers are compared: blanks around it trimmed, blanks in a row as one."""
    return text.replaced(" ".join(text.split()))


class MappingReader:
    """Turns the tree into a Mapping and collects every problem on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def mapping(self, tree: Block) -> Mapping:
        """The mapping of a whole file. Raises UserError with every problem."""
        self.known_keys(tree, TOP_KEYS, "")
        time_zone = self._time_zone(tree) or "UTC"
        currency = self.text(tree, "reporting_currency")
        if currency is not None and not re.fullmatch(r"[A-Za-z]{3}", currency.strip()):
            self.say(currency, f"'{currency}' is not a currency code of three letters")
        policies = {}
        for name, value in self.block(tree, "policies").items():
            policies[str(name)] = ",".join(self._texts(name, value))
        tables = {}
        for name, sources in self.block(tree, "tables").items():
            if name not in contract():
                self.say(name, f"there is no table '{name}' in the contract; {nearest(name, contract())}")
            else:
                tables[str(name)] = self._sources(contract()[name], name, sources)
        schedule, alerts = self._schedule(tree), self._alerts(tree)
        pulls = read_pulls(self, tree)
        refuse_if(self.problems)
        reporting_currency = currency and str(currency).strip().upper()
        return Mapping(str(time_zone), reporting_currency, policies, tables, schedule, alerts, pulls)

    def unattended(self, tree: Block) -> Mapping:
        """Of a file that has mistakes: what it says of the clock, alerts and pulls, as far as that has none."""
        return Mapping(
            self._time_zone(tree) or "UTC",
            schedule=self._schedule(tree),
            alerts=self._alerts(tree),
            pulls=tuple(pull for pull in read_pulls(self, tree) if NAME.fullmatch(pull.name)),
        )

    def _schedule(self, tree: Block) -> time:
        text = self.text(tree, "schedule")
        at = text and _time(text)
        if text and not at:
            self.say(text, f"'{text}' is not a time of the day for the daily refresh, such as 06:30")
        return at or Mapping.schedule

    def _alerts(self, tree: Block) -> AlertRules:
        block, rules = self.block(tree, "alerts"), AlertRules()
        self.known_keys(block, ALERT_KEYS, " of alerts")
        if days := self.text(block, "stale_after_days"):
            if re.fullmatch(r"[1-9]\d{0,3}", days):
                rules = replace(rules, stale_after_days=int(days))
            else:
                self.say(days, f"'{days}' is not a whole number of days")
        if amount := self.text(block, "lost_sales_over"):
            if re.fullmatch(r"\d{1,15}(\.\d+)?", amount):
                rules = replace(rules, lost_sales_over=Decimal(amount))
            else:
                self.say(amount, f"'{amount}' is not an amount of the reporting currency, such as 10000")
        if hours := self.text(block, "quiet_hours"):
            start, _, end = map(_time, hours.partition("-"))
            if start and end and start != end:
                rules = replace(rules, quiet_hours=(start, end))
            else:
                self.say(hours, f"'{hours}' is not a span of hours such as 22:00-07:00")
        return rules

    def _sources(self, table: Table, at: Text, value: Any) -> tuple[SourceRule, ...]:
        blocks = value if isinstance(value, list) else [value]
        rules: list[SourceRule] = []
        for position, block in enumerate(blocks, 1):
            if not isinstance(block, Block):
                if not getattr(block, "left_out", False):
                    self.say(block, f"'{at}' must have keys below it")
                block = Block()
            rule = replace(self._source(table, block), name=str(self.text(block, "name") or position))
            if any(rule.name == other.name for other in rules):
                self.say(block, f"two sources of {table.name} are named '{rule.name}'; give each a name of its own")
            rules.append(rule)
        return tuple(rules)

    def _source(self, table: Table, block: Block) -> SourceRule:
        self.known_keys(block, TABLE_KEYS, f" of {table.name}")
        delimiter = self._choice(block, "delimiter", DELIMITERS)
        rule = SourceRule(
            table,
            files=self._files(block),
            delivery=self._choice(block, "delivery", ("delta", "snapshot")) or "delta",
            snapshot=self._snapshot(block),
            history=(history := self._choice(block, "history", HISTORIES)) in ("true", "dated"),
            dated=history == "dated",
            encoding=self._encoding(block),
            delimiter=delimiter and DELIMITERS.get(delimiter),
            decimal=self._choice(block, "decimal", (".", ",")),
            date_formats=self._formats(block, "date_format"),
            date_language=self._choice(block, "date_language", LANGUAGES),
            time_zone=self._time_zone(block),
            header_row=self._header_row(block),
            sheet=self.listed(block, "sheet"),
            records=self.text(block, "records"),
            explode=self.text(block, "explode"),
            fill_down=tuple(map(column_name, self.listed(block, "fill_down"))),
            unpivot=self._unpivot(block),
            where=self._where(block),
            empty=self._empty(block),
            key_prefix=str(self.text(block, "key_prefix") or ""),
            customer_prefix=str(self.text(block, "customer_prefix") or ""),
            status_means=self._choice(block, "status_means", ("now", "period")),
            place=block.place,
        )
        columns = {}
        for name, value in self.block(block, "columns").items():
            if name not in table.columns:
                self.say(name, f"{table.name} has no column '{name}'; {nearest(name, table.columns)}")
            else:
                columns[str(name)] = self._column(rule, name, value)
        self._consistent(rule, block)
        return replace(rule, columns=columns)

    def _files(self, block: Block) -> tuple[Text, ...]:
        patterns = self.listed(block, "files")
        for pattern in patterns:
            if pattern.startswith("/") or ".." in pattern.split("/")[1:]:
                self.say(
                    pattern, f"'{pattern}' leads further out of the extracts folder than to the one beside it (../)"
                )
            elif len(pattern.encode()) > LONGEST_PATTERN or pattern.count("**") > 2:
                self.say(pattern, f"'{pattern[:60]} …' is too long a pattern, or has more than two **")
        return patterns

    def _consistent(self, rule: SourceRule, block: Block) -> None:
        """Keys that need or exclude one another."""
        for key in ("snapshot", "history"):
            if key in block and rule.delivery != "snapshot":
                self.say(self._key(block, key), f"'{key}' is for delivery: snapshot; write that above it")
        if rule.history and rule.table.name != SUBSCRIPTIONS:
            self.say(self._key(block, "history"), f"'history' is for {SUBSCRIPTIONS}, not for {rule.table.name}")
        if rule.status_means and rule.table.name != SUBSCRIPTIONS:
            self.say(self._key(block, "status_means"), f"'status_means' is for {SUBSCRIPTIONS}")
        if rule.explode and rule.unpivot:
            self.say(self._key(block, "unpivot"), "'explode' and 'unpivot' exclude each other")

    def _column(self, rule: SourceRule, name: Text, value: Any) -> ColumnRule:
        table = rule.table
        if not isinstance(value, Block):
            return ColumnRule(tuple(map(column_name, self._texts(name, value))), place=name.place)
        self.known_keys(value, COLUMN_KEYS, f" of {table.name}.{name}")
        kind = table.columns[name].type
        if sum(key in value for key in ORIGINS) != 1:
            self.say(
                name,
                f"{name} needs one of 'from' (a source column), 'first_of' (several, the first that has a value counts)"
                " and 'value' (a constant)",
            )
        if "value" in value and len(value) > 1:
            self.say(name, f"{name} is a constant: nothing may stand beside 'value'")
        for key, kinds, what in (
            ("format", DATES, "dates"),
            ("date_language", DATES, "dates"),
            ("time_zone", DATES, "dates"),
            ("add", DATES, "dates"),
            ("scale", NUMBERS, "numbers"),
        ):
            if key in value and kind not in kinds:
                self.say(self._key(value, key), f"'{key}' is for {what}, {table.name}.{name} is none")
        column = ColumnRule(
            sources=tuple(map(column_name, self._texts(name, value["from"]))) if "from" in value else (),
            first_of=tuple(map(column_name, self._texts(name, value["first_of"]))) if "first_of" in value else (),
            value=self._plain(value, "value"),
            empty=self._empty(value),
            values=self._values(value),
            default=self._plain(value, "default"),
            formats=self._formats(value, "format"),
            date_language=self._choice(value, "date_language", LANGUAGES),
            time_zone=self._time_zone(value),
            scale=self._scale(value, kind),
            add=self._add(value),
            inclusive=self._flag(value, "inclusive"),
            normalise=self._choice(value, "normalise", ("name",)),
            pseudonym=self._flag(value, "pseudonym"),
            optional=self._flag(value, "optional"),
            place=name.place,
        )
        self._permitted(rule, name, value, column)
        return column

    def _permitted(self, rule: SourceRule, name: Text, value: Block, column: ColumnRule) -> None:
        """Keys of a column that only some columns may have."""
        about = rule.table.columns[name]
        if column.inclusive and name not in INCLUSIVE:
            self.say(self._key(value, "inclusive"), f"'inclusive' is for {' and '.join(INCLUSIVE)}, not for {name}")
        if column.optional and rule.required(name):
            self.say(
                self._key(value, "optional"),
                f"{rule.table.name}.{name} is required, so it can't be optional: a row without it could not be used",
            )
        if column.normalise and not about.identifies:
            self.say(self._key(value, "normalise"), f"'normalise' is for ids, {rule.table.name}.{name} is none")
        if column.pseudonym and about.identifies not in PERSONS:
            self.say(
                self._key(value, "pseudonym"),
                f"'pseudonym' is for {' and '.join(PERSONS)} and what refers to them, not for {name}",
            )

    def _snapshot(self, block: Block) -> str | None:
        text = self.text(block, "snapshot")
        if text is None or text in SNAPSHOTS:
            return text and str(text)
        parts = re.findall("%.?", text)
        if not {"%Y", "%m"} <= set(parts):
            self.say(
                text,
                f"'{text}' is not a snapshot; it may be all, folder, or a date pattern of the path such as"
                ' "clients_%Y-%m-%d"',
            )
        for part in dict.fromkeys(parts):
            if part not in DAY_PARTS:
                self.say(text, f"'{text}' has {part}, which is no part of a day; such are {', '.join(DAY_PARTS)}")
            elif parts.count(part) > 1:
                self.say(text, f"'{text}' has {part} more than once; write it once")
        return text and str(text)

    def _encoding(self, block: Block) -> str | None:
        encoding = self.text(block, "encoding")
        if encoding is None:
            return None
        try:
            b"x".decode(encoding, "replace")  # fails for what is no encoding of text, such as hex
            return codecs.lookup(encoding).name
        except (LookupError, ValueError):
            self.say(
                encoding,
                f"there is no encoding '{encoding}'; such are utf-8, utf-16, windows-1251, windows-1252, latin-1",
            )
            return None

    def _header_row(self, block: Block) -> int | None:
        text = self.text(block, "header_row")
        if text is None:
            return None
        if not re.fullmatch(r"[1-9]\d{0,5}", text):
            self.say(text, f"'{text}' is not the number of a row, such as 4")
            return None
        return int(text)

    def _unpivot(self, block: Block) -> Unpivot | None:
        if "unpivot" not in block:
            return None
        inner = self.block(block, "unpivot")
        self.known_keys(inner, UNPIVOT_KEYS, " of unpivot")
        columns, name, value = (self.text(inner, key) for key in UNPIVOT_KEYS)
        if not (columns and name and value):
            self.say(self._key(block, "unpivot"), "'unpivot' needs columns (a pattern), name and value")
            return None
        try:
            full_matches(columns, ())
        except ValueError as error:
            self.say(columns, f"'{columns}' is not a pattern: {error}")
        return Unpivot(str(columns), str(column_name(name)), str(column_name(value)))

    def _where(self, block: Block) -> dict[Text, Kept]:
        where = {}
        for name, value in self.block(block, "where").items():
            if not isinstance(value, Block):
                where[column_name(name)] = Kept(values=tuple(text.trimmed() for text in self._texts(name, value)))
                continue
            self.known_keys(value, WHERE_KEYS, f" of where: {name}")
            excluded = tuple(text.trimmed() for text in self._texts(name, value["not"])) if "not" in value else ()
            present = self._flag(value, "present") if "present" in value else None
            where[column_name(name)] = Kept(excluded=excluded, present=present)
        return where

    def _values(self, block: Block) -> dict[str, str]:
        listed = {}
        for key, mapped in self.block(block, "values").items():
            if isinstance(mapped, Text):
                listed[key.trimmed()] = str(mapped)
            else:
                self.say(key, f"'{key}' must stand for one value")
        return listed

    def _scale(self, block: Block, kind: str) -> Decimal | str | None:
        text = self.text(block, "scale")
        if text is None or kind not in NUMBERS:
            return None
        if text == MINOR_UNITS:
            if kind not in MONEY:
                self.say(text, "'minor_units' is for amounts of money")
            return MINOR_UNITS
        try:
            scale = Decimal(text)
        except InvalidOperation:
            scale = Decimal(0)
        if not scale.is_finite() or scale == 0 or len(scale.as_tuple().digits) > 12 or abs(scale.adjusted()) > 9:
            self.say(text, f"'{text}' is not a factor such as 0.01, nor minor_units")
        return scale

    def _add(self, block: Block) -> tuple[tuple[str, int], ...]:
        added = []
        inner = self.block(block, "add")
        self.known_keys(inner, ADD_KEYS, " of add")
        for unit in ADD_KEYS:
            if (text := self.text(inner, unit)) is not None:
                if not re.fullmatch(r"[+-]?\d{1,5}", text):
                    self.say(text, f"'{text}' is not a whole number of {unit}")
                else:
                    added.append((unit, int(text)))
        return tuple(added)

    def _empty(self, block: Block) -> tuple[str, ...]:
        return tuple(text.strip() for text in self.listed(block, "empty"))

    def _formats(self, block: Block, key: str) -> tuple[str, ...]:
        formats = self.listed(block, key)
        for text in formats:
            self._check_format(text)
        return tuple(map(str, formats))

    def _check_format(self, text: Text) -> None:
        if text in EPOCHS or text == EXCEL_SERIAL:
            return
        if not re.search(r"%-?[YyGcx]", text):
            self.say(text, f"'{text}' has no year (%Y) and is none of epoch_s, epoch_ms and excel_serial")
            return
        try:
            with duckdb.connect() as engine:
                engine.execute("select try_strptime('x', ?)", [str(text)])
        except duckdb.Error as error:
            self.say(text, f"'{text}' is not a date format: {_last_part(error)}")

    def _time_zone(self, block: Block) -> str | None:
        text = self.text(block, "time_zone")
        if text is not None and text not in available_timezones():
            self.say(text, f"there is no time zone '{text}'; {_nearest_zone(text)}")
            return None
        return text and str(text)

    @staticmethod
    def unknown(what: str, name: str, names: Iterable[str]) -> str:
        """That there is nothing of the name, and which name may be meant."""
        return f"there is no {what} '{name}'; {nearest(name, names)}"

    def say(self, at: Any, problem: str) -> None:
        self.problems.append(Problem(f"{getattr(at, 'place', '') or FILE_NAME}: {problem}.", "mapping"))

    def known_keys(self, block: Block, keys: tuple[str, ...], owner: str) -> None:
        for key in block:
            if key not in keys:
                self.say(key, f"unknown key '{key}'{owner}; {nearest(key, keys)}")

    def _key(self, block: Block, key: str) -> Text:
        """The key itself, for its place."""
        return next(name for name in block if name == key)

    def block(self, block: Block, key: str) -> Block:
        value = block.get(key, Block())
        if isinstance(value, Block):
            return value
        if not getattr(value, "left_out", False):
            self.say(value, f"'{key}' must have keys below it")
        return Block()

    def _plain(self, block: Block, key: str) -> str | None:
        text = self.text(block, key)
        return None if text is None else str(text)

    def text(self, block: Block, key: str) -> Text | None:
        value = block.get(key)
        if isinstance(value, Text):
            return None if value.left_out else value
        if value is not None:
            self.say(self._key(block, key), f"'{key}' must be one value")
        return None

    def _flag(self, block: Block, key: str) -> bool:
        text = self.text(block, key)
        if text is not None and text.lower() not in ("true", "false"):
            self.say(text, f"'{key}' is true or false, not '{text}'")
        return text is not None and text.lower() == "true"

    def listed(self, block: Block, key: str) -> tuple[Text, ...]:
        return tuple(self._texts(key, block[key])) if key in block else ()

    def _texts(self, at: str, value: Any) -> list[Text]:
        texts = list(value) if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, Text) and not text.left_out for text in texts):
            self.say(at if isinstance(at, Text) else value, f"'{at}' must be a value or a list of values")
            return []
        return texts

    def _choice(self, block: Block, key: str, choices: Iterable[str]) -> str | None:
        value = self.text(block, key)
        if value is not None and value not in choices:
            self.say(value, f"'{value}' is no {key}; it may be {', '.join(repr(choice) for choice in choices)}")
        return value and str(value)


def _time(text: str) -> time | None:
    found = re.fullmatch(r" *([01]?\d|2[0-3]):([0-5]\d) *", text)
    return time(int(found[1]), int(found[2])) if found else None


def _last_part(error: Exception) -> str:
    return str(error).splitlines()[0].rpartition(": ")[2]


def _nearest_zone(name: str) -> str:
    zones = available_timezones()
    return nearest(name, zones) if closest(name, zones) else "names are as in Europe/Sofia"
