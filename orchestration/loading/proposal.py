"""A first extracts.yml for the files of a folder: a shipped preset where the files have its columns, else a mapping by
the names of the columns, with what is doubtful as commented choices.

Only `churn init` guesses; a refresh reads what is declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import yaml

from orchestration.contract.tables import MONEY, Table, contract
from orchestration.errors import UserError
from orchestration.loading.recognition import Group, choose, groups_of, is_canonical, matching_presets
from orchestration.loading.samples import Sample, header_rows, samples

# Tables that a mapping by names may propose; the others are too rare to be guessed.
NOT_PROPOSED = {"billing.fx_rates", "billing.subscription_events", "crm.customer_ids"}
_NAMES = Path(__file__).parents[1] / "contract" / "header_names.yml"


@dataclass(frozen=True)
class Guess:
    """How a file may be read as a table: contract column -> header; those that are only like a known name."""

    table: Table
    sample: Sample
    header_row: int
    columns: dict[str, str]
    doubtful: dict[str, str]
    score: int

    def values(self, column: str) -> list[str]:
        """The texts of a column below the header."""
        place = self.sample.rows[self.header_row].index(self.columns[column])
        rows = self.sample.rows[self.header_row + 1 :]
        return [row[place].strip() for row in rows if place < len(row) and row[place].strip()]


def propose(folder: Path, scratch: Path) -> str:
    """The text of an extracts.yml for the files in `folder`; `scratch` takes copies. UserError where it holds none."""
    groups = groups_of(folder, scratch)
    if not groups:
        raise UserError(f"{folder} holds no files that can be read. Put the extracts there, then run init again.")
    rest = [group for group in groups if not is_canonical(folder, group, scratch)]
    matches = choose(matching_presets(rest, scratch))
    presets = list(dict.fromkeys(match.preset for match in matches))
    taken = {match.group for match in matches}
    lines: dict[str, list[str]] = {}
    for match in matches:
        if not match.is_at_home:  # the preset's own pattern would not find it
            entry = f"    - {{name: {match.preset}, files: {_scalar(match.group.pattern)}}}"
            lines.setdefault(match.rule.table.name, []).append(entry)
    guesses = {group: _guess(group, scratch) for group in rest if group not in taken}
    # one treatment of ids for all tables, or they could not be joined
    people = any(guess and _names_people(guess) for guess in guesses.values())
    for group, guess in guesses.items():
        if guess:
            lines.setdefault(guess.table.name, []).append(_entry(group, guess, people))
    return _text(presets, lines, [group.pattern for group, guess in guesses.items() if not guess])


# by the names of columns


@cache
def _known() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Names of tables and of columns, folded."""
    names = yaml.load(_NAMES.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # no is a name
    folded = ({key: [_folded(name) for name in listed] for key, listed in part.items()} for part in names.values())
    tables, columns = folded
    return tables, columns


def _folded(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _guess(group: Group, scratch: Path) -> Guess | None:
    """The likeliest table of a file, by the names of its columns and its own."""
    guesses = (
        guess
        for sample in samples(group.head, scratch)
        for position in header_rows(sample)
        for table in contract().values()
        if table.name not in NOT_PROPOSED and (guess := _as_table(group, sample, position, table))
    )
    return max(guesses, key=lambda guess: (guess.score, -guess.header_row), default=None)


def _as_table(group: Group, sample: Sample, position: int, table: Table) -> Guess | None:
    tables, names = _known()
    headers = {_folded(cell): cell.strip() for cell in sample.rows[position] if cell.strip()}
    columns, doubtful = {}, {}
    free = dict(headers)
    # a column that rows need has the first choice, and the first of its names
    for column in sorted(table.columns.values(), key=lambda column: not column.required):
        wanted = [_folded(column.name), *names.get(column.name, ())]
        if exact := next((name for name in wanted if name in free), None):
            columns[column.name] = free.pop(exact)
        elif like := get_close_matches(wanted[0], free, 1, 0.85) or [
            name for name in free for other in wanted if get_close_matches(name, [other], 1, 0.85)
        ]:
            doubtful[column.name] = free[like[0]]
    required = [column.name for column in table.columns.values() if column.required]
    lacking = [name for name in required if name not in columns]
    if len(lacking) > 1 or len(columns) < 2 or ("customer_id" in required and "customer_id" not in columns):
        return None
    words = f" {_folded(group.pattern)} {_folded(sample.sheet or '')} "
    is_named = any(f" {name} " in words for name in tables.get(table.name, ()))
    score = 3 * (len(required) - len(lacking)) - 4 * len(lacking) + len(columns) - len(required) + 4 * is_named
    return Guess(table, sample, position, columns, doubtful, score)


# the text


def _text(presets: list[str], entries: dict[str, list[str]], strangers: list[str]) -> str:
    lines = ["# Written by churn init. Look at every line, above all at those that begin with #; then run churn check."]
    if presets:
        lines.append(f"preset: {presets[0] if len(presets) == 1 else '[' + ', '.join(presets) + ']'}")
    lines += [
        "# time_zone: Europe/Sofia       # of times without an offset; UTC where nothing is said",
        "# reporting_currency: EUR       # needed where several currencies occur, or none is named",
    ]
    if entries:
        lines.append("tables:")
        for table, sources in entries.items():
            several = len(sources) > 1 and not sources[0].startswith("    - ")
            lines.append(f"  {table}:")
            lines += [_listed(source) for source in sources] if several else sources
    lines += [f"# {pattern}: no table was recognised in it" for pattern in strangers]
    return "\n".join(lines) + "\n"


def _listed(source: str) -> str:
    """An entry as an item of a list."""
    first, *others = source.splitlines()
    return "\n".join([f"    - {first.strip()}", *(f"  {line}" for line in others)])


def _entry(group: Group, guess: Guess, people: bool) -> str:
    lines = [f"files: {_scalar(group.pattern)}", *_reading(guess), "columns:"]
    lines += [f"  {name}: {_column(guess, name, people)}" for name in guess.table.columns if name in guess.columns]
    for name, header in guess.doubtful.items():
        lines.append(f"  # {name}: {_scalar(header)}   # is it that?")
    for column in guess.table.columns.values():
        if column.required and column.name not in {*guess.columns, *guess.doubtful}:
            lines.append(f"  # {column.name}: …   # needed: which column is it?")
    if "currency" in guess.table.columns and "currency" not in guess.columns and _has_money(guess):
        lines.append("  # currency: {value: EUR}   # no column names it")
    return "\n".join(f"    {line}" for line in lines)


def _has_money(guess: Guess) -> bool:
    return any(guess.table.columns[name].type in MONEY for name in guess.columns)


def _reading(guess: Guess) -> Iterator[str]:
    """Encoding, header, decimal mark and dates, as far as the file shows them."""
    sample = guess.sample
    if sample.encoding:
        yield f"encoding: {sample.encoding}"
    if sample.records:
        yield f"records: {sample.records}"
    if sample.sheet:
        yield f"sheet: {_scalar(sample.sheet)}"
    if guess.header_row:
        yield f"header_row: {guess.header_row + 1}"
    if unfilled := _sometimes_empty(guess):
        yield f"where: {{{unfilled}}}   # rows without it are titles and totals"
    kinds = {name: guess.table.columns[name].type for name in guess.columns}
    numbers = [value for name, kind in kinds.items() if kind in MONEY for value in guess.values(name)]
    if any(re.search(r",\d{1,2}\D*$", value) for value in numbers) and not any(
        re.search(r"\.\d{1,2}\D*$", value) for value in numbers
    ):
        yield 'decimal: ","'
    days = [value for name, kind in kinds.items() if kind in ("date", "timestamp") for value in guess.values(name)]
    yield from _dates(days)


def _sometimes_empty(guess: Guess) -> str:
    """The condition that a column has a value which every row needs, where some rows of a report lack one."""
    rows = len(guess.sample.rows) - guess.header_row - 1
    needed = [name for name in guess.columns if guess.table.columns[name].required]
    lacking = [name for name in needed if 0 < len(guess.values(name)) < rows]
    return ", ".join(f"{_scalar(guess.columns[name])}: {{present: true}}" for name in lacking)


def _dates(days: Iterable[str]) -> Iterator[str]:
    """What to declare about dates that can be read in several ways."""
    written = [found for day in days if (found := re.match(r"(\d{1,2})([./-])(\d{1,2})\2(\d{2,4})\b", day))]
    if not written:
        return
    mark, year = written[0][2], "%Y" if len(written[0][4]) == 4 else "%y"
    choices = [f"%d{mark}%m{mark}{year}", f"%m{mark}%d{mark}{year}"]
    is_ambiguous = all(int(found[1]) <= 12 and int(found[3]) <= 12 for found in written)
    if is_ambiguous or year == "%y":
        yield f'# date_format: "{choices[0]}"   # or "{choices[1]}": which of the two can\'t be seen from the file'


def _names_people(guess: Guess) -> bool:
    """Whether the ids of its customers are names or addresses."""
    values = guess.values("customer_id") if "customer_id" in guess.columns else []
    speaking = sum("@" in value or (" " in value and any(map(str.isalpha, value))) for value in values)
    return speaking * 2 > len(values)


def _column(guess: Guess, name: str, people: bool) -> str:
    header = _scalar(guess.columns[name])
    if people and guess.table.columns[name].identifies == "customer_id":
        return f"{{from: {header}, normalise: name, pseudonym: true}}   # names or addresses never get into the marts"
    return header


def _scalar(text: str) -> str:
    """The text as YAML writes it on one line."""
    is_plain = re.fullmatch(r"[^\W\d_][\w ./()-]*(?<! )", text) and text.lower() not in ("yes", "no", "null")
    return text if is_plain else json.dumps(text, ensure_ascii=False)
