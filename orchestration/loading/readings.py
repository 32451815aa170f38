"""How text is read as dates and numbers, as SQL: expressions that give null where the text cannot be read.

Dates come out as ISO text in the company's time zone, numbers as plain text with a decimal point. Where a mapping
declares nothing, the values vote: `date_votes` and `number_votes` count the readings that fit, `date_reading` and
`is_ambiguous_number` judge the counts of all files together.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from orchestration.contract.mapping import EPOCHS, EXCEL_SERIAL
from orchestration.warehouse.quoting import quote

# blanks as people's systems write them: no-break, thin and narrow no-break ones too
BLANKS = " \u00a0\u2009\u202f"
MARGIN = BLANKS + "\t\r\n"

_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_DAY = r"[1-9]\d{3}-\d{2}-\d{2}"
ISO_LOCAL = rf"{_DAY}(?:[T ]{_TIME})?"
ISO_OFFSET = rf"{_DAY}[T ]{_TIME} ?(?:Z|[+-]\d{{2}}(?::?\d{{2}})?)"
DAY_AND_MONTH = rf"\d{{1,2}}(?:\.\d{{1,2}}\.|/\d{{1,2}}/|-\d{{1,2}}-)[1-9]\d{{3}}(?:(?:T|,? ){_TIME}(?: ?[AaPp][Mm])?)?"

# Day, month and a year of two digits, in any order: only a declared format says which is which.
SHORT_YEAR = rf"\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2}}(?:,? {_TIME})?"

DATE_READINGS = {"iso": "ISO (2024-01-31)", "dmy": "day first (31.01.2024)", "mdy": "month first (01/31/2024)"}


def trimmed(sql: str) -> str:
    """Text without blanks around it, null when nothing is left.

    Looking for blanks at both ends takes a sixth of the time that trimming takes, and few cells have any."""
    ends = [f"{side}_with({sql}, {quote(blank)})" for side in ("starts", "ends") for blank in MARGIN]
    blank = " or ".join([f"{sql} = ''", *ends])
    return f"case when {blank} then nullif(trim({sql}, {quote(MARGIN)}), '') else {sql} end"


def trimmed_constant(text: str) -> str:
    """The same of a text that is known."""
    return quote(text.strip(MARGIN)) if text.strip(MARGIN) else "null::varchar"


def _matches(sql: str, pattern: str) -> str:
    return f"regexp_full_match({sql}, {quote(pattern)})"


def _in_zone(instant: str, time_zone: str) -> str:
    return f"({instant} at time zone {quote(time_zone)})"


@dataclass(frozen=True)
class Clock:
    """Whose clock a naive time is of: of the source, and of the company, in whose day it is to be read."""

    source: str
    company: str

    def read(self, local: str, has_time: str) -> str:
        """A naive timestamp of the source as the company's; a value without a time of day is never shifted."""
        if self.source == self.company:
            return local
        shifted = _in_zone(_in_zone(f"({local})", self.source), self.company)
        return f"case when {has_time} then {shifted} else {local} end"


# What people write after a year (`5.1.2024 г.`, `5 января 2024 года`) and at the end, perhaps only a dot.
_AFTER_YEAR = rf"[{BLANKS}]*(?:г\.|г|года|год|година)([{BLANKS},]|$)"
_AT_END = rf"[{BLANKS}]*(?:ч\.?|\.)$"


def _without_year_marks(sql: str) -> str:
    """A date as text without what people write after its year and at its end."""
    after, end = rf"(\d){_AFTER_YEAR}", rf"(\d){_AT_END}"
    return f"regexp_replace(regexp_replace({sql}, {quote(after)}, '\\1\\2', 'gi'), {quote(end)}, '\\1', 'i')"


def _plain_format(format: str, language: str | None) -> str:
    """A declared format for what `plain_date` leaves of a text."""
    format = re.sub(rf"(%-?[A-Za-z]){_AFTER_YEAR}", r"\1\2", format, flags=re.IGNORECASE)
    format = re.sub(rf"(%-?[A-Za-z]){_AT_END}", r"\1", format, flags=re.IGNORECASE)
    return re.sub("%[bh]", "%B", format) if language else format


