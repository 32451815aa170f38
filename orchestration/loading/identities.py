"""Ids as a company's systems write them: names in several spellings, pseudonyms, ids that Excel has spoilt.

An id that is normalised or published under a pseudonym is marked in `raw.<table>_rows`: MARK, how it is treated, and
the text by which it is compared. raw.spellings says what each is published as; the views of `raw` put that in its
place.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from orchestration.contract.mapping import PERSONS, ColumnRule, Mapping, SourceRule
from orchestration.contract.tables import Column, Table, contract
from orchestration.errors import Problem
from orchestration.loading import readings
from orchestration.warehouse.quoting import identifier, quote

# Stands before an id that is compared by another text than it is published as. A noncharacter: no text holds it.
MARK = "\ufdd0"
# How a marked id is treated: a pseudonym of what is compared as it stands or as a name; a name.
PSEUDONYM, NAME, NAME_PSEUDONYM = "p", "n", "b"
SCIENTIFIC = r"\d(?:[.,]\d+)?[eE]\+\d+"
EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s.]+"
PREFIXED = ("subscription_id", "invoice_id", "plan_id", "case_id")

REGISTRY = """
create table if not exists raw.spellings_seen (
    load_id varchar, identifies varchar, marked varchar, spelling varchar, row_number bigint
);
create table if not exists raw.spellings (
    identifies varchar, marked varchar, id varchar, spelling varchar, is_pseudonym boolean
)
"""


def treatment(mapped: ColumnRule) -> str | None:
    """How the ids of a column are treated, None when they are published as they stand."""
    if mapped.normalise:
        return NAME_PSEUDONYM if mapped.pseudonym else NAME
    return PSEUDONYM if mapped.pseudonym else None


def prefixed(text: str, rule: SourceRule, column: Column) -> str:
    """An id with the prefix of its source, where it has one."""
    if column.identifies == "customer_id":
        prefix = rule.customer_prefix
    elif column.identifies in PREFIXED or (column.key and column.identifies not in PERSONS):
        prefix = rule.key_prefix
    else:
        prefix = ""
    return f"{quote(prefix)} || {text}" if prefix else text


def id_text(text: str, rule: SourceRule, column: Column, mapped: ColumnRule) -> str:
    """An id in the notation of `raw`; null where it is none any more (1.23457E+11)."""
    value = prefixed(text, rule, column)
    if treated := treatment(mapped):
        compared = readings.folded_name(value) if mapped.normalise else value
        value = f"{quote(MARK + treated)} || {compared}"
    pattern = rf"(?:.*\|)?{SCIENTIFIC}(?:\|.*)?" if len(mapped.sources) > 1 else SCIENTIFIC
    return f"case when not regexp_full_match({text}, {quote(pattern)}) then {value} end"


def settle(con: duckdb.DuckDBPyConnection, key_file: Path) -> None:
    """Work out what each marked id is published as: the first spelling delivered, or its keyed hash."""
    con.execute("delete from raw.spellings_seen where load_id not in (select load_id from raw.loads)")
    con.execute("delete from raw.spellings")
    if not con.execute("select 1 from raw.spellings_seen limit 1").fetchone():
        return
    con.execute(
        f"""
        insert into raw.spellings
        select identifies, marked, spelling, spelling, marked[2] in ('{PSEUDONYM}', '{NAME_PSEUDONYM}')
        from (
            select identifies, marked,
                arg_min(
                    spelling, (list_position(?, table_name), file_order, load_order, source, row_number)
                ) as spelling
            from raw.spellings_seen
            inner join raw.loads using (load_id)
            group by identifies, marked
        )
        order by all
        """,
        [list(contract())],
    )
    spellings = [
        text for (text,) in con.execute("select distinct spelling from raw.spellings where is_pseudonym").fetchall()
    ]
    if spellings:
        key = _key(key_file)
        hashed = [hmac.digest(key, text.encode(), "sha256").hex()[:20] for text in spellings]
        con.execute(
            "update raw.spellings set id = hashed.id from (select unnest(?) as spelling, unnest(?) as id) as hashed"
            " where is_pseudonym and hashed.spelling = spellings.spelling",
            [spellings, hashed],
        )


def _key(file: Path) -> bytes:
    """The warehouse's own key of its pseudonyms, made when it is first needed."""
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(os.urandom(32))
    return file.read_bytes()


def published(con: duckdb.DuckDBPyConnection, table: Table, schema: str) -> tuple[dict[str, str], str]:
    """For the view of a table in `schema`: of each column with marked ids its expression, and the joins that they
    need."""
    kinds = {kind for (kind,) in con.execute("select distinct identifies from raw.spellings").fetchall()}
    expressions, joins = {}, ""
    for name, column in table.columns.items():
        if column.identifies and column.identifies in kinds:
            spelling = identifier(f"spelling_of_{name}")
            expressions[name] = f"coalesce({spelling}.id, delivered.{identifier(name)})"
            joins += (
                f" left join {schema}.spellings as {spelling} on {spelling}.identifies = {quote(column.identifies)}"
                f" and {spelling}.marked = delivered.{identifier(name)}"
            )
    return expressions, joins


