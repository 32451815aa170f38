"""Each macro that engines spell differently gives the same on both."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import duckdb
import yaml

from orchestration.engines import EngineSettings
from orchestration.transform import project
from orchestration.warehouse.folder import Warehouse
from spark.cluster import Cluster
from tests.unit.test_portable_sql import DBT_MACROS, SQL

# Every blank of Unicode, around what is a blank elsewhere or looks like one.
BLANKS = "".join(char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == "Zs")
NO_BLANKS = "\t\u0085\u180e\u200b\u2028\ufeff"
# id, wide, day, other_day, number, amount, text, document
ROWS = r"""
select 1 as id, cast(1 as decimal(38, 0)) as wide,
    cast('2024-01-31' as date) as day, cast('2023-12-01' as date) as other_day, 7 as number,
    cast(37.425 as decimal(18, 6)) as amount, 'Too  EXPENSIVE!! é' as text,
    replace('{"a b": "x", "c~d": "1"}', '~', chr(39)) as document
union all
select 2, 2, cast('2024-02-29' as date), cast('2025-02-28' as date), -7, cast(-0.005 as decimal(18, 6)),
    'Скъпо, 100%', '{"a b": null}'
union all
select 3, 3, cast(null as date), cast('1999-12-31' as date), 0, cast(123456.123456 as decimal(18, 6)),
    cast(null as string), replace(replace('{"c~d": 5, "a b": "é ^" q"}', '~', chr(39)), '^', chr(92))
union all
select 4, 4, cast('1969-12-31' as date), cast('1970-01-01' as date), 13, cast(null as decimal(18, 6)), 'скъпо 100', '{}'
union all
select 5, 5, cast('2023-03-31' as date), cast('2023-03-31' as date), 1, cast(0 as decimal(18, 6)), '', '[1]'
"""
ROWS += f"""
union all
select 6, 6, cast(null as date), cast(null as date), 2, cast(1 as decimal(18, 6)),
    '{BLANKS}\u00a0NBSP{BLANKS}\u3000', '{{"a b": "\u00a0x\u3000"}}'