# The stems of the months' names and, where a stem means two, what tells them apart; any grammatical form follows.
_MONTHS = {
    "ru": "январ|феврал|март|апрел|ма[йяе]|июн|июл|август|сентябр|октябр|ноябр|декабр",
    "bg": "януари|февруари|март|април|май|юни|юли|август|септември|октомври|ноември|декември",
    "en": "january|february|march|april|may|june|july|august|september|october|november|december",
    "fil": "enero|pebrero|marso|abril|mayo|hunyo|hulyo|agosto|set[iy]embre|oktubre|nobyembre|disyembre",
}
_SHORT_MONTHS = {
    "ru": "янв|фев(?:р)?|мар|апр|ма[йя]|июн|июл|авг|сен(?:т)?|окт|ноя(?:б)?|дек",
    "bg": "ян(?:у)?|фев(?:р)?|мар|апр|май|юни|юли|авг|сеп(?:т)?|окт|но[ея](?:м)?|дек",
    "en": "jan|feb|mar|apr|may|jun|jul|aug|sep(?:t)?|oct|nov|dec",
    "fil": "ene|peb|mar|abr|may|hun|hul|ago|set|okt|nob|dis",
}
_ENGLISH = _MONTHS["en"].split("|")
# What a declared language reads where no format is declared.
_NAMED_MONTHS = ("%d %B %Y", "%d %B %Y %H:%M", "%d %B %Y %H:%M:%S", "%B %d, %Y", "%B %d %Y", "%d-%B-%Y", "%B %Y")


def _in_english(sql: str, language: str) -> str:
    """Text with the name of a month, in any case and grammatical form, as the English one that a format reads."""
    text = f"lower({sql})"
    names = zip(_MONTHS[language].split("|"), _SHORT_MONTHS[language].split("|"), _ENGLISH, strict=True)
    for stem, short, month in names:
        pattern = rf"(^|[^\p{{L}}])(?:(?:{stem})\p{{L}}*|(?:{short})\.?)($|[^\p{{L}}])"
        text = f"regexp_replace({text}, {quote(pattern)}, '\\1{month}\\2')"
    return text


def month_language(days: Iterable[str]) -> str | None:
    """The first language that knows the month of each day."""
    written = list(days)
    for language, stems in _MONTHS.items():
        known = rf"(?<![^\W\d_])(({stems})|({_SHORT_MONTHS[language]})(?![^\W\d_]))"
        if all(re.search(known, day, re.IGNORECASE) for day in written):
            return language
    return None


def plain_date(sql: str, language: str | None) -> str:
    """A date as text in the form that the readings and formats know: without marks of the year, months in English."""
    text = _without_year_marks(sql)
    if language:
        text = _in_english(text, language)
    return f"case when {_matches(sql, ISO_LOCAL)} then {sql} else {text} end"


def iso_moment(sql: str, clock: Clock) -> str:
    """ISO text as a naive timestamp of the company's clock."""
    local = f"try_cast(replace({sql}, ',', '.') as timestamp)"
    clock_text = f"regexp_extract({sql}, {quote(f'^({_DAY}[T ]{_TIME})')}, 1)"
    offset = f"regexp_extract(replace({sql}, 'Z', '+00'), '([+-]\\d{{2}}):?(\\d{{2}})?$', ['hours', 'minutes'])"
    instant = (
        f"try_cast(try_cast(replace({clock_text}, ',', '.') as timestamp)::varchar || {offset}.hours || ':'"
        f" || coalesce(nullif({offset}.minutes, ''), '00') as timestamptz)"
    )
    return (
        f"case when {_matches(sql, ISO_LOCAL)} then {clock.read(local, _has_time(sql))}"
        f" when {_matches(sql, ISO_OFFSET)} then {_in_zone(instant, clock.company)} end"
    )


def day_and_month_moment(sql: str, reading: str, clock: Clock) -> str:
    """Day-first (`dmy`) or month-first (`mdy`) text as a naive timestamp of the company's clock."""
    order = r"\3-\2-\1 " if reading == "dmy" else r"\3-\1-\2 "
    iso = f"rtrim(replace(regexp_replace({sql}, '^(\\d+).(\\d+).(\\d{{4}})(?:T|,? )?', '{order}'), ',', '.'))"
    halves = "['%Y-%m-%d %I:%M %p', '%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M%p', '%Y-%m-%d %I:%M:%S%p']"
    local = f"case when lower({sql}) like '%m' then try_strptime({iso}, {halves}) else try_cast({iso} as timestamp) end"
    return f"case when {_matches(sql, DAY_AND_MONTH)} then {clock.read(local, _has_time(sql))} end"


