"""Which files belong to which contract table, known by the hash of their content."""

import glob
import os
import re
from calendar import monthrange
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import file_digest, sha256
from pathlib import Path

from orchestration.contract.mapping import FILE_NAME, Mapping, SourceRule, is_within
from orchestration.contract.names import nearest
from orchestration.contract.patterns import day_pattern
from orchestration.contract.pulls import FOLDER
from orchestration.contract.tables import contract
from orchestration.errors import EnvironmentFailure, Problem, UserError, refuse_if
from orchestration.loading.worksheets import open_workbook
from orchestration.warehouse.folder import is_text, refuse_unless_text

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
    """One file, or one sheet of a workbook, of one source of a table."""

    table: str
    source: str
    path: Path
    file: str  # path relative to the extracts folder, with forward slashes
    format: str  # csv, json, parquet, xlsx
    suffixes: tuple[str, ...]  # lower case: ('.csv', '.gz')
    content_hash: str  # sha256 of the file's bytes
    stamp: tuple[int, int]  # size and time of change when it was hashed
    snapshot: str | None = None  # which snapshot the file is of: its day, its folder, all, or its path
    sheet: str | None = None
    sheet_is_matched: bool = False  # by a pattern, which other sheets may match too

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
        parts = [
            f"{delivery.table}\t{delivery.source}\t{delivery.file}\t{delivery.content_hash}"
            for delivery in self.deliveries
        ]
        return sha256("\n".join([*parts, self.mapping.content_hash]).encode()).hexdigest()


def find_extracts(folder: Path, mapping: Mapping) -> Extracts:
    """Find and hash the files of a folder.

    Raises UserError with every problem of the files that the mapping names; nothing has been loaded then."""
    refuse_unless_text(folder)
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Name the folder that holds the extracts with --extracts;"
            " nothing was loaded.",
            code="no_extracts",
        )
    deliveries, warnings, problems = _find_deliveries(folder, mapping)
    refuse_if(problems)
    return Extracts(folder, mapping, deliveries, warnings)


def _find_deliveries(extracts: Path, mapping: Mapping) -> tuple[list[Delivery], list[str], list[Problem]]:
    """All files of all tables in delivery order, warnings, and problems that forbid loading.

    Raises UserError when there is no file in the folder."""
    if not any(path.is_file() and path.name != FILE_NAME for path in extracts.rglob("*")) and not mapping.tables:
        raise UserError(
            f"The folder {extracts} holds no files. Put the extracts there (crm/, billing/); nothing was loaded.",
            code="no_extracts",
        )

    found: list[tuple[SourceRule, Path]] = []
    warnings: list[str] = []
    problems = [
        Problem(f"{pull.place}: nothing has been pulled from {pull.name} yet. Run `churn pull` first.", "no_such_file")
        for pull in mapping.pulls
        if not any((extracts / FOLDER / pull.name).glob("[0-9]*"))
    ]
    taken: set[Path] = set()
    for rule in mapping.rules():
        for pattern in rule.files:
            paths = _matching(extracts, pattern)
            if not paths and not pattern.shipped:
                problems.append(_nothing_matches(extracts, rule.table.name, pattern))
            found += [(rule, path) for path in paths]
            taken.update(paths)

    canonical = {
        table.name: next((rule for rule in mapping.sources(table) if not rule.files), None)
        for table in contract().values()
    }
    for path in sorted(
        path for source in ("crm", "billing") for path in (extracts / source).rglob("*") if path.is_file()
    ):
        if path in taken or _is_hidden(path, extracts):
            continue
        default = canonical.get(canonical_table(path.relative_to(extracts)) or "")
        if default and _format(path):
            found.append((default, path))
        else:
            warnings.append(f"{_relative(path, extracts)}: no table takes this file; it was not loaded.")

    deliveries, hashes = [], {}
    for rule, path in _once(found):
        file, format = _relative(path, extracts), _format(path)
        if not file.isprintable() and not is_text(file):
            problem = f"{ascii(file)}: the name of this file is not UTF-8. Rename it."
            problems.append(Problem(problem, "file_name", rule.table.name, ascii(file)))
            continue
        home = extracts.resolve().parent if file.startswith("../") else extracts
        if not is_within(path, home) or home == home.parent:
            problem = f"{file} leads out of {home}. Copy the file there, so that nothing else is read."
            problems.append(Problem(problem, "file_elsewhere", rule.table.name, file))
            continue
        if not format:
            problem = (
                f"{file}: files of this kind cannot be read ({rule.table.name}). Save it as CSV or TSV (also .gz,"
                " .zst), Parquet, JSON or JSON Lines (also .gz), or .xlsx."
            )
            problems.append(Problem(problem, "wrong_format", rule.table.name, file).of(mapping=rule.place))
            continue
        if path not in hashes:
            stamp = _stamp(path)
            try:
                with path.open("rb") as stream:
                    hashes[path] = file_digest(stream, "sha256").hexdigest(), stamp
            except OSError as error:
                raise EnvironmentFailure(f"{path} cannot be read: {error.strerror}. Nothing was loaded.") from error
        digest, stamp = hashes[path]
        snapshot = snapshot_of(rule, file)
        if rule.delivery == "snapshot" and snapshot is None:
            problem = (
                f"{file}: its path holds no day as in the snapshot pattern '{rule.snapshot}' ({rule.table.name})."
                " Rename the file, or correct snapshot: in extracts.yml."
            )
            problems.append(Problem(problem, "snapshot", rule.table.name, file).of(mapping=rule.place))
        delivery = Delivery(rule.table.name, rule.name, path, file, format, _suffixes(path), digest, stamp, snapshot)
        deliveries += _sheets(rule, delivery, problems)
    deliveries.sort(key=lambda delivery: (delivery.table, file_order(delivery.file), delivery.source))
    return deliveries, warnings, problems


