"""A first extracts.yml for the files of a folder: a shipped preset where the files have its columns, else a mapping by
the names of the columns and what stands in them, with what is doubtful as commented choices.

Only `churn init` guesses; a refresh reads what is declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.contract.tables import DATES, MONEY
from orchestration.errors import UserError
from orchestration.loading import contents
from orchestration.loading.guessing import (
    WIDE,
    WIDE_NAME,
    WIDE_VALUE,
    Guess,
    days,
    guesses,
    has_layout,
    interval_of,
    is_in_cents,
    money,
)
from orchestration.loading.recognition import Group, choose, groups_of, is_canonical, matching_presets

_DAY_IN_NAME = {r"\d{4}-\d\d-\d\d": "%Y-%m-%d", r"\d\d-\d\d-\d{4}": "%d-%m-%Y", r"\d{4}-\d\d": "%Y-%m"}
_PAID_UNTIL = r"paid|valid|expir|платено|оплачено|валидно|действует|bayad"
_CREDIT = r"credit (memo|note)|refund|return|кредитн|возврат|връщане|сторно"


@dataclass(frozen=True)
class Source:
    """Files of one layout and what they are taken for."""

    files: list[str]  # a pattern, or names where files of that pattern have other columns
    group: Group
    guess: Guess


def propose(folder: Path, scratch: Path) -> str:
    """The text of an extracts.yml for the files in `folder`; `scratch` takes copies. UserError where it holds none."""
    groups = groups_of(folder, scratch)
    if not groups:
        raise UserError(
            f"{folder} holds no files that can be read. Put the extracts there, then run init again.",
            code="no_extracts",
        )
    rest = [group for group in groups if not is_canonical(folder, group, scratch)]
    matches = choose(matching_presets(rest, scratch))
    presets = list(dict.fromkeys(match.preset for match in matches))
    entries: dict[str, list[str]] = {}
    for match in matches:
        if not match.is_at_home:  # the preset's own pattern would not find it
            entry = f"{{name: {match.preset}, files: {_scalar(match.group.pattern)}}}"
            entries.setdefault(match.rule.table.name, []).append(entry)
    taken = {match.group for match in matches}
    by_group = {group: list(_sources(group, scratch)) for group in rest if group not in taken}
    sources = [source for of_group in by_group.values() for source in of_group]
    # one treatment of ids for all tables, or they could not be joined; presets have their own
    people = not presets and any(_names_people(source.guess) for source in sources)
    for source in sources:
        entries.setdefault(source.guess.table.name, []).append(_entry(source, sources, people))
        if source.guess.of_customers:
            entries.setdefault("crm.customers", []).append(_customers(source, people))
    return _text(presets, entries, [group.pattern for group, found in by_group.items() if not found])


# which files have which layout


def _sources(group: Group, scratch: Path) -> Iterator[Source]:
    """The layouts of a group's files, each with what it is taken for."""
    is_dated = _day_in_name(group) is not None
    found = guesses(group.head, scratch, is_dated)
    if len(group.deliveries) == 1 or group.delivery.format not in ("csv", "xlsx"):
        yield from (Source([group.pattern], group, guess) for guess in _one_of_equal_sheets(found))
        return
    layouts: list[tuple[list[Guess], list[str]]] = [(found, [])]
    for delivery in group.deliveries:
        files = next((files for its, files in layouts if has_layout(delivery, scratch, its)), None)
        if files is None:
            files = []
            layouts.append((guesses(delivery, scratch, is_dated), files))
        files.append(delivery.file)
    for its, files in layouts:
        yield from (Source(files if len(layouts) > 1 else [group.pattern], group, guess) for guess in its)


def _one_of_equal_sheets(found: list[Guess]) -> list[Guess]:
    """The guesses with those of one layout in several sheets as one."""
    by_layout: dict[tuple, list[Guess]] = {}
    for guess in found:
        part = () if guess.sample.sheet else (guess.sample.records,)
        by_layout.setdefault((guess.table.name, *part, *guess.columns.values()), []).append(guess)
    return [
        same[0] if len(same) == 1 else replace(same[0], sheets=[guess.sample.sheet or "" for guess in same])
        for same in by_layout.values()
    ]


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
            lines.append(f"  {table}:")
            as_list = len(sources) > 1 or sources[0].startswith("{")
            for source in sources:
                first, *others = source.splitlines()
                lines.append(f"    {'- ' if as_list else ''}{first}")
                lines += [f"    {'  ' if as_list else ''}{line}" for line in others]
    lines += [f"# {_scalar(pattern)}: no table was recognised in it" for pattern in strangers]
    return "\n".join(lines) + "\n"


