"""The models are one SQL for DuckDB and Spark; what the engines spell differently are pairs of macros."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SQL = {
    path.relative_to(ROOT): path.read_text(encoding="utf-8")
    for folder in ("models", "macros", "analyses", "tests/dbt")
    for path in (ROOT / folder).rglob("*.sql")
}
# dbt's own, of which we replace one for Spark
DBT_MACROS = {"listagg"}


def test_every_dispatched_macro_has_both_engines():
    engines = defaultdict(set)
    for text in SQL.values():
        for engine, name in re.findall(r"{%-? macro (duckdb|spark|default)__(\w+)", text):
            engines[name].add(engine)
    assert {name: found for name, found in engines.items() if found != {"duckdb", "spark"}} == {
        name: {"spark"} for name in DBT_MACROS
    }
    dispatched = {name for text in SQL.values() for name in re.findall(r"adapter\.dispatch\('(\w+)'\)", text)}
    assert dispatched == engines.keys() - DBT_MACROS


def test_models_use_nothing_that_one_engine_lacks():
    """`::`, varchar and starts_with are DuckDB's; Spark reads `qualify` from 4.3 on only, and keeps the rows of a query
    after `not in` in the memory of one machine. Spark 3.5 leaves a quote that is written twice out of a text."""
    lacking = re.compile(r"\bqualify\b|::|\bvarchar\b|\bhugeint\b|\bexclude\b|\bstarts_with\b|\bnot in \(\s*select\b")
    for path, text in SQL.items():
        shared = re.sub(r"(?s:{%-? macro (duckdb|spark)__.*?endmacro -?%}|{#.*?#})|--.*", "", text)
        if path.parts[0] != "macros":
            shared = re.sub(r"'[^'\n]*'", "", shared)
        assert not lacking.search(shared), path
        assert not re.search(r"\w''\w", text), path