def _has_time(sql: str) -> str:
    return f"contains({sql}, ':')"


def _epoch_moment(sql: str, units: int, clock: Clock) -> str:
    microseconds = f"(try_cast({number(sql, '.')} as decimal(24, 6)) * {1_000_000 // units})::bigint"
    return _in_zone(f"try(make_timestamp({microseconds}) at time zone 'UTC')", clock.company)


def _serial_moment(sql: str, clock: Clock, decimal: str) -> str:
    """Days since the last day of 1899, as Excel counts them; the fraction is the time of day, to the second."""
    marks = dict.fromkeys((decimal, "."))  # what a workbook holds as a number has a point
    days = f"try_cast(coalesce({', '.join(number(sql, mark) for mark in marks)}) as decimal(18, 8))"
    seconds = f"round({days} * 86400)::bigint"
    local = f"case when {days} between 1 and 2958465 then timestamp '1899-12-30' + to_seconds({seconds}) end"
    return clock.read(local, f"{days} % 1 <> 0")


def _declared_moment(sql: str, format: str, clock: Clock, decimal: str) -> str:
    if format in EPOCHS:
        return _epoch_moment(sql, EPOCHS[format], clock)
    if format == EXCEL_SERIAL:
        return _serial_moment(sql, clock, decimal)
    declared = f"try_strptime({sql}, {quote(format)})"
    if "%z" in format.lower():
        return _in_zone(declared, clock.company)
    return clock.read(declared, "true" if re.search(r"%-?[HIcXT]", format) else "false")


def moment(
    sql: str,
    native: str,
    clock: Clock,
    reading: str = "iso",
    formats: tuple[str, ...] = (),
    language: str | None = None,
    decimal: str = ".",
) -> str:
    """Text as `plain_date` gives it as a naive timestamp of the company's clock: by the declared formats, tried in
    order, else with the name of a month, where a `language` is declared, else by the `reading` (iso, dmy, mdy). What
    the file holds as a date by itself (`native`) is ISO text already."""
    known = [_plain_format(format, language) for format in formats] or (_NAMED_MONTHS if language else ())
    tried = [_declared_moment(sql, format, clock, decimal) for format in known]
    if not formats:
        tried.append(iso_moment(sql, clock) if reading == "iso" else day_and_month_moment(sql, reading, clock))
    if native != "false" and (formats or reading != "iso"):
        tried.insert(0, f"case when {native} then {iso_moment(sql, clock)} end")
    return tried[0] if len(tried) == 1 else f"coalesce({', '.join(tried)})"


def names_month(sql: str) -> str:
    """Whether text as `plain_date` gives it is a date with the name of a month, which needs no vote on its reading."""
    return f"try_strptime({sql}, [{', '.join(map(quote, _NAMED_MONTHS))}]) is not null"


def shifted(moment_sql: str, add: tuple[tuple[str, int], ...], inclusive: bool) -> str:
    """A timestamp moved by days, months or years (where the day doesn't exist, the month's last), and from the last day
    of service to the first without."""
    for unit, count in (*add, *([("days", 1)] if inclusive else [])):
        moment_sql = f"({moment_sql} + to_{unit}({count}))"
    return moment_sql


def date_text(moment_sql: str, kind: str) -> str:
    """A timestamp as the contract's text: the day for `date`, day and time for `timestamp`; years have four digits."""
    text = f"({moment_sql})::date::varchar" if kind == "date" else f"({moment_sql})::varchar"
    return f"case when year({moment_sql}) between 1000 and 9999 then {text} end"


def date_votes(sql: str, clock: Clock) -> dict[str, str]:
    """Aggregates that count the values which each reading fits, and samples of those that two fit."""
    iso = iso_moment(sql, clock)
    dmy, mdy = (day_and_month_moment(sql, reading, clock) for reading in ("dmy", "mdy"))
    both, differ = f"({dmy}) is not null and ({mdy}) is not null", f"({dmy}) <> ({mdy})"
    return {
        "values": f"count({sql})",
        "iso": f"count({iso})",
        "dmy": f"count({dmy})",
        "mdy": f"count({mdy})",
        "both": f"count(*) filter ({both})",
        "short": f"count(*) filter ({_matches(sql, SHORT_YEAR)})",
        "least": f"min({sql}) filter ({differ})",
        "greatest": f"max({sql}) filter ({differ})",
        "shortest": f"min({sql}) filter ({_matches(sql, SHORT_YEAR)})",
    }


