"""Spells, MRR movements, monthly churn and month cohorts in polars."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks.peers import AS_OF, LAPSE_DAYS, extract, timed

DAY = date.fromisoformat(AS_OF)
NEVER = date(9999, 12, 31)


def read(folder: Path, table: str, *columns: str) -> pl.DataFrame:
    file = extract(folder, f"billing/{table}")
    scanned = pl.scan_csv(file, try_parse_dates=True) if file.suffix == ".csv" else pl.scan_parquet(file)
    return scanned.select(columns).collect()


def month(column: str) -> pl.Expr:
    return pl.col(column).dt.year().cast(pl.Int32) * 12 + pl.col(column).dt.month() - 1


def first_day(number: str) -> pl.Expr:
    return pl.date(pl.col(number) // 12, pl.col(number) % 12 + 1, 1)


def subscriptions_of(folder: Path) -> pl.DataFrame:
    plans = read(folder, "plans", "plan_id", "interval", "price")
    rows = read(folder, "subscriptions", "customer_id", "plan_id", "started_on", "ended_on", "quantity")
    months = pl.when(pl.col("interval") == "year").then(12).otherwise(1)
    return (
        rows.join(plans, on="plan_id")
        .filter(pl.col("started_on") <= DAY)
        .select(
            "customer_id",
            "started_on",
            pl.when(pl.col("ended_on") <= DAY).then(pl.col("ended_on")).alias("ended_on"),
            (pl.col("quantity") * pl.col("price") / months).round(2).alias("amount"),
        )
    )


def invoices_of(folder: Path) -> pl.DataFrame:
    rows = read(folder, "invoices", "customer_id", "issued_at", "amount", "status")
    return rows.filter((pl.col("status") != "void") & (pl.col("issued_at").dt.date() <= DAY)).select(
        "customer_id", pl.col("issued_at").dt.date().alias("issued_on"), "amount"
    )


def spells_of(subscriptions: pl.DataFrame, invoices: pl.DataFrame) -> pl.DataFrame:
    lapses_on = pl.col("started_on") + timedelta(days=LAPSE_DAYS)
    bought = (
        invoices.filter(pl.col("amount") > 0)
        .join(subscriptions, on="customer_id", how="anti")
        .select("customer_id", started_on="issued_on")
        .unique()
        .with_columns(ended_on=pl.when(lapses_on <= DAY).then(lapses_on))
    )
    covered_until = pl.col("until").cum_max().shift(1).over("customer_id")
    return (
        pl.concat([subscriptions.select("customer_id", "started_on", "ended_on"), bought])
        .with_columns(until=pl.col("ended_on").fill_null(NEVER))
        .sort("customer_id", "started_on", "until")
        .with_columns(is_new=(pl.col("started_on") > covered_until).fill_null(True))
        .with_columns(spell_number=pl.col("is_new").cast(pl.Int32).cum_sum().over("customer_id"))
        .group_by("customer_id", "spell_number")
        .agg(pl.col("started_on").min(), pl.col("until").max())
        .select("customer_id", "started_on", pl.when(pl.col("until") < NEVER).then(pl.col("until")).alias("ended_on"))
    )


def movements_of(subscriptions: pl.DataFrame) -> pl.DataFrame:
    ended = subscriptions.filter(pl.col("ended_on").is_not_null())
    return (
        pl.concat(
            [
                subscriptions.select("customer_id", occurred_on="started_on", mrr_change="amount"),
                ended.select("customer_id", occurred_on="ended_on", mrr_change=-pl.col("amount")),
            ]
        )
        .group_by("customer_id", "occurred_on")
        .agg(pl.col("mrr_change").sum().round(2))
        .filter(pl.col("mrr_change") != 0)
        .sort("customer_id", "occurred_on")
        .with_columns(mrr_after=pl.col("mrr_change").cum_sum().over("customer_id").round(2))
    )


def churn_of(spells: pl.DataFrame) -> pl.DataFrame:
    spells = spells.sort("customer_id", "started_on").with_columns(
        first=month("started_on"),
        last=month("ended_on"),
        following=month("started_on").shift(-1).over("customer_id"),
    )
    # there at the opening of the month that ends the spell, and not again by its close
    lost = (pl.col("first") < pl.col("last")) & (pl.col("following") > pl.col("last")).fill_null(True)
    months = pl.DataFrame({"month": range(spells["first"].min(), DAY.year * 12 + DAY.month)}).cast(pl.Int32)
    started = spells.group_by(month="first").agg(started=pl.len().cast(pl.Int64))
    ended = (
        spells.filter(pl.col("last").is_not_null())
        .group_by(month="last")
        .agg(ended=pl.len().cast(pl.Int64), customers_lost=lost.sum().cast(pl.Int64))
    )
    return (
        months.join(started, on="month", how="left")
        .join(ended, on="month", how="left")
        .fill_null(0)
        .sort("month")
        .select(
            first_day("month").alias("period_start"),
            (pl.col("started") - pl.col("ended")).cum_sum().shift(1).fill_null(0).alias("customers_at_start"),
            "customers_lost",
        )
    )


def cohorts_of(spells: pl.DataFrame, invoices: pl.DataFrame) -> pl.DataFrame:
    first = spells.group_by("customer_id").agg(pl.col("started_on").min()).with_columns(month=month("started_on"))
    last_active_on = pl.max_horizontal(
        pl.coalesce(pl.col("ended_on") - timedelta(days=1), pl.lit(DAY)), pl.col("started_on")
    )
    runs = spells.with_columns(last_on=last_active_on).join(first.select("customer_id", "month"), on="customer_id")
    active = (
        runs.select("customer_id", "month", age=pl.int_ranges(month("started_on"), month("last_on") + 1))
        .explode("age")
        .with_columns(age=pl.col("age") - pl.col("month"))
        .unique()
        .group_by("month", "age")
        .agg(customers_active=pl.len())
    )
    sold = (
        invoices.join(first, on="customer_id")
        .filter(pl.col("issued_on") >= pl.col("started_on"))
        .group_by("month", age=(month("issued_on") - pl.col("month")).cast(pl.Int64))
        .agg(revenue=pl.col("amount").sum().round(2))
    )
    return active.join(sold, on=["month", "age"], how="full", coalesce=True).select(
        first_day("month").alias("cohort_start"),
        "age",
        pl.col("customers_active").fill_null(0),
        pl.col("revenue").fill_null(0),
    )


def calculate(extracts: Path, out: Path) -> None:
    subscriptions, invoices = subscriptions_of(extracts), invoices_of(extracts)
    spells = spells_of(subscriptions, invoices)
    spells.write_parquet(out / "spell.parquet")
    movements_of(subscriptions).write_parquet(out / "movement.parquet")
    churn_of(spells).write_parquet(out / "churn.parquet")
    cohorts_of(spells, invoices).write_parquet(out / "cohort.parquet")


if __name__ == "__main__":
    timed(calculate)