def _entry(source: Source, all_sources: list[Source], people: bool) -> str:
    guess = source.guess
    asked = [*_lists(source), *_other_ids(source, all_sources), *_credit_notes(guess)]
    lines = [_files(source), *_reading(guess), *asked, "columns:"]
    lines += [f"  {name}: {_column(guess, name, people)}" for name in guess.table.columns if name in guess.columns]
    lines += [f"  {line}" for line in (*_of_months(guess), *_interval(guess), *_end(guess), *_currency(guess))]
    lines += [f"  # {name}: {_scalar(header)}   # is it that?" for name, header in guess.doubtful.items()]
    lines += [f"  # {name}: …   # needed: which column is it?" for name in guess.lacking if name not in guess.doubtful]
    return "\n".join(lines)


def _files(source: Source) -> str:
    listed = [_scalar(file) for file in source.files]
    return f"files: {listed[0] if len(listed) == 1 else '[' + ', '.join(listed) + ']'}"


def _reading(guess: Guess) -> Iterator[str]:
    """Encoding, header, decimal mark and dates, as far as the file shows them."""
    sample = guess.sample
    if sample.encoding:
        yield f"encoding: {sample.encoding}"
    if sample.records:
        yield f"records: {sample.records}"
    if guess.sheets:
        yield f"sheet: [{', '.join(map(_scalar, guess.sheets))}]"
    elif sample.sheet:
        yield f"sheet: {_scalar(sample.sheet)}"
    if guess.header_row:
        yield f"header_row: {guess.header_row + 1}"
    if guess.fill_down:
        yield f"fill_down: [{_scalar(guess.fill_down)}]"
    if guess.present:
        yield f"where: {{{_scalar(guess.present)}: {{present: true}}}}   # rows without it are titles and totals"
    if guess.months:
        yield f"unpivot: {{columns: {json.dumps(WIDE)}, name: {WIDE_NAME}, value: {WIDE_VALUE}}}"
    numbers = list(money(guess))
    if any(re.search(r",\d{1,2}\D*$", number) for number in numbers) and not any(
        re.search(r"\.\d{1,2}\D*$", number) for number in numbers
    ):
        yield 'decimal: ","'
    yield from _dates(days(guess))


def _dates(written: list[str]) -> Iterator[str]:
    """What to declare about dates that can be read in several ways."""
    formats = contents.short_format(written)
    if len(formats) == 1:
        yield f'date_format: "{formats[0]}"'
    elif formats:
        yield f'# date_format: "{formats[0]}"   # or "{formats[1]}": which of the two can\'t be seen from the file'


def _day_in_name(group: Group) -> str | None:
    """How several files of a group say of which day they are: `folder`, or a pattern of their names."""
    if len(group.deliveries) == 1:
        return None
    path = Path(group.delivery.file)
    for shape, form in _DAY_IN_NAME.items():
        if re.search(shape, path.parent.name):
            return "folder"
        if re.search(shape, path.stem):
            return re.sub(shape, form, path.stem)
    return None


def _lists(source: Source) -> Iterator[str]:
    """Whether each file is a whole list: rows without a start say so, else it is asked."""
    guess, pattern = source.guess, _day_in_name(source.group)
    if not pattern or guess.table.name != "billing.subscriptions":
        return
    ask = "" if guess.is_list else "# "
    yield f"{ask}delivery: snapshot   # if each file is the whole list, so that who is missing in a later one has left"
    yield f"{ask}snapshot: {_scalar(pattern)}"
    yield f"{ask}history: true        # if prices and plans of the earlier lists held until the next one"


def _other_ids(source: Source, all_sources: list[Source]) -> Iterator[str]:
    """The question whether equal ids of files in other folders mean somebody else."""
    folder = Path(source.group.pattern).parent
    same = [other for other in all_sources if other.guess.table is source.guess.table and other is not source]
    if any(Path(other.group.pattern).parent != folder for other in same) and folder.name:
        yield f'# key_prefix: "{folder.name}-"   # if the same number in another folder is another customer'


def _credit_notes(guess: Guess) -> Iterator[str]:
    """The question whether rows that a column calls credit notes or returns have to be negative."""
    for header in guess.rows()[0] if guess.table.name.startswith("billing.invoice") and guess.rows() else ():
        said = sorted({row.get(header, "") for row in guess.rows()})
        returns = [text for text in said if re.search(_CREDIT, text, re.IGNORECASE)]
        if returns and len(said) <= 10 and header not in guess.columns.values():
            kept = ", ".join(_scalar(text) for text in returns)
            yield f"# where: {{{_scalar(header)}: {{not: [{kept}]}}}}   # if positive: a source with scale: -1"


