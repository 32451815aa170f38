"""Patterns of extracts.yml, matched in a time that grows with the text only: Python's own take hours for `(a+)+b`."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from functools import cache

import duckdb

# (?!…) before a pattern, around at most one level of parentheses.
_BUT = re.compile(r"\(\?!((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*+\))*+)\)(?!.*\|)", re.DOTALL)
# To Python they are about the letters of any language, to the engine about those of English.
_LETTERS = re.compile(r"(?<!\\)(?:\\\\)*(\\[wWbB])")
_NAMES = {"%b": calendar.month_abbr, "%B": calendar.month_name, "%a": calendar.day_abbr, "%A": calendar.day_name}
# What may stand in the pattern of a day, and a regular expression for it: no two of them can share a text in many ways.
DAY_PARTS = {
    "%Y": r"\d{4}",
    "%j": r"\d{3}",
    "%f": r"\d{6}",
    **dict.fromkeys(("%y", "%m", "%d", "%H", "%I", "%M", "%S", "%U", "%W"), r"\d{2}"),
    "%w": r"\d",
    "%p": "(?i:AM|PM)",
    **{part: f"(?i:{'|'.join(filter(None, names))})" for part, names in _NAMES.items()},
}


def full_matches(pattern: str, names: Iterable[str]) -> set[str]:
    """Which of the names the whole pattern matches; one that begins with (?!…) leaves out those that begin so.
    Raises ValueError where it is no pattern."""
    if letters := _LETTERS.search(pattern):
        raise ValueError(f"it has {letters[1]}; write [\\pL\\pN_] for a letter, digit or underscore of any language")
    but = _BUT.match(pattern)
    query = (
        "select name from (select unnest($names::varchar[]) as name)"
        " where regexp_full_match(name, $whole) and not coalesce(regexp_matches(name, $beginning), false)"
    )
    asked = {
        "names": list(names),
        "whole": pattern[but.end() :] if but else pattern,
        "beginning": but and f"^(?:{but[1]})",
    }
    try:
        return {name for (name,) in _engine().cursor().execute(query, asked).fetchall()}
    except duckdb.InvalidInputException as error:
        raise ValueError(str(error).rpartition("Error: ")[2]) from None


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Of a single thread, the caller's, so that a process that was forked has all of it."""
    return duckdb.connect(config={"threads": 1})


def day_pattern(pattern: str) -> str:
    """The pattern of a day as a regular expression: each directive stands for its texts, all else for itself."""
    return "".join(DAY_PARTS.get(part) or re.escape(part) for part in re.split("(%.)", pattern))