union all
select 7, 7, cast(null as date), cast(null as date), 3, cast(1 as decimal(18, 6)), '{BLANKS}{NO_BLANKS}{BLANKS}', '{{}}'
union all
select 8, 8, cast(null as date), cast(null as date), 4, cast(1 as decimal(18, 6)), 'İSTANBUL ΟΔΟΣ ὈΔΥΣΣΕΎΣ, ς', '{{}}'
"""
LETTERS = "comparable_text(\"'скъпо'\", \"'кпсоъ'\")"
ALIAS = "comparable_alias(\"'скпа'\", \"'кпсоъ'\")"
EACH = {
    "add_days": ["add_days('day', 'number')", "add_days('other_day', -366)"],
    "months_before": ["months_before('day', 1)", "months_before('day', 12)"],
    "days_between": ["days_between('day', 'other_day')"],
    "integer_divide": ["integer_divide('year(other_day) * 12', '7')", "integer_divide('number + 7', '2')"],
    "microseconds_between": ["microseconds_between('cast(day as timestamp)', 'cast(other_day as timestamp)')"],
    "json_text": ["json_text('document', 'a b')", "json_text('document', \"c'd\")"],
    "lowered": ["lowered('text')"],
    "trimmed": ["trimmed('text')", "trimmed(json_text('document', 'a b'))"],
    "normalise_text": ["normalise_text('text')"],
    # of equal fractions each engine may find another
    "fraction": ["integer_divide(fraction('amount', 6).n ~ ' * 1000000', fraction('amount', 6).d)"],
    "money_ratio": [
        "money_ratio([fraction('amount', 6).n, '3'], [fraction('amount', 6).d, '2'])",
        "money_ratio(['number', '15'], ['1000'])",
        "money_ratio(['number'], ['number - 7'])",
        "money_ratio([cents('amount')] + ['wide * 1000000000000'] * 3, ['wide * 900000000000'] * 3)",
    ],
    "exact_money_ratio": ["exact_money_ratio('number * 1005', '1000')", "exact_money_ratio('number', '0')"],
    "type_wide_integer": ["cents('amount')"],
    "last_known": ["last_known('amount', '1', 'id')"],
}
ALL = {
    "alphabet_of": ["'count(*) * 0 + length(' ~ comparable_text(\"'скъпо'\", alphabet_of('text')) ~ ')'"],
    # a distance counted in characters
    "comparable_text": [f"'min(levenshtein(' ~ {LETTERS} ~ ', ' ~ {ALIAS} ~ '))'"],
    "quantile": [
        "'cast(' ~ hours_quantile(0.5, 'number * 36000000') ~ ' * 1000 as bigint)'",
        "'cast(' ~ hours_quantile(0.9, 'number * 36000000') ~ ' * 1000 as bigint)'",
    ],
    # to the last bit
    "ordered_sum": ["'cast(' ~ ordered_sum('cast(amount as double) / 3', 'id') ~ ' * 137438953472e0 as bigint)'"],
    "listagg": ["dbt.listagg('text', \"'; '\", 'order by id')", "dbt.listagg('text', \"'; '\", 'order by number')"],
}
OTHERS = {
    "number_series": "select cast(number as string)"
    " from (select {{ number_series('number', '9') }} as number from cases where number > 0) as series",
    "inlined": "select value from (with twice as {{ inlined() }} (select '1' as value) select * from twice)"
    " as inner_query",
}


def columns(macros: dict[str, list[str]]) -> dict[str, str]:
    """Name -> SQL of a column for each call."""
    return {
        f"{name} {number}": f"cast({{{{ {call} }}}} as string)"
        for name, calls in macros.items()
        for number, call in enumerate(calls)
    }


# The names of the columns of few queries, and their SQL: with a query for each macro Spark plans for a minute.
QUERIES = [
    (["id", *columns(EACH)], f"select id, {', '.join(columns(EACH).values())} from cases"),
    ([*columns(ALL)], f"select {', '.join(columns(ALL).values())} from cases"),
    *(([name], query) for name, query in OTHERS.items()),
]
NEXT = "-- the next query"  # between them, for dbt to compile them at once


def test_every_dispatched_macro_is_tried() -> None:
    dispatched = {name for text in SQL.values() for name in re.findall(r"{%-? macro spark__(\w+)", text)}
    assert EACH.keys() | ALL.keys() | OTHERS.keys() == dispatched
    assert dispatched >= DBT_MACROS


def test_macros_give_the_same_on_both_engines(tmp_path: Path, running: Cluster, storage: Path) -> None:
    given = {"engine": "spark", "spark_url": running.url, "spark_storage": str(storage / "macros")}
    warehouse = Warehouse(tmp_path)
    inline = f"\n{NEXT}\n".join(f"with cases as ({ROWS})\n{query}" for _, query in QUERIES)
    found = []
    for settings in (EngineSettings(), EngineSettings(**given)):
        engine = settings.start(warehouse, "id")
        profile = yaml.safe_load((project.ROOT / "profiles.yml").read_text(encoding="utf-8"))
        with engine.running() as (output, manifest):
            profile["churn_warehouse"]["outputs"][engine.name] |= output | {"schema": "default"}
            (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
            arguments = ["compile", "--inline", inline, "--target-path", str(tmp_path), "--no-introspect"]
            arguments += ["--no-populate-cache"]
            [compiled] = project._invoke(arguments, tmp_path, manifest, target=engine.name).results
        with duckdb.connect() as con:
            con.execute("pragma disable_optimizer")  # it calculates constants ahead, and fails where `try` would not
            cells = [
                zip(*sorted(engine.rows(con, query)), strict=True) for query in compiled.node.compiled_code.split(NEXT)
            ]
        found.append(
            {
                name: column
                for (names, _), columns_ in zip(QUERIES, cells, strict=True)
                for name, column in zip(names, columns_, strict=True)
            }
        )
    assert found[0] == found[1]
    assert sum(map(len, found[0].values())) > 150
