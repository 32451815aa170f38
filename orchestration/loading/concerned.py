"""How many customers, and how much of their money, a warning about rows of `raw` is about."""

from __future__ import annotations

import duckdb

from orchestration.contract.tables import MONEY, Table


def concerned(con: duckdb.DuckDBPyConnection, table: Table, rows: str, parameters: list) -> str:
    """In words, what the rows in force hold of which the condition `rows` is true: "12 rows of 3 customers with amount
    1,204.50 EUR". Money is what the first money column of the table adds up to in each currency, as far as its numbers
    can be read; tables without customers or money leave these words out."""
    amount = next((column.name for column in table.columns.values() if column.type in MONEY), None)
    total = f"sum(try_cast({amount} as decimal(38, 6)))" if amount else "null"
    currency = "upper(currency)" if amount and "currency" in table.columns else "null"
    found = con.execute(
        f"select {currency} as currency, count(*), {total} as amount from raw.{table.raw}"
        f" where malformed is null and in_force and {rows} group by 1 order by amount desc nulls last, 1",
        parameters,
    ).fetchall()
    words = counted(sum(count for _, count, _ in found), "row")
    if "customer_id" in table.columns:
        [(customers,)] = con.execute(
            f"select count(distinct customer_id) from raw.{table.raw} where malformed is null and in_force and {rows}",
            parameters,
        ).fetchall()
        words += f" of {counted(customers, 'customer')}"
    sums = [f"{money:,.2f}{f' {currency}' if currency else ''}" for currency, _, money in found if money is not None]
    return words + (f" with {amount} {' + '.join(sums)}" if sums else "")


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
