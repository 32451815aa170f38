"""How text is read as dates and numbers, as SQL: expressions that give null where the text cannot be read.

Dates come out as ISO text in the company's time zone, numbers as plain text with a decimal point. Where a mapping
declares nothing, the values vote: `date_votes` and `number_votes` count the readings that fit, `date_reading` and
`is_ambiguous_number` judge the counts of all files together.
"""

from decimal import Decimal

from orchestration.contract.mapping import EPOCHS

# blanks as people's systems write them: no-break, thin and narrow no-break ones too
BLANKS = " \u00a0\u2009\u202f"
MARGIN = BLANKS + "\t\r\n"

_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_DAY = r"[1-9]\d{3}-\d{2}-\d{2}"
ISO_LOCAL = rf"{_DAY}(?:[T ]{_TIME})?"
ISO_OFFSET = rf"{_DAY}[T ]{_TIME} ?(?:Z|[+-]\d{{2}}(?::?\d{{2}})?)"
DAY_AND_MONTH = rf"\d{{1,2}}(?:\.\d{{1,2}}\.|/\d{{1,2}}/|-\d{{1,2}}-)[1-9]\d{{3}}(?:(?:T|,? ){_TIME}(?: ?[AaPp][Mm])?)?"

DATE_READINGS = {"iso": "ISO (2024-01-31)", "dmy": "day first (31.01.2024)", "mdy": "month first (01/31/2024)"}


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted SQL name."""
    return '"' + name.replace('"', '""') + '"'


def trimmed(sql: str) -> str:
    """Text without blanks around it, null when nothing is left."""
    return f"nullif(trim({sql}, {quote(MARGIN)}), '')"


def _matches(sql: str, pattern: str) -> str:
    return f"regexp_full_match({sql}, {quote(pattern)})"


def _in_zone(instant: str, time_zone: str) -> str:
    return f"({instant} at time zone {quote(time_zone)})"


def iso_moment(sql: str, time_zone: str) -> str:
    """ISO text as a naive timestamp in `time_zone`; without an offset it is there already."""
    local = f"try_cast(replace({sql}, ',', '.') as timestamp)"
    clock = f"regexp_extract({sql}, {quote(f'^({_DAY}[T ]{_TIME})')}, 1)"
    offset = f"regexp_extract(replace({sql}, 'Z', '+00'), '([+-]\\d{{2}}):?(\\d{{2}})?$', ['hours', 'minutes'])"
    instant = (
        f"try_cast(try_cast(replace({clock}, ',', '.') as timestamp)::varchar || {offset}.hours || ':'"
        f" || coalesce(nullif({offset}.minutes, ''), '00') as timestamptz)"
    )
    return f"case when {_matches(sql, ISO_LOCAL)} then {local} when {_matches(sql, ISO_OFFSET)} then {_in_zone(instant, time_zone)} end"


def day_and_month_moment(sql: str, reading: str) -> str:
    """Day-first (`dmy`) or month-first (`mdy`) text as a naive timestamp."""
    order = r"\3-\2-\1 " if reading == "dmy" else r"\3-\1-\2 "
    iso = f"rtrim(replace(regexp_replace({sql}, '^(\\d+).(\\d+).(\\d{{4}})(?:T|,? )?', '{order}'), ',', '.'))"
    halves = "['%Y-%m-%d %I:%M %p', '%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M%p', '%Y-%m-%d %I:%M:%S%p']"
    return (
        f"case when not {_matches(sql, DAY_AND_MONTH)} then null"
        f" when lower({sql}) like '%m' then try_strptime({iso}, {halves}) else try_cast({iso} as timestamp) end"
    )


def _epoch_moment(sql: str, units: int, time_zone: str) -> str:
    microseconds = f"(try_cast({number(sql, '.')} as decimal(24, 6)) * {1_000_000 // units})::bigint"
    return _in_zone(f"try(make_timestamp({microseconds}) at time zone 'UTC')", time_zone)


def moment(sql: str, native: str, reading: str, time_zone: str) -> str:
    """Text as a naive timestamp in `time_zone`. `reading`: iso, dmy, mdy, epoch_s, epoch_ms or a strptime format;
    what the file holds as a date by itself (`native`) is ISO text already, a day as a number (20240131) is not."""
    if reading in EPOCHS:
        return _epoch_moment(sql, EPOCHS[reading], time_zone)
    if reading == "iso":
        return iso_moment(sql, time_zone)
    if reading in DATE_READINGS:
        declared = day_and_month_moment(sql, reading)
    else:
        declared = f"try_strptime({sql}, {quote(reading)})"
        if "%z" in reading.lower():
            declared = _in_zone(declared, time_zone)
    if native == "false":
        return declared
    return f"coalesce(case when {native} then {iso_moment(sql, time_zone)} end, {declared})"


def date_text(moment_sql: str, kind: str) -> str:
    """A timestamp as the contract's text: the day for `date`, day and time for `timestamp`; years have four digits."""
    text = f"({moment_sql})::date::varchar" if kind == "date" else f"({moment_sql})::varchar"
    return f"case when year({moment_sql}) between 1000 and 9999 then {text} end"


def date_votes(sql: str, time_zone: str) -> dict[str, str]:
    """Aggregates that count the values which each reading fits, and samples of those that two fit."""
    iso, dmy, mdy = iso_moment(sql, time_zone), day_and_month_moment(sql, "dmy"), day_and_month_moment(sql, "mdy")
    both, differ = f"({dmy}) is not null and ({mdy}) is not null", f"({dmy}) <> ({mdy})"
    return {
        "values": f"count({sql})",
        "iso": f"count({iso})",
        "dmy": f"count({dmy})",
        "mdy": f"count({mdy})",
        "both": f"count(*) filter ({both})",
        "least": f"min({sql}) filter ({differ})",
        "greatest": f"max({sql}) filter ({differ})",
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
    """Aggregates that count the values which the decimal point and the decimal comma fit. (`count_if` would be null in a
    file whose values are all empty.)"""
    point, comma = _matches(sql, _pattern(".")), _matches(sql, _pattern(","))
    differ = f"{point} and {comma} and regexp_matches({sql}, '[.,]')"
    return {
        "values": f"count({sql})",
        "point": f"count(*) filter ({point})",
        "comma": f"count(*) filter ({comma})",
        "both": f"count(*) filter ({point} and {comma})",
        "differ": f"count(*) filter ({differ})",
        "least": f"min({sql}) filter ({differ})",
        "greatest": f"max({sql}) filter ({differ})",
    }


def is_ambiguous_number(votes: dict[str, int]) -> bool:
    """Whether all values that can be read fit both marks, and not with the same value."""
    return votes["differ"] > 0 and votes["both"] == votes["point"] + votes["comma"] - votes["both"]
