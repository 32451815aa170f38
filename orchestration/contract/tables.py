"""The tables and columns that the warehouse takes, read from the dbt sources that define them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import yaml

from orchestration import ROOT

DEFINITIONS = ROOT / "models" / "staging"
DATES = {"date", "timestamp"}
MONEY = {"amount", "price"}
NUMBERS = MONEY | {"quantity", "fraction", "rate", "integer", "number"}


@dataclass(frozen=True)
class Column:
    """A contract column; the head of models/staging/crm/_crm__sources.yml says what its facts mean."""

    name: str
    type: str
    required: bool = False
    personal: bool = False
    key: bool = False
    refers_to: str | None = None
    segment: str | None = None
    identifies: str | None = None  # what an id is of: customer_id, employee_id, invoice_id …


@dataclass(frozen=True)
class Table:
    """A contract table; `name` is `<source>.<table>` as people write it in a mapping."""

    name: str
    columns: dict[str, Column]
    one_of: tuple[tuple[str, ...], ...] = ()  # of one group of columns all must be delivered
    row_key: str | None = None  # the column that, when empty, leaves a row identified by its file and row
    activity: bool = False  # its rows make customers active
    makes_customers: bool = False  # whoever it names is a customer
    event_day: str | None = None  # the column with the day of a row
    event_day_is: str | None = None  # happened: written when its day has come; announced: perhaps before it
    fresh_for_days: int | None = None  # days between the newest row and as_of that are nothing unusual

    @property
    def raw(self) -> str:
        """Name of the table in the schema `raw`."""
        return self.name.replace(".", "__")

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return tuple(column.name for column in self.columns.values() if column.key)

    def knows(self, identifier: str) -> bool:
        """Whether the table says that such an id exists: it is the table's own, or the table makes customers."""
        return self.key[0] == identifier or (identifier == "customer_id" and self.makes_customers)


@cache
def contract() -> dict[str, Table]:
    """All contract tables by name, in the order of their definition."""
    tables = {}
    for path in sorted(DEFINITIONS.glob("*/_*__sources.yml")):
        # in C, where PyYAML has been built with it: a tenth of the time, which every command pays
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for source in yaml.load(path.read_text(encoding="utf-8"), loader)["sources"]:
            for node in source["tables"]:
                table = _table(node)
                tables[table.name] = table
    return tables


def activity_tables() -> tuple[str, ...]:
    """The tables of which one must be delivered: without them nobody can be active."""
    return tuple(table.name for table in contract().values() if table.activity)


def _table(node: dict) -> Table:
    meta = node.get("config", {}).get("meta", {})
    return Table(
        node["name"].replace("__", "."),
        {column["name"]: _column(column) for column in node["columns"]},
        tuple(map(tuple, meta.get("one_of", ()))),
        meta.get("row_key"),
        meta.get("activity", False),
        meta.get("makes_customers", False),
        meta.get("event_day"),
        meta.get("event_day_is"),
        meta.get("fresh_for_days"),
    )


def _column(node: dict) -> Column:
    name, meta = node["name"], node["config"]["meta"]
    identifies = meta.get("identifies") or meta.get("refers_to") or (name if name.endswith("_id") else None)
    return Column(
        name,
        meta["type"],
        meta.get("required", False),
        meta.get("personal", False),
        meta.get("key", False),
        meta.get("refers_to"),
        meta.get("segment"),
        identifies,
    )
