"""Which contract table a file may be, and which of its columns are which, by their names and by what stands in them.

For `churn init`: what it proposes a person looks at; a refresh reads what is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path

import yaml

from orchestration.contract.tables import DATES, MONEY, Column, Table, contract
from orchestration.loading.contents import suits
from orchestration.loading.discovery import Delivery
from orchestration.loading.money import SIGNS
from orchestration.loading.samples import HEADER_ROWS, Sample, header_rows, samples

NOT_PROPOSED = {"billing.subscription_events"}  # a log of events says in words of its own what happened
_ANY_KEY = ["id", "no", "nr", "num", "#", "№", "number", "номер", "ид"]
_IN_CENTS = re.compile(r"[ _(]*(in cents|cents|minor units)\)?$", re.IGNORECASE)
# A currency after the name of an amount: Total EUR, Сума (лв.)
_OF_CURRENCY = re.compile(rf"[ _,(]+({'|'.join(map(re.escape, SIGNS))})\.?\)?$", re.IGNORECASE)
# What the name of a price says it is for, in four languages.
_INTERVALS = {
    ("year", 1): r"year|annual|annum|\barr\b|годов|годишн|в год|taun",
    ("month", 3): r"quarter|квартал|тримесеч",
    ("week", 1): r"week|седмич|недел|lingg",
    ("month", 1): r"month|\bmrr\b|месе|месяч|buwan",
}
WIDE = r"(19|20)\d\d[-./](0[1-9]|1[0-2])"  # a month as the name of a column
WIDE_NAME, WIDE_VALUE = "month", "amount"
_NAMES = Path(__file__).parents[1] / "contract" / "header_names.yml"


@dataclass(frozen=True)
class Guess:
    """How a file may be read as a table: contract column -> header, why where the name didn't say it, and headers that
    are only like a known name."""

    table: Table
    sample: Sample
    header_row: int
    columns: dict[str, str]
    why: dict[str, str]
    fill_down: str | None
    months: list[str]  # headers that are months, with an amount in each
    is_list: bool  # one of several lists of who is there, without a day on which each began
    doubtful: dict[str, str] = field(default_factory=dict)
    of_customers: dict[str, str] = field(default_factory=dict)  # columns of the customers' table in its rows
    sheets: list[str] = field(default_factory=list)  # of one layout, where there are several
    score: int = 0

    @property
    def lacking(self) -> list[str]:
        """Columns that rows need and that no header was found for."""
        made = {"started_on"} if self.months or self.is_list else set[str]()
        return [c.name for c in self.table.columns.values() if c.required and c.name not in {*self.columns, *made}]

    @cached_property
    def present(self) -> str | None:
        """The header that only rows of the table have a text under, where a report holds other rows too."""
        needed = [
            self.columns[column.name]
            for column in self.table.columns.values()
            if column.required and self.columns.get(column.name) not in (None, self.fill_down)
        ]
        rows = [row for row in _rows(self.sample, self.header_row) if any(row.values())]
        # a sale without a customer is still a sale: a title or a total lacks more
        others = [row for row in rows if sum(not row.get(header) for header in needed) * 2 >= min(len(needed), 4)]
        lacking = [header for header in needed if others and not any(row.get(header) for row in others)]
        days = [self.columns[name] for name in self.columns if self.table.columns[name].type in DATES]
        return next((header for header in (*days[:1], *lacking) if header in lacking), None)

    def rows(self) -> list[dict[str, str]]:
        """The rows of the table, as header -> text."""
        present = self.present
        return [row for row in _rows(self.sample, self.header_row) if not present or row.get(present)]

    def values(self, column: str) -> list[str]:
        """The texts of a contract column, of rows that have one; those of groups stand above their rows."""
        header = self.columns[column]
        rows = _rows(self.sample, self.header_row) if header == self.fill_down else self.rows()
        return [text for row in rows if (text := row.get(header, ""))]


def guesses(delivery: Delivery, scratch: Path, is_dated: bool = False) -> list[Guess]:
    """The likeliest table of a file; of each sheet or array where it holds several. `is_dated`: it is one of several
    whose names say of which day they are."""
    best: dict[tuple[str | None, str | None], Guess] = {}
    for sample in samples(delivery, scratch):
        for position in header_rows(sample):
            if not _may_be_header(_header(sample, position)):
                continue
            view = _View(delivery, sample, position, is_dated)
            found = (_as_table(view, table) for table in contract().values() if table.name not in NOT_PROPOSED)
            for guess in found:
                part = (sample.sheet, sample.records)
                if guess and (part not in best or guess.score > best[part].score):
                    best[part] = guess
    return list(best.values())


def has_layout(delivery: Delivery, scratch: Path, found: list[Guess]) -> bool:
    """Whether the file has the headers of those guesses, where they have them."""
    headers = {(s.sheet, s.delimiter, tuple(row)) for s in samples(delivery, scratch) for row in s.rows[:HEADER_ROWS]}
    return all(
        (guess.sample.sheet, guess.sample.delimiter, tuple(guess.sample.rows[guess.header_row])) in headers
        for guess in found
    )


@cache
def names() -> dict[str, dict[str, list[str]]]:
    """Names of tables and of columns, folded."""
    listed = yaml.load(_NAMES.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # no is a name
    return {part: {key: [folded(name) for name in of] for key, of in keys.items()} for part, keys in listed.items()}


def folded(text: str) -> str:
    """A name without case, blanks and punctuation: CustomerID and customer_id are one."""
    return re.sub(r"[^\w#№]|_", "", text.casefold())


def _header(sample: Sample, position: int) -> list[str]:
    """The names of the columns, as the loader calls them: one without a name by its place."""
    return [cell.strip() or f"column_{place}" for place, cell in enumerate(sample.rows[position], 1)]


def _rows(sample: Sample, position: int) -> list[dict[str, str]]:
    header = _header(sample, position)
    return [
        {name: cell.strip() for name, cell in zip(header, row, strict=False)} for row in sample.rows[position + 1 :]
    ]


@cache
def _known_headers() -> frozenset[str]:
    return frozenset(_ANY_KEY).union(*names()["columns"].values())


def _may_be_header(header: list[str]) -> bool:
    return sum(folded(cell) in _known_headers() or bool(re.fullmatch(WIDE, cell)) for cell in header) > 1


class _View:
    """The rows below a possible header, and which of its columns hold what."""

    def __init__(self, delivery: Delivery, sample: Sample, position: int, is_dated: bool) -> None:
        self.delivery, self.sample, self.position, self.is_dated = delivery, sample, position, is_dated
        self.headers = _header(sample, position)
        self.rows = _rows(sample, position)
        self.texts = {header: [row[header] for row in self.rows if row.get(header)] for header in self.headers}
        self.months = [header for header in self.headers if re.fullmatch(WIDE, header)]

    @cached_property
    def days(self) -> set[str]:
        """The headers of columns with days."""
        return {header for header, values in self.texts.items() if values and suits("date", values)}

    @cached_property
    def group_column(self) -> str | None:
        """The column whose value stands in a line of its own above the rows that it belongs to, as in grouped
        reports."""
        if len(self.days) != 1:
            return None
        day = next(iter(self.days))
        above = [row for row in self.rows if not row.get(day)]
        below = [row for row in self.rows if row.get(day)]
        for header in self.headers:
            stands_above = sum(bool(row.get(header)) for row in above) > 1
            if stands_above and below and not any(row.get(header) for row in below):
                return header
        return None

    def is_unique(self, *headers: str | None) -> bool:
        """Whether no two rows have the same texts there."""
        said = [tuple(row.get(header or "") for header in headers) for row in self.rows]
        said = [texts for texts in said if texts[0]]
        return len(said) == len(set(said))

    def is_called(self, table: Table) -> bool:
        """Whether the file, its folder, sheet or array is called what such a table is called."""
        path = Path(self.delivery.file)
        parts = f"{path.parent.name} {path.stem} {self.sample.sheet or ''} {self.sample.records or ''}"
        words = {folded(word) for word in (*re.split(r"[\W\d_]+", parts), path.stem)}
        return not words.isdisjoint(names()["tables"].get(table.name, ()))

    def money_headers(self) -> set[str]:
        """The headers of columns that are called an amount or a price and hold one."""
        known = {*names()["columns"]["amount"], *names()["columns"]["unit_price"]}
        return {
            header
            for header, values in self.texts.items()
            if folded(_OF_CURRENCY.sub("", _IN_CENTS.sub("", header))) in known
            and values
            and header not in self.days
            and suits("price", values)
        }


def _as_table(view: _View, table: Table) -> Guess | None:
    columns, is_specific = _by_name(view, table)
    fill_down = view.group_column if table.activity else None
    if fill_down:
        columns.setdefault("customer_id", fill_down)
    is_subscriptions = table.name == "billing.subscriptions"
    months = view.months if is_subscriptions and len(view.months) > 2 and "started_on" not in columns else []
    if months:  # a total beside them is no price, and the number of a line no id
        columns = {name: header for name, header in columns.items() if name not in ("unit_price", "subscription_id")}
    why = {} if months else _by_content(view, table, columns)
    customer = columns.get("customer_id")
    started = columns.get("started_on")
    if (
        is_subscriptions
        and "subscription_id" not in columns
        and customer
        and (months or view.is_unique(customer, started))
    ):
        columns["subscription_id"] = customer
        why["subscription_id"] = "each customer has one row" + (" a start" if started else "")
    is_list = view.is_dated and is_subscriptions and "started_on" not in columns and not months
    guess = Guess(table, view.sample, view.position, columns, why, fill_down, months, is_list)
    is_called = view.is_called(table)
    if not _is_likely(view, guess, is_called, is_specific):
        return None
    unread = view.money_headers() - set(columns.values())
    score = len({*columns.values(), *months}) + 2 * is_called - 3 * len(guess.lacking) - len(why) - 2 * len(unread)
    if table.name == "billing.invoices" and not view.is_unique(columns.get("invoice_id")):
        score -= 1  # an invoice that stands in several rows has lines
    if "started_on" in why:
        score -= 1  # a day that nothing names is rather a sale's
    if is_list and "unit_price" in columns:
        score += 3  # what somebody pays stands in no list of contacts
    doubtful, of_customers = _alike(view, table, columns), _of_customers(view, table, columns)
    return replace(guess, doubtful=doubtful, of_customers=of_customers, score=score)


def _is_likely(view: _View, guess: Guess, is_called: bool, is_specific: bool) -> bool:
    table, columns = guess.table, guess.columns
    if len(columns) < 2 or ("customer_id" in table.columns and "customer_id" not in columns):
        return False
    if len(guess.lacking) > 1 or (guess.lacking and not is_called):
        return False
    if table.one_of and not any(set(group) <= set(columns) for group in table.one_of):
        return False
    if table.name == "billing.subscriptions" and columns.keys().isdisjoint(
        {"unit_price", "plan_id", "ended_on", "status"}
    ):
        return bool(guess.months)
    if table.name == "billing.subscriptions" and "started_on" in guess.why and not is_called:
        # a day that nothing names, of somebody and with an amount, is rather a sale's
        return not columns.keys().isdisjoint({"ended_on", "interval", "trial_ends_on", "auto_renew"})
    if table.name == "billing.invoice_lines" and columns.keys().isdisjoint({"product", "quantity", "line_id"}):
        return False
    if table.name == "crm.customers" and not view.is_unique(columns["customer_id"]):
        return is_called
    # columns of any file could fill the other tables: only the file's name or a name for the key distinguishes them
    return is_called or is_specific or table.activity


def _by_name(view: _View, table: Table) -> tuple[dict[str, str], bool]:
    """Columns found by name, and whether that of the key is a name of its own."""
    free = {folded(header): header for header in view.headers}
    for unit in (_IN_CENTS, _OF_CURRENCY):
        free |= {folded(unit.sub("", header)): header for header in view.headers if unit.search(header)}
    columns: dict[str, str] = {}

    def take(column: Column, wanted: list[str]) -> None:
        for name in wanted:
            if name in free and suits(column.type, view.texts[free[name]]):
                columns[column.name] = free[name]
                for other in [other for other, header in free.items() if header == columns[column.name]]:
                    del free[other]
                return

    key = table.columns[table.key[0]]
    # a column that rows need has the first choice, and the first of its names
    for column in sorted(table.columns.values(), key=lambda column: not column.required):
        wanted = [folded(column.name), *names()["columns"].get(column.name, ())]
        if column is key and column.name.endswith("_id"):  # an address is an id only where there is no other
            addresses = [name for name in wanted if name.endswith("email")]
            wanted = [name for name in wanted if name not in addresses] + _ANY_KEY + addresses
        take(column, wanted)
    return columns, key.name in columns and folded(columns[key.name]) not in _ANY_KEY


def _by_content(view: _View, table: Table, columns: dict[str, str]) -> dict[str, str]:
    """Adds to `columns` what is needed and can be only one column, and returns why."""
    why: dict[str, str] = {}
    for name, what in {"started_on": "days", "issued_at": "days", "amount": "numbers", "unit_price": "numbers"}.items():
        column = table.columns.get(name)
        if not column or name in columns or not (column.required or table.name == "billing.subscriptions"):
            continue
        free = [
            header
            for header, values in view.texts.items()
            if header not in columns.values()
            and not header.startswith("_")  # what a pipeline adds
            and values
            and (what == "days") == (header in view.days)
            and suits(column.type, values)
        ]
        if len(free) == 1:
            columns[name] = free[0]
            why[name] = f"the only other column of {what}"
    return why


def _of_customers(view: _View, table: Table, columns: dict[str, str]) -> dict[str, str]:
    """Where and of what kind the customers of a file of sales are, where its rows say so."""
    if not table.activity or "customer_id" not in columns:
        return {}
    free = {folded(header): header for header in view.headers if header not in columns.values()}
    said = {}
    for name in ("country", "segment"):
        called = [who + name for who in ("", "client", "customer", "buyer") if who + name in free]
        if called:
            said[name] = free[called[0]]
    return said


def _alike(view: _View, table: Table, columns: dict[str, str]) -> dict[str, str]:
    """Headers that are nearly a name of a column that was not found."""
    free = {folded(header): header for header in view.headers if header not in columns.values()}
    found: dict[str, str] = {}
    for column in table.columns.values():
        if column.name not in columns:
            wanted = [folded(column.name), *names()["columns"].get(column.name, ())]
            if like := [name for name in free if get_close_matches(name, wanted, 1, 0.85)]:
                found[column.name] = free[like[0]]
    return found


def interval_of(header: str) -> tuple[str, int] | None:
    """The interval, with its count, that the name of a price says it is for."""
    return next((interval for interval, words in _INTERVALS.items() if re.search(words, header.casefold())), None)


def is_in_cents(header: str) -> bool:
    return bool(_IN_CENTS.search(header))


def money(guess: Guess) -> Iterator[str]:
    """The texts of all amounts of the table."""
    for name in guess.columns:
        if guess.table.columns[name].type in MONEY:
            yield from guess.values(name)
    for row in guess.rows():
        yield from (row[month] for month in guess.months if row.get(month))


def days(guess: Guess) -> list[str]:
    """The texts of all days of the table."""
    return [text for name in guess.columns if guess.table.columns[name].type in DATES for text in guess.values(name)]
