"""Parquet files that an engine can read by itself, because their values stand as `raw` writes them.

Such a file is copied as it is to <folder>/<table>/<shape>/<load_id>.parquet. None of its rows is stored in `raw`: the
views there read the copy, and so does the engine. A row's number is its place in the file.

CSV files are not among them: a row is known by its file and number, and Spark numbers the rows of Parquet files only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import duckdb

from orchestration.contract.mapping import ColumnRule, SourceRule
from orchestration.contract.tables import DATES, NUMBERS, Table
from orchestration.errors import UserError
from orchestration.loading.discovery import Delivery
from orchestration.warehouse.publishing import sync
from orchestration.warehouse.quoting import identifier, quote
from orchestration.warehouse.replacing import replacing

# The types that engines write as the same text, as DuckDB calls them; floating point numbers are not among them.
_WHOLE_NUMBERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG")} | {
    "INTEGER",
    "UINTEGER",
}
_DAYS = {"DATE", "TIMESTAMP"}
_TEXT = "VARCHAR"
# What the readers of the engines call columns of their own.
_RESERVED = {"filename", "file_row_number", "_metadata"}


@dataclass(frozen=True)
class Shape:
    """What files have in common that one query can read."""

    columns: dict[str, str]  # contract column: column of the files
    types: dict[str, list[str]]  # of every column of the files: its type in DuckDB, and as what the files store it

    @classmethod
    def of(
        cls, con: duckdb.DuckDBPyConnection, rule: SourceRule, columns: dict[str, ColumnRule], file: str
    ) -> Shape | None:
        """The shape of the Parquet file that SQL calls `file`, None where the loader must read it.

        The mapping must say nothing but which column is which, engines must write every type alike, dates and numbers
        must not be texts, and years must have four digits. Whether the texts stand as in `raw`, SourceLoad looks."""
        named = {name: ColumnRule(mapped.sources, optional=mapped.optional) for name, mapped in rule.columns.items()}
        says_no_more = SourceRule(rule.table, rule.name, history=rule.history, columns=named)
        if says_no_more.signature("") != rule.signature("") or any(len(one.sources) != 1 for one in columns.values()):
            return None
        stored = con.execute(
            "select name, duckdb_type, concat_ws(' ', type, converted_type, logical_type), num_children"
            f" from parquet_schema({file}) offset 1"
        ).fetchall()
        types = {name: [kind, form] for name, kind, form, _ in stored}
        sources = {name: str(mapped.sources[0]) for name, mapped in columns.items()}
        if (
            any(children for *_, children in stored)
            or len({name.lower() for name, *_ in stored} - _RESERVED) < len(stored)  # engines ignore the case of names
            or not all(_is_alike(kind) and _is_simple(name) for name, kind, *_ in stored)
        ):
            return None
        days = []
        for name, source in sources.items():
            contract_type, [kind, _] = rule.table.columns[name].type, types[source]
            if contract_type in DATES:
                if kind not in _DAYS:
                    return None
                days += [f"min({identifier(source)})", f"max({identifier(source)})"]
            elif contract_type in NUMBERS and not _is_number(kind):
                return None
        if days:
            years = ", ".join(f"coalesce(year({day}) between 1000 and 9999, {day} is null)" for day in days)
            if not all(con.execute(f"select {years} from read_parquet({file})").fetchall()[0]):
                return None
        return cls(sources, types)

    @classmethod
    def read(cls, text: str) -> Shape:
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def id(self) -> str:
        return sha256(str(self).encode()).hexdigest()[:12]

    @property
    def texts(self) -> list[str]:
        """The contract columns that are texts in the files."""
        return [name for name, source in self.columns.items() if self.types[source][0] == _TEXT]

    def folder(self, table: Table, delivered: Path) -> Path:
        """Where the copies of files of this shape lie."""
        return delivered / table.raw / self.id

    def copy(self, table: Table, delivered: Path, load_id: str) -> Path:
        """Where the copy of a delivered file lies."""
        return self.folder(table, delivered) / f"{load_id}.parquet"

    def in_duckdb(self, table: Table, files: Iterable[Path]) -> str:
        """The rows of these files, with the columns of `raw.<table>_rows` in `row_columns`' order."""
        cells = ", ".join(f"{quote(name)}, cast({identifier(name)} as varchar)" for name in self.types)
        raw_row = f"cast(json_object({cells}) as varchar)"
        columns = self._select(table, identifier, "parse_filename(filename, true)", raw_row, "file_row_number")
        options = "filename = true, file_row_number = true, hive_partitioning = false"
        return f"{columns} from read_parquet([{', '.join(map(quote, files))}], {options})"

    def in_spark(self, table: Table, relation: str) -> str:
        """The same of a relation of Spark's on these files."""
        cells = ", ".join(f"cast(`{name}` as string) as `{name}`" for name in self.types)
        raw_row = f"to_json(struct({cells}), map('ignoreNullFields', 'false'))"
        load_id = "replace(_metadata.file_name, '.parquet', '')"
        return self._select(table, "`{}`".format, load_id, raw_row, "_metadata.row_index") + f" from {relation}"

    def _select(self, table: Table, quoted: Callable[[str], str], load_id: str, raw_row: str, place: str) -> str:
        cells = {name: self._cell(table, name, quoted) for name in self.columns}
        values = [cells.get(name, "cast(null as string)") for name in table.columns]
        values += [load_id, raw_row, "cast(null as string)", f"{place} + 1"]
        named = zip(values, row_columns(table), strict=True)
        return f"select {', '.join(f'{value} as {quoted(name)}' for value, name in named)}"

    def _cell(self, table: Table, name: str, quoted: Callable[[str], str]) -> str:
        """A contract column as the text that `raw` holds."""
        source, contract_type = quoted(self.columns[name]), table.columns[name].type
        if name in self.texts:
            return f"nullif({source}, '')"
        if contract_type in DATES:
            source = f"cast({source} as {contract_type})"
        return f"cast({source} as string)"


def copy(delivery: Delivery, file: Path) -> None:
    """Copy a delivered file, whole or not at all, and to the disk: its rows are nowhere else from now on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    copied = sha256()
    with replacing(file, private=True) as new:
        with delivery.path.open("rb") as source, new.open("wb") as target:
            while part := source.read(1 << 24):
                copied.update(part)
                target.write(part)
        if copied.hexdigest() != delivery.content_hash:
            raise UserError(
                f"{delivery.file} changed while it was being read. Refresh again when it has been written to its end.",
                code="changed_file",
                file=delivery.file,
            )
        sync(new)
    sync(*file.parents[:4])  # up to the storage: of the shape, of the table, and of all copies, which may be new too


def is_whole(copy: Path, size: int | None) -> bool:
    """Whether the copy of a delivered file is there and has its size, where that is known."""
    return copy.exists() and size in (None, copy.stat().st_size)


def row_columns(table: Table) -> list[str]:
    """The columns of `raw.<table>_rows`."""
    return [*table.columns, "load_id", "raw_row", "malformed", "row_number"]


def _is_number(kind: str) -> bool:
    return kind in _WHOLE_NUMBERS or kind.startswith("DECIMAL")


def _is_alike(kind: str) -> bool:
    return _is_number(kind) or kind in _DAYS or kind in (_TEXT, "BOOLEAN")


def _is_simple(name: str) -> bool:
    """Whether the loader and the engines call a column the same."""
    return name == " ".join(name.split()) and not {'"', "`"} & set(name)
