"""What `churn pull` fetches: the sources that `pull:` in extracts.yml declares, and what the kinds of source are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestration.contract.placed_yaml import Block, Items, Text

if TYPE_CHECKING:
    from orchestration.contract.mapping_reader import MappingReader

FOLDER = "pulls"
DAY = "%Y-%m-%d"
# The only list of a billing system that keeps today's terms and forgets those before.
FORGETFUL = "billing.subscriptions"
NAME = re.compile("[a-z0-9][a-z0-9_]*")
_SECRET = re.compile("key|token|secret|password|credential|user", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """A kind of source: the preset that reads what is pulled of it, the lists that are pulled, the keys that it takes
    besides `kind`, those of them that it needs, the secrets that it asks for, and the contract's tables of which a pull
    may have the newest rows only, so that an earlier row that is missing is not gone."""

    preset: str | None = None
    lists: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("lists", "url")
    needs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    in_part: tuple[str, ...] = ()


KINDS = {
    "stripe": Kind("stripe", ("customers", "prices", "subscriptions", "invoices", "charges"), secrets=("api_key",)),
    "hubspot": Kind("hubspot", ("companies", "owners", "tickets", "feedback_submissions"), secrets=("access_token",)),
    "zendesk": Kind(
        "zendesk",
        ("users", "tickets", "satisfaction_ratings"),
        ("site", "lists", "url"),
        ("site",),
        ("email", "api_token"),
    ),
    "chargebee": Kind(
        "chargebee",
        ("subscriptions", "customers", "item_prices", "invoices", "credit_notes", "transactions"),
        ("site", "lists", "url"),
        ("site",),
        ("api_key",),
    ),
    "shopify": Kind(
        "shopify_api",
        ("customers", "orders"),
        ("site", "lists", "url"),
        ("site",),
        ("access_token",),
        in_part=("billing.invoices", "billing.refunds"),  # without the right read_all_orders those of 60 days
    ),
    "sql": Kind(keys=("tables", "schema", "changed"), needs=("tables",), secrets=("credentials",)),
    "files": Kind(keys=("url", "files"), needs=("url",)),
}


@dataclass(frozen=True)
class Pull:
    """One source to pull from. `place` is where extracts.yml declares it."""

    name: str
    kind: str
    site: str | None = None
    url: str | None = None
    lists: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    schema: str | None = None
    changed: Mapping[str, str] = field(default_factory=dict)  # table -> column that says when a row last changed
    files: tuple[str, ...] = ()
    place: str = ""


def read_pulls(reader: MappingReader, tree: Block) -> tuple[Pull, ...]:
    """The sources under `pull:`; what is wrong with them is said to the reader."""
    return tuple(_pull(reader, name, value) for name, value in reader.block(tree, "pull").items())


def _pull(reader: MappingReader, name: Text, value: object) -> Pull:
    block = value if isinstance(value, Block) else Block()
    if not isinstance(value, Block) and not getattr(value, "left_out", False):
        reader.say(name, f"'{name}' must have keys below it, or nothing")
    if not NAME.fullmatch(name):
        reader.say(name, f"'{name}' must consist of small letters, digits and _: its folder and its secrets bear it")
    kind_name = str(reader.text(block, "kind") or name)
    if kind_name not in KINDS:
        reader.say(block.get("kind", name), reader.unknown("kind of source", kind_name, KINDS))
        return Pull(str(name), kind_name)
    kind = KINDS[kind_name]
    for key in block:
        if key != "kind" and key not in kind.keys and _SECRET.search(key):
            reader.say(key, f"secrets don't belong here: take '{key}' out, and set it as docs/pull.md says")
            block = Block({other: value for other, value in block.items() if other != key})
    reader.known_keys(block, ("kind", *kind.keys), f" of pull: {name}")
    for key in kind.needs:
        if key not in block and not (key == "site" and "url" in block):
            reader.say(name, f"'{name}' ({kind_name}) needs '{key}'")
    url = reader.text(block, "url")
    if url is not None and re.search(r"://[^/]*@|[?#]", url):
        reader.say(url, "an address must hold no user, no password and no ?: secrets are set as docs/pull.md says")
    if url is not None and kind.preset and not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", url):
        reader.say(url, f"'{url}' must begin with https://, because the key is sent there")
    site = reader.text(block, "site")
    if site is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", site):
        reader.say(site, f"'{site}' must be the first part of the site's address, such as alfa of alfa.{kind_name}.com")
    lists = reader.listed(block, "lists")
    for one in lists:
        if one not in kind.lists:
            reader.say(one, reader.unknown(f"list of {kind_name}", one, kind.lists))
    tables = reader.listed(block, "tables")
    for table in tables:
        if not re.fullmatch(r"[\w.$ -]+", table):
            reader.say(table, f"'{table}' is not the name of a table")
    changed = {}
    for table, column in reader.block(block, "changed").items():
        if table not in tables:
            reader.say(table, reader.unknown("table among those pulled", table, tables))
        elif isinstance(column, Text):
            changed[str(table)] = str(column)
        else:
            reader.say(table, f"'{table}' must name one column, that of the last change")
    schema = reader.text(block, "schema")
    return Pull(
        str(name),
        kind_name,
        site and str(site),
        url and str(url).rstrip("/"),
        tuple(map(str, lists)) or kind.lists,
        tuple(map(str, tables)),
        schema and str(schema),
        changed,
        tuple(map(str, reader.listed(block, "files"))) or ("**",),
        name.place,
    )


def kind_of(name: Text, value: object) -> Kind:
    """The kind of a source; one without a preset where extracts.yml names none that is known."""
    return KINDS.get(str(value.get("kind", name)) if isinstance(value, Block) else str(name), Kind())


def as_pulled(name: Text, kind: Kind, preset: Block) -> Block:
    """The preset's tables as they lie in the folders of a pull: each day the whole list, and of subscriptions the
    history of all days; of what is pulled in part, what is new and changed."""
    tables = Block()
    for table, sources in preset.get("tables", Block()).items():
        tables[table] = Items(
            _pulled(name, table, source, table in kind.in_part)
            for source in (sources if isinstance(sources, list) else [sources])
        )
    tree = Block(preset)
    tree[Text("tables")] = tables
    return tree


def _pulled(name: Text, table: Text, source: Block, is_part: bool) -> Block:
    pulled = Block(source)
    pulled.place = source.place
    files: Iterable[Text] = source["files"] if isinstance(source["files"], list) else [source["files"]]
    pulled[Text("files")] = Items(file.replaced(f"{FOLDER}/{name}/*/{file.partition('/')[2]}") for file in files)
    if is_part:
        pulled[Text("delivery")] = Text("delta")
        return pulled
    pulled[Text("delivery")] = Text("snapshot")
    pulled[Text("snapshot")] = Text(f"{FOLDER}/{name}/{DAY}")
    if table == FORGETFUL:
        pulled[Text("history")] = Text("dated")
    return pulled