def _of_months(guess: Guess) -> Iterator[str]:
    """Columns of a table that has a column for each month."""
    if guess.months:
        form = "%Y" + guess.months[0][4] + "%m"
        yield f'started_on: {{from: {WIDE_NAME}, format: "{form}"}}'
        yield f'ended_on: {{from: {WIDE_NAME}, format: "{form}", add: {{months: 1}}}}'
        yield f"unit_price: {WIDE_VALUE}"
        yield "auto_renew: {value: true}"


def _interval(guess: Guess) -> Iterator[str]:
    prices = [guess.columns[name] for name in ("unit_price", "price") if name in guess.columns]
    if "interval" not in guess.table.columns or "interval" in guess.columns or not prices:
        return
    said = interval_of(prices[0])
    if said is None:
        yield "# interval: {value: year}   # a price is a month's where nothing says otherwise"
    elif said != ("month", 1):
        unit, count = said
        yield f"interval: {{value: {unit}}}   # as the name of the price says"
        if count > 1:
            yield f'interval_count: {{value: "{count}"}}'


def _end(guess: Guess) -> Iterator[str]:
    if re.search(_PAID_UNTIL, guess.columns.get("ended_on", ""), re.IGNORECASE):
        yield '# auto_renew: {value: "true"}   # if it says until when they have paid, and is no notice'


def _currency(guess: Guess) -> Iterator[str]:
    if "currency" not in guess.table.columns or "currency" in {*guess.columns, *guess.doubtful}:
        return
    amounts = list(money(guess))
    if code := contents.currency_of(amounts):
        yield f"currency: {{value: {code}}}   # as the amounts are marked"
    elif amounts:
        yield "# currency: {value: EUR}   # no column names it"


def _names_people(guess: Guess) -> bool:
    """Whether the ids of its customers are names or addresses."""
    values = guess.values("customer_id") if "customer_id" in guess.columns else []
    speaking = sum("@" in value or (" " in value and any(map(str.isalpha, value))) for value in values)
    return speaking * 2 > len(values)


def _column(guess: Guess, name: str, people: bool) -> str:
    """A column as YAML: its header, or a mapping that says how its texts are read, and why it is taken."""
    header, column = guess.columns[name], guess.table.columns[name]
    values = guess.values(name)
    keys: list[str] = []
    why = guess.why.get(name)
    if people and column.identifies == "customer_id":
        keys, why = ["normalise: name", "pseudonym: true"], "names or addresses never get into the marts"
    if column.type in DATES and (form := contents.epoch(values) or contents.english_format(values)):
        keys.append(f"format: {_scalar(form)}")
    elif column.type in DATES and (language := contents.language(values)):
        keys.append(f"date_language: {language}")
    if column.type in MONEY and is_in_cents(header):
        keys.append("scale: minor_units")
    if nothings := contents.nothings(values, among=column.type):
        keys.append(f"empty: [{', '.join(json.dumps(text, ensure_ascii=False) for text in nothings)}]")
    if name == "status" and column.type == "enumeration" and contents.suits("boolean", values):
        said = {value: "paid" if value.casefold() in contents.YES else "open" for value in sorted(set(values))}
        keys.append(
            "values: {"
            + ", ".join(f"{json.dumps(value, ensure_ascii=False)}: {means}" for value, means in said.items())
            + "}"
        )
    text = "{from: " + ", ".join([_scalar(header), *keys]) + "}" if keys else _scalar(header)
    return f"{text}   # {why}" if why else text


def _customers(source: Source, people: bool) -> str:
    """An entry for the customers whose kind stands in the rows of their sales."""
    guess = source.guess
    reading = [line for line in _reading(guess) if not line.startswith(("decimal", "date_", "# date_"))]
    lines = [_files(source), *reading, "columns:", f"  customer_id: {_column(guess, 'customer_id', people)}"]
    return "\n".join([*lines, *(f"  {name}: {_scalar(header)}" for name, header in guess.of_customers.items())])


def _scalar(text: str) -> str:
    """The text as YAML writes it on one line."""
    is_plain = re.fullmatch(r"[^\W\d_][\w ./()-]*(?<! )", text) and text.lower() not in (
        "yes",
        "no",
        "null",
        "on",
        "off",
        "true",
        "false",
    )
    return text if is_plain else json.dumps(text, ensure_ascii=False)
