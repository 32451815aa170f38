"""The tables and columns that the warehouse takes, read from the dbt sources that define them."""

from dataclasses import dataclass
from functools import cache

import yaml

from orchestration import ROOT

DEFINITIONS = ROOT / "models" / "staging"
DATES = {"date", "timestamp"}
NUMBERS = {"amount", "price", "quantity", "fraction", "rate", "integer", "number"}
# one of these must be delivered: without them nobody can be active
BILLING = ("billing.subscriptions", "billing.subscription_events", "billing.invoices", "billing.invoice_lines")


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    required: bool
    personal: bool = False


@dataclass(frozen=True)
class Table:
    """A contract table; `name` is `<source>.<table>` as people write it in a mapping."""

    name: str
    columns: dict[str, Column]
    one_of: tuple[tuple[str, ...], ...]  # of one group of columns all must be delivered
    row_key: str | None  # the column that, when empty, leaves a row identified by its file and row

    @property
    def raw(self) -> str:
        """Name of the table in the schema `raw`."""
        return self.name.replace(".", "__")


@cache
def contract() -> dict[str, Table]:
    """All contract tables by name, in the order of their definition."""
    tables = {}
    for path in sorted(DEFINITIONS.glob("*/_*__sources.yml")):
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
            for node in source["tables"]:
                meta = node.get("config", {}).get("meta", {})
                columns = {}
                for column in node["columns"]:
                    about = column["config"]["meta"]
                    columns[column["name"]] = Column(
                        column["name"], about["type"], about.get("required", False), about.get("personal", False)
                    )
                name = node["name"].replace("__", ".")
                one_of = tuple(map(tuple, meta.get("one_of", ())))
                tables[name] = Table(name, columns, one_of, meta.get("row_key"))
    return tables