def readable_files(folder: Path) -> list[Delivery]:
    """Every file of a folder that could be an extract, in the order of their paths, not yet of any table. Its path
    stands for its content: nothing is loaded of it."""
    refuse_unless_text(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    paths = [path for path in paths if is_text(str(path)) and is_within(path, folder)]
    return [
        Delivery("", "", path, file, format, _suffixes(path), sha256(file.encode()).hexdigest(), _stamp(path))
        for path in paths
        if (format := _format(path)) and (file := _relative(path, folder))
    ]


def _once(found: list[tuple[SourceRule, Path]]) -> list[tuple[SourceRule, Path]]:
    return list({(rule.table.name, rule.name, path): (rule, path) for rule, path in found}.values())


def snapshot_of(rule: SourceRule, file: str) -> str | None:
    """Which snapshot of a source a file belongs to: the ISO day in its path, its folder, `all`, or, where nothing is
    declared, the file itself. None for a delta, and where the path holds no day."""
    if rule.delivery != "snapshot":
        return None
    if rule.snapshot is None:
        return file
    if rule.snapshot == "all":
        return "all"
    if rule.snapshot == "folder":
        return Path(file).parent.as_posix()
    found = re.search(day_pattern(rule.snapshot), file)
    return _day(rule.snapshot, found[0]) if found else None


def _day(pattern: str, text: str) -> str | None:
    try:
        day = datetime.strptime(text, pattern).date()
    except ValueError:
        return None
    if not re.search("%[dj]", pattern):  # a month is known at its end
        day = day.replace(day=monthrange(day.year, day.month)[1])
    return day.isoformat()


def _sheets(rule: SourceRule, delivery: Delivery, problems: list[Problem]) -> list[Delivery]:
    """The delivery itself, or one for each sheet of the workbook where several may be meant."""
    matched = [text for text in rule.sheet if re.search(r"[*?\[]", text)]
    if delivery.format != "xlsx" or not (matched or len(rule.sheet) > 1):
        return [delivery]
    try:
        names = open_workbook(delivery.path, delivery.file).sheet_names
    except UserError as error:
        problems += [problem.of(rule.table.name, delivery.file) for problem in error.problems]
        return []
    except OSError:
        return [delivery]  # reading it will say what is wrong
    sheets: dict[str, bool] = {}
    for text in rule.sheet:
        fitting = [name for name in names if (fnmatchcase(name, text) if text in matched else name == text)]
        if not fitting:
            problem = f"{text.place}: {delivery.file} has no sheet '{text}'; {nearest(text, names)}."
            problems.append(Problem(problem, "no_such_sheet", rule.table.name, delivery.file))
        for name in fitting:
            sheets[name] = sheets.get(name, True) and text in matched
    return [
        replace(
            delivery,
            file=f"{delivery.file}#{name}",
            content_hash=sha256(f"{delivery.content_hash}\t{name}".encode()).hexdigest(),
            sheet=name,
            sheet_is_matched=is_matched,
        )
        for name, is_matched in sheets.items()
    ]


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
    with suppress(OSError):  # too long for a name; a pattern may be longer
        if literal.is_file():
            return [literal]
    names = glob.glob(pattern, root_dir=extracts, recursive=True)
    return sorted(path for name in names if (path := extracts / name).is_file() and not path.name.startswith("~$"))


def _nothing_matches(extracts: Path, table: str, pattern) -> Problem:
    names: Iterable[str] = (
        _relative(path, extracts) for path in extracts.rglob("*") if path.is_file() and path.name != FILE_NAME
    )
    hint = nearest(pattern, list(names)[:10_000])
    if len(hint) > 300:
        hint = hint[:300] + " …"
    return Problem(f"{pattern.place}: no file matches '{pattern}' (files of {table}); {hint}.", "no_such_file", table)


def canonical_table(relative: Path) -> str | None:
    """The table of `crm/customers.csv`, `crm/customers_2024-01.csv.gz` or `crm/customers/part-1.parquet`."""
    if len(relative.parts) < 2 or relative.parts[0] not in ("crm", "billing"):
        return None
    source, first = relative.parts[0], relative.parts[1]
    names = [name.partition(".")[2] for name in contract() if name.startswith(f"{source}.")]
    if len(relative.parts) > 2:
        return f"{source}.{first}" if first in names else None
    matching = [name for name in names if re.match(rf"{name}[-_. ]", first)]
    return f"{source}.{max(matching, key=len)}" if matching else None