def date_reading(votes: dict[str, int]) -> list[str]:
    """The readings that the votes leave: one that can be used, several (ambiguous), or none. `[]` also where the
    readings that occur contradict each other; a column in which nothing can be read by any reading is read as ISO."""
    possible = votes["iso"] + votes["dmy"] + votes["mdy"] - votes["both"]
    if possible == 0:
        return ["iso"]
    fitting = [reading for reading in DATE_READINGS if votes[reading] == possible]
    return fitting or (["iso"] if votes["iso"] * 2 > possible else [])


def _pattern(decimal: str) -> str:
    other = "." if decimal == "," else ","
    groups = "|".join(rf"[1-9]\d{{0,2}}(?:{_escaped(mark)}\d{{3}})+" for mark in [other, "'", "’", *BLANKS])
    point = _escaped(decimal)
    return rf"[+-]?(?:(?:\d+|{groups})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,3}})?"


def _escaped(mark: str) -> str:
    return rf"\{mark}" if mark == "." else mark


def number(sql: str, decimal: str) -> str:
    """Text as plain decimal-point text; `decimal` is the mark between units and tenths."""
    digits = f"regexp_replace({sql}, '[+''’{BLANKS}{'.' if decimal == ',' else ','}]', '', 'g')"
    if decimal == ",":
        digits = f"replace({digits}, ',', '.')"
    plain = r"-?\d+(?:\.\d+)?" if decimal == "." else r"-?\d+"
    return (
        f"case when {_matches(sql, plain)} then {sql}"
        f" when not {_matches(sql, _pattern(decimal))} then null"
        f" when lower({sql}) like '%e%' then try_cast({digits} as decimal(38, 15))::varchar else {digits} end"
    )


def scaled(sql: str, scale: Decimal) -> str:
    """Plain number text times `scale`, exactly."""
    product = f"try(try_cast({sql} as decimal(38, 16)) * {format(scale, 'f')})"
    return f"rtrim(rtrim({product}::varchar, '0'), '.')"


def number_votes(sql: str) -> dict[str, str]:
    """Aggregates that count the values which the decimal point and the decimal comma fit.
    (`count_if` would be null in a file whose values are all empty.)"""
    point, comma = _matches(sql, _pattern(".")), _matches(sql, _pattern(","))
    differ = f"{point} and {comma} and regexp_matches({sql}, '[.,]')"
    return {
        "values": f"count({sql})",
        "point": f"count(*) filter ({point})",
        "comma": f"count(*) filter ({comma})",
        "both": f"count(*) filter ({point} and {comma})",
        "differ": f"count(*) filter ({differ})",
        "unreadable": f"count(*) filter (not {point} and not {comma})",
        "least": f"min({sql}) filter ({differ})",
        "greatest": f"max({sql}) filter ({differ})",
    }


def is_ambiguous_number(votes: dict[str, int]) -> bool:
    """Whether all values that can be read fit both marks, and not with the same value."""
    return votes["differ"] > 0 and votes["both"] == votes["point"] + votes["comma"] - votes["both"]


def shape(sql: str) -> str:
    """What a text looks like, without what it says: digits as 9, letters as z."""
    return f"regexp_replace(regexp_replace({sql}, '\\d', '9', 'g'), '\\p{{L}}', 'z', 'g')"


def percent(sql: str) -> str:
    """The number before a percent sign; null where there is none."""
    return f"nullif(regexp_extract({sql}, {quote(rf'^(.*?)[{BLANKS}]*%$')}, 1), '')"


def folded_name(sql: str) -> str:
    """A name as names are compared: blanks around it trimmed and blanks in a row as one, quotation marks dropped,
    any case."""
    marks = "\"'„“”‟«»‹›‘’‚`"
    bare = f"regexp_replace(lower(nfc_normalize({sql})), {quote(f'[{marks}]')}, '', 'g')"
    return f"trim(regexp_replace({bare}, {quote(f'[{MARGIN}]+')}, ' ', 'g'))"