def email_ids(con: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    """Problems: sources whose customer ids are e-mail addresses, which every mart would publish."""
    for table in contract().values():
        if "customer_id" not in table.columns:
            continue
        sources = con.execute(
            f"""
            select count(distinct customer_id) as known, count(distinct customer_id) filter (
                regexp_full_match(ltrim(customer_id, '{MARK}{NAME}'), {quote(EMAIL)})
            ) as addresses, min(file)
            from raw.{table.raw}
            where malformed is null and in_force and customer_id not in (
                select id from raw.spellings where identifies = 'customer_id' and is_pseudonym
            )
            group by source
            having addresses * 2 > known
            order by source
            """
        ).fetchall()
        for known, addresses, file in sources:
            yield Problem(
                f"{table.name}: {addresses:,} of {known:,} customers have an e-mail address as customer_id ({file}),"
                " and the marts would publish it. Write customer_id: {from: …, pseudonym: true} to publish a keyed hash"
                " instead (the addresses stay in private.duckdb), or allow it: policies: {personal_ids: allow}.",
                "personal_ids",
                table.name,
                file,
            )


def unjoinable(con: duckdb.DuckDBPyConnection, mapping: Mapping, rows: Callable[[Table], str]) -> Iterator[Problem]:
    """Problems: ids that are pseudonyms in one column and stand as they are in another, so that they can't join.
    `rows` is where the rows of a table's loads are, with the marks of their ids."""
    declared = {
        (rule.table.name, rule.name, name): rule.columns[name] for rule in mapping.rules() for name in rule.columns
    }
    for kind in PERSONS:
        if not con.execute("select 1 from raw.spellings where identifies = ? and is_pseudonym", [kind]).fetchone():
            continue
        places: dict[bool, list[str]] = {True: [], False: []}
        for table in contract().values():
            for name in (column.name for column in table.columns.values() if column.identifies == kind):
                found = con.execute(
                    f"select source, {_is_pseudonym(identifier(name))} as is_pseudonym, min(file)"
                    f" from {rows(table)} inner join raw.loads using (load_id)"
                    f" where malformed is null and in_force and not starts_with({identifier(name)}, 'unreadable: ')"
                    " group by all order by all"
                ).fetchall()
                for source, is_pseudonym, file in found:
                    mapped = declared.get((table.name, source, name))
                    if mapped is None or mapped.read_from:  # a constant names nobody
                        places[is_pseudonym].append(f"{table.name}.{name} ({mapped.place if mapped else file})")
        if places[True] and places[False]:
            yield Problem(
                f"{places[False][0]} is not a pseudonym, but {places[True][0]} is: the two can't be joined."
                " Write pseudonym: true on both, as in customer_id: {from: …, pseudonym: true}, or on neither.",
                "mapping",
            )


def _is_pseudonym(marked: str) -> str:
    return f"starts_with({marked}, '{MARK}{PSEUDONYM}') or starts_with({marked}, '{MARK}{NAME_PSEUDONYM}')"


def doubtful_ids(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Warnings of customer ids that are probably not what the source system has."""

    def billed(table: Table) -> str:
        is_billing = "amount" in table.columns and table.name.endswith(("invoices", "invoice_lines"))
        # text becomes a decimal of 18 digits in a hundredth of the time that a longer one takes
        exact = "coalesce(try_cast(amount as decimal(18, 6)), try_cast(amount as decimal(38, 6)))"
        return exact if is_billing else "null"

    customers = " union all ".join(
        f"select customer_id, {billed(table)} as amount from raw.{table.raw} where malformed is null and in_force"
        for table in _with("customer_id")
    )
    con.execute(
        "create or replace temp table delivered_customers as"
        " select coalesce(spelling, customer_id) as customer_id, sum(amount) as amount"
        f" from ({customers}) left join (select distinct id, spelling from raw.spellings"
        " where identifies = 'customer_id' and is_pseudonym) on id = customer_id"
        " where customer_id is not null and not starts_with(customer_id, 'unreadable: ') group by all"
    )
    [(names, spellings, amount)] = con.execute(
        f"""
        select count(*), sum(spellings), sum(amount)
        from (
            select count(*) as spellings, sum(amount) as amount
            from delivered_customers
            group by {readings.folded_name("customer_id")}
            having count(*) > 1
        )
        """
    ).fetchall()
    if names:
        yield (
            f"customer_id: {names:,} customers stand in {spellings:,} spellings that differ in case,"
            f" blanks or quotation marks only{_worth(amount)}; each spelling counts as a customer of its own."
            " If they are the same, write"
            " customer_id: {from: …, normalise: name}."
        )
    [(floats, amount)] = con.execute(
        r"""
        select count(*), sum(amount)
        from delivered_customers
        where regexp_full_match(customer_id, '\d+\.0')
            and replace(customer_id, '.0', '') in (select customer_id from delivered_customers)
        """
    ).fetchall()
    if floats:
        yield (
            f"customer_id: {floats:,} customers are written with a decimal (1001.0) in one file and without (1001) in"
            f" another{_worth(amount)}; they count twice. Export the ids as text, or map one to the other by"
            " crm.customer_ids."
        )


def spoilt_ids(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Warnings of ids that Excel turned into powers of ten: several ids under one text."""
    for table in contract().values():
        ids = [column.name for column in table.columns.values() if column.identifies]
        amount = "sum(try_cast(amount as decimal(38, 6)))" if "amount" in table.columns else "null"
        for name in ids:
            [(rows, worth, file, row)] = con.execute(
                f"select count(*), {amount}, arg_min(file, row_number), min(row_number) from raw.{table.raw}"
                f" where is_current and in_force and starts_with({identifier(name)}, 'unreadable: ')"
            ).fetchall()
            if rows:
                yield (
                    f"{file}, row {row}: {table.name}.{name} is written as a power of ten (1.23457E+11),"
                    f" which is no id any more; {rows:,} such row{'s' if rows > 1 else ''}{_worth(worth)} went to the"
                    " quarantine. Format the column as text and export it again."
                )


def _with(name: str) -> list[Table]:
    return [table for table in contract().values() if name in table.columns and table.name != "crm.customer_ids"]


def _worth(amount: object) -> str:
    return f" (invoices of {amount:,.2f})" if amount else ""
