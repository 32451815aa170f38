"""What the texts of a column look like: days, numbers, yes and no.

For `churn init`, which guesses; a refresh never does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import duckdb

from orchestration.contract.tables import DATES, NUMBERS
from orchestration.loading import money
from orchestration.loading.readings import month_language

_ISO = r"\d{4}[-./]\d{1,2}([-./]\d{1,2})?([ T].*)?"
_DAY_FIRST_OR_MONTH = r"(\d{1,2})([./-])(\d{1,2})\2(\d{2}|\d{4})(\D.*)?"
_NAMED_MONTH = r"\d{1,2}[ .-]+[^\W\d_]{3,}\.?[ ,.-]+\d{2,4}(\D.*)?|[^\W\d_]{3,}\.? \d{1,2},? \d{4}(\D.*)?"
_EPOCHS = {"epoch_s": r"1\d{9}", "epoch_ms": r"1\d{12}"}
_SERIAL = r"[345]\d{4}(\.\d+)?"
_NUMBER = r"[^\d\n]{0,5}\d[\d\s.,'’]*(E[+-]?\d+)?[^\d\n]{0,8}"
YES, NO = {"yes", "y", "true", "да", "oo", "opo"}, {"no", "n", "false", "не", "нет", "hindi"}


def is_nothing(text: str) -> bool:
    """Whether a cell among days or numbers stands for no value: n/a, a dash, or zeros."""
    return not re.search(r"[1-9]", text)


def is_day(text: str) -> bool:
    shapes = (_ISO, _DAY_FIRST_OR_MONTH, _NAMED_MONTH, _SERIAL, *_EPOCHS.values())
    return any(re.fullmatch(shape, text) for shape in shapes)


def is_number(text: str) -> bool:
    return bool(re.fullmatch(_NUMBER, text))


def suits(kind: str, values: list[str]) -> bool:
    """Whether the texts may be values of a contract column of this type; those of an empty column may be."""
    if kind in DATES:
        return _most(is_day, values)
    if kind == "fraction":  # a discount is a rate where the column says so
        return all(value.endswith("%") for value in values)
    if kind in NUMBERS:
        return _most(is_number, values) and not _all(lambda value: value.endswith("%"), values)
    if kind == "boolean":
        return {value.casefold() for value in values} <= YES | NO
    if kind == "currency":
        return all(re.fullmatch(r"[A-Za-z]{3}", value) for value in values)
    if kind == "enumeration":
        return not _all(is_number, values)
    return True


def _most(test: Callable[[str], bool], values: list[str]) -> bool:
    said = [value for value in values if not is_nothing(value)]
    return not values or (bool(said) and sum(map(test, said)) * 10 >= len(said) * 6)


def _all(test: Callable[[str], bool], values: list[str]) -> bool:
    return bool(values) and all(map(test, values))


def epoch(days: list[str]) -> str | None:
    """The format of days that are counted: from 1970 in seconds or milliseconds, or as Excel counts them, where cells
    that are formatted as dates stand among them."""
    said = [day for day in days if not is_nothing(day)]
    for name, shape in _EPOCHS.items():
        if said and all(re.fullmatch(shape, day) for day in said):
            return name
    counted = [day for day in said if re.fullmatch(_SERIAL, day)]
    return "excel_serial" if counted and all(day in counted or re.fullmatch(_ISO, day) for day in said) else None


def short_format(days: list[str]) -> tuple[str, ...]:
    """The formats in which days of two numbers and a year can be read, where the loader doesn't see it by itself: two
    formats where nothing tells the day from the month, one for years of two digits."""
    written = [found for day in days if (found := re.fullmatch(_DAY_FIRST_OR_MONTH, day))]
    if not written:
        return ()
    mark, year = written[0][2], "%Y" if len(written[0][4]) == 4 else "%y"
    formats = {f"%d{mark}%m{mark}{year}": 1, f"%m{mark}%d{mark}{year}": 3}
    possible = tuple(form for form, month in formats.items() if all(int(found[4 - month]) <= 12 for found in written))
    return () if len(possible) == 1 and year == "%Y" else possible


def english_format(days: list[str]) -> str | None:
    """The format of days with a month's English short name, as 05-Jan-2024 10:15."""
    said = [day for day in days if not is_nothing(day)]
    for time, shape in (("", ""), (" %H:%M", r" \d\d:\d\d"), (" %H:%M:%S", r" \d\d:\d\d:\d\d")):
        if said and all(re.fullmatch(rf"\d\d?-[A-Z][a-z][a-z]-\d{{4}}{shape}", day) for day in said):
            return f"%d-%b-%Y{time}"
    return None


def language(days: Iterable[str]) -> str | None:
    """The language of the month names in days that hold them."""
    named = [day for day in days if re.fullmatch(_NAMED_MONTH, day)]
    return month_language(named) if named else None


def nothings(values: Iterable[str], among: str) -> list[str]:
    """The texts that stand for no value in a column of this type; a number may be zero, a day may not."""
    found = {value for value in values if is_nothing(value)}
    if among in DATES:
        return sorted(found)
    return sorted(value for value in found if not re.search(r"\d", value)) if among in NUMBERS else []


def currency_of(amounts: Iterable[str]) -> str | None:
    """The currency that all amounts state by signs, words and codes around them, as the loader reads them."""
    stated = [amount for amount in amounts if not is_nothing(amount)]
    currency = money.currency_of(money.stated("amount"))
    with duckdb.connect() as con:
        query = f"select distinct {currency} from unnest($1::varchar[]) as stated(amount)"
        found = con.execute(query, [stated]).fetchall()
    return found[0][0] if len(found) == 1 else None
