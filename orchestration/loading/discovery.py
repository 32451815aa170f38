"""Which files belong to which contract table, known by the hash of their content."""

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from orchestration.contract.mapping import FILE_NAME, Mapping
from orchestration.contract.names import nearest
from orchestration.contract.tables import contract
from orchestration.errors import EnvironmentFailure, UserError, refuse_if

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".xlsx": "xlsx",
}
COMPRESSIONS = {".gz", ".zst"}  # of text formats


@dataclass(frozen=True)
class Delivery:
    """One file of one table."""

    table: str
    path: Path
    file: str  # path relative to the extracts folder, with forward slashes
    format: str  # csv, json, parquet, xlsx
    suffixes: tuple[str, ...]  # lower case: ('.csv', '.gz')
    content_hash: str  # sha256 of the file's bytes
    stamp: tuple[int, int]  # size and time of change when it was hashed

    def changed(self) -> bool:
        return not self.path.exists() or _stamp(self.path) != self.stamp


def file_order(file: str) -> str:
    """A text that sorts paths with their digit runs compared as numbers: `9.csv` before `10.csv`."""

    def digits(run: re.Match) -> str:
        number = run[0].lstrip("0")
        return f"{len(number):03d}{number}"

    return re.sub("[0-9]+", digits, file) + "\t" + file


@dataclass(frozen=True)
class Extracts:
    """An extracts folder as it was found, looked at once for a refresh."""

    folder: Path
    mapping: Mapping
    deliveries: list[Delivery]  # in delivery order
    warnings: list[str]

    @property
    def fingerprint(self) -> str:
        """A text that changes when a file's content, its name, or the mapping does."""
        parts = [f"{delivery.table}\t{delivery.file}\t{delivery.content_hash}" for delivery in self.deliveries]
        return sha256("\n".join([*parts, self.mapping.content_hash]).encode()).hexdigest()


def find_extracts(folder: Path, mapping: Mapping) -> Extracts:
    """Find and hash the files of a folder.

    Raises UserError with every problem of the files that the mapping names; nothing has been loaded then."""
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Name the folder that holds the extracts with --extracts; nothing was loaded."
        )
    deliveries, warnings, problems = _find_deliveries(folder, mapping)
    refuse_if(problems)
    return Extracts(folder, mapping, deliveries, warnings)


def _find_deliveries(extracts: Path, mapping: Mapping) -> tuple[list[Delivery], list[str], list[str]]:
    """All files of all tables in delivery order, warnings, and problems that forbid loading.

    Raises UserError when there is no file in the folder."""
    if not any(path.is_file() and path.name != FILE_NAME for path in extracts.rglob("*")) and not mapping.tables:
        raise UserError(
            f"The folder {extracts} holds no files. Put the extracts there (crm/, billing/); nothing was loaded."
        )

    found: list[tuple[str, Path]] = []
    warnings: list[str] = []
    problems: list[str] = []
    taken: set[Path] = set()
    for name, rule in mapping.tables.items():
        for pattern in rule.files:
            paths = _matching(extracts, pattern)
            if not paths and not pattern.shipped:
                problems.append(_nothing_matches(extracts, name, pattern))
            found += [(name, path) for path in paths]
            taken.update(paths)

    canonical = {name for name in contract() if not mapping.rule(contract()[name]).files}
    for path in sorted(
        path for source in ("crm", "billing") for path in (extracts / source).rglob("*") if path.is_file()
    ):
        if path in taken or _is_hidden(path, extracts):
            continue
        table = _canonical_table(path.relative_to(extracts))
        if table in canonical and _format(path):
            found.append((table, path))
        else:
            warnings.append(f"{_relative(path, extracts)}: no table takes this file; it was not loaded.")

    deliveries = []
    for name, path in dict.fromkeys(found):
        file = _relative(path, extracts)
        if not _format(path):
            problems.append(
                f"{file}: files of this kind cannot be read ({name}). Save it as CSV or TSV (also .gz, .zst), Parquet, JSON or JSON Lines"
                " (also .gz), or .xlsx."
            )
            continue
        stamp = _stamp(path)
        try:
            with path.open("rb") as stream:
                digest = file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise EnvironmentFailure(f"{path} cannot be read: {error.strerror}. Nothing was loaded.") from error
        deliveries.append(Delivery(name, path, file, _format(path), _suffixes(path), digest, stamp))
    deliveries.sort(key=lambda delivery: (delivery.table, file_order(delivery.file)))
    return deliveries, warnings, problems


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _suffixes(path: Path) -> tuple[str, ...]:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    return tuple(suffixes if suffixes and suffixes[-1] in COMPRESSIONS else suffixes[-1:])


def _format(path: Path) -> str | None:
    suffixes = _suffixes(path)
    format = FORMATS.get(suffixes[0]) if suffixes else None
    return format if len(suffixes) < 2 or format in ("csv", "json") else None


def _relative(path: Path, extracts: Path) -> str:
    return Path(os.path.relpath(path, extracts)).as_posix()


def _is_hidden(path: Path, extracts: Path) -> bool:
    """Hidden files, and the lock files that a spreadsheet lays beside an open workbook."""
    return any(part.startswith((".", "~$")) for part in path.relative_to(extracts).parts)


def _matching(extracts: Path, pattern: str) -> list[Path]:
    literal = extracts / pattern
    if literal.is_file():
        return [literal]
    names = glob.glob(pattern, root_dir=extracts, recursive=True)
    return sorted(path for name in names if (path := extracts / name).is_file() and not path.name.startswith("~$"))


def _nothing_matches(extracts: Path, table: str, pattern) -> str:
    names: Iterable[str] = (
        _relative(path, extracts) for path in extracts.rglob("*") if path.is_file() and path.name != FILE_NAME
    )
    hint = nearest(pattern, list(names)[:10_000])
    if len(hint) > 300:
        hint = hint[:300] + " …"
    return f"{pattern.place}: no file matches '{pattern}' (files of {table}); {hint}."


def _canonical_table(relative: Path) -> str | None:
    """The table of `crm/customers.csv`, `crm/customers_2024-01.csv.gz` or `crm/customers/part-1.parquet`."""
    source, first = relative.parts[0], relative.parts[1]
    names = [name.partition(".")[2] for name in contract() if name.startswith(f"{source}.")]
    if len(relative.parts) > 2:
        return f"{source}.{first}" if first in names else None
    matching = [name for name in names if re.match(rf"{name}[-_. ]", first)]
    return f"{source}.{max(matching, key=len)}" if matching else None
