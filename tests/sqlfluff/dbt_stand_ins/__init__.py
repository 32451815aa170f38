"""Stand-ins for what dbt gives its templates, for `make lint`: each name here is a name in the templates.

sqlfluff has its own for `ref`, `source`, `config`, `this` and `return`. The macros are the project's, but for the short
forms in `tests/sqlfluff/macros`. sqlfluff reads this file anew for every SQL file: nothing slow may be imported.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from jinja2 import pass_context

_PROJECT = Path(__file__).resolve().parents[3]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _LOADER)


# The lint shows the SQL of a run: what the macros write while dbt only parses is empty.
execute = True

# The macros look up the contract's sources by it.
project_name = "churn_warehouse"

# The engine that the SQL is checked for.
target = SimpleNamespace(type="duckdb")

# A refresh, neither `dbt compile` nor another command: then is_incremental() asks dbt, see below.
flags = SimpleNamespace(WHICH="build")


class _Policies:
    """The policies as dbt_project.yml declares them; sqlfluff's own answer is the text `item` to all of them."""

    def __init__(self) -> None:
        self.vars: dict[str, Any] | None = None

    def __call__(self, name: str, default: Any = None) -> Any:
        if self.vars is None:
            self.vars = _read(_PROJECT / "dbt_project.yml")["vars"]
        return self.vars.get(name, default)


var = _Policies()


class _Adapter:
    """The macros of DuckDB, which is the engine that the SQL is checked for."""

    @pass_context
    def dispatch(self, context: Any, macro_name: str) -> Any:
        """The macro that dbt would choose: `duckdb__` before `default__`."""
        return context.resolve(f"duckdb__{macro_name}") or context.resolve(f"default__{macro_name}")

    def quote(self, identifier: str) -> str:
        return f'"{identifier}"'


adapter = _Adapter()


class _Dbt:
    """dbt's own macros that the project calls, as they write SQL for DuckDB."""

    def type_string(self) -> str:
        return "varchar"

    def type_timestamp(self) -> str:
        return "timestamp"

    def type_boolean(self) -> str:
        return "boolean"

    def type_int(self) -> str:
        return "int"

    def listagg(self, measure: str, delimiter_text: str = "','", order_by_clause: str = "") -> str:
        return f"string_agg({measure}, {delimiter_text} {order_by_clause})"

    def string_literal(self, value: str) -> str:
        return f"'{value}'"

    def escape_single_quotes(self, value: str) -> str:
        return value.replace("'", "''")

    def is_incremental(self) -> bool:
        """True: the SQL of every refresh but the first, which has all that the first has and more."""
        return True


dbt = _Dbt()


class _Graph:
    """The sources as the contract in the YAML of staging declares them; nothing else of the graph is asked."""

    @property
    def sources(self) -> dict[str, Any]:
        return {
            f"source.{project_name}.{source['name']}.{table['name']}": {
                "config": {"meta": {}},
                **table,
                "columns": {c["name"]: {"config": {"meta": {}}, **c} for c in table["columns"]},
            }
            for path in sorted(_PROJECT.glob("models/staging/*/*__sources.yml"))
            for source in _read(path)["sources"]
            for table in source["tables"]
        }


graph = _Graph()
