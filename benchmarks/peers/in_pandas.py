"""Spells, MRR movements, monthly churn and month cohorts in pandas."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from benchmarks.peers import AS_OF, LAPSE_DAYS, extract, timed

DAY = pd.Timestamp(AS_OF)
NEVER = pd.Timestamp("2200-01-01")


def read(folder: Path, table: str, columns: list[str], days: list[str]) -> pd.DataFrame:
    file = extract(folder, f"billing/{table}")
    if file.suffix == ".csv":
        return pd.read_csv(file, usecols=columns, parse_dates=days)
    return duckdb.sql(f"select {', '.join(columns)} from '{file}'").df()


def month(days: pd.Series) -> pd.Series:
    return days.dt.year * 12 + days.dt.month - 1


def first_day(numbers: pd.Series) -> pd.Series:
    return pd.to_datetime(pd.DataFrame({"year": numbers // 12, "month": numbers % 12 + 1, "day": 1}))


def subscriptions_of(folder: Path) -> pd.DataFrame:
    plans = read(folder, "plans", ["plan_id", "interval", "price"], [])
    columns = ["customer_id", "plan_id", "started_on", "ended_on", "quantity"]
    rows = read(folder, "subscriptions", columns, ["started_on", "ended_on"]).merge(plans, on="plan_id")
    rows = rows[rows.started_on <= DAY]
    return pd.DataFrame(
        {
            "customer_id": rows.customer_id,
            "started_on": rows.started_on,
            "ended_on": rows.ended_on.where(rows.ended_on <= DAY),
            "amount": (rows.quantity * rows.price / np.where(rows.interval == "year", 12, 1)).round(2),
        }
    )


def invoices_of(folder: Path) -> pd.DataFrame:
    rows = read(folder, "invoices", ["customer_id", "issued_at", "amount", "status"], ["issued_at"])
    rows["issued_on"] = rows.issued_at.dt.normalize()
    rows["amount"] = rows.amount.astype(float)
    return rows.loc[(rows.status != "void") & (rows.issued_on <= DAY), ["customer_id", "issued_on", "amount"]]


def spells_of(subscriptions: pd.DataFrame, invoices: pd.DataFrame) -> pd.DataFrame:
    is_bought = (invoices.amount > 0) & ~invoices.customer_id.isin(subscriptions.customer_id)
    bought = invoices.loc[is_bought, ["customer_id", "issued_on"]].drop_duplicates()
    bought = bought.rename(columns={"issued_on": "started_on"})
    lapses_on = bought.started_on + pd.Timedelta(days=LAPSE_DAYS)
    bought["ended_on"] = lapses_on.where(lapses_on <= DAY)
    rows = pd.concat([subscriptions[["customer_id", "started_on", "ended_on"]], bought])
    rows["until"] = rows.ended_on.fillna(NEVER)
    rows = rows.sort_values(["customer_id", "started_on", "until"], ignore_index=True)
    covered_until = rows.groupby("customer_id").until.cummax().groupby(rows.customer_id).shift()
    is_new = covered_until.isna() | (rows.started_on > covered_until)
    rows["spell_number"] = is_new.groupby(rows.customer_id).cumsum()
    spells = rows.groupby(["customer_id", "spell_number"], as_index=False).agg(
        started_on=("started_on", "min"), until=("until", "max")
    )
    spells["ended_on"] = spells.until.where(spells.until < NEVER)
    return spells[["customer_id", "started_on", "ended_on"]]


def movements_of(subscriptions: pd.DataFrame) -> pd.DataFrame:
    columns = ["customer_id", "occurred_on", "mrr_change"]
    ended = subscriptions[subscriptions.ended_on.notna()]
    started = subscriptions[["customer_id", "started_on", "amount"]].set_axis(columns, axis=1)
    stopped = ended[["customer_id", "ended_on", "amount"]].assign(amount=-ended.amount).set_axis(columns, axis=1)
    moved = pd.concat([started, stopped]).groupby(["customer_id", "occurred_on"], as_index=False).mrr_change.sum()
    moved["mrr_change"] = moved.mrr_change.round(2)
    moved = moved[moved.mrr_change != 0]
    return moved.assign(mrr_after=moved.groupby("customer_id").mrr_change.cumsum().round(2))


def churn_of(spells: pd.DataFrame) -> pd.DataFrame:
    first, last = month(spells.started_on), month(spells.ended_on)
    following = first.groupby(spells.customer_id).shift(-1)
    # there at the opening of the month that ends the spell, and not again by its close
    is_lost = (first < last) & ~(following <= last)
    months = pd.Index(range(first.min(), DAY.year * 12 + DAY.month), name="month")
    started = first.value_counts().reindex(months, fill_value=0)
    ended = last.value_counts().reindex(months, fill_value=0)
    lost = is_lost.groupby(last).sum().reindex(months, fill_value=0)
    return pd.DataFrame(
        {
            "period_start": first_day(months.to_series()),
            "customers_at_start": (started - ended).cumsum().shift(fill_value=0),
            "customers_lost": lost,
        }
    )


def cohorts_of(spells: pd.DataFrame, invoices: pd.DataFrame) -> pd.DataFrame:
    first = spells.groupby("customer_id").started_on.min()
    last_active_on = np.maximum((spells.ended_on - pd.Timedelta(days=1)).fillna(DAY), spells.started_on)
    runs = pd.DataFrame({"customer_id": spells.customer_id, "from": month(spells.started_on)})
    runs["months"] = month(last_active_on) - runs["from"] + 1
    runs["month"] = month(runs.customer_id.map(first))
    present = runs.loc[runs.index.repeat(runs.months)]
    present = present.assign(age=present["from"] + present.groupby(level=0).cumcount() - present.month)
    active = present.drop_duplicates(["customer_id", "age"]).groupby(["month", "age"]).size()
    sold = invoices.join(first, on="customer_id", how="inner")
    sold = sold[sold.issued_on >= sold.started_on]
    joined_in = month(sold.started_on).rename("month")
    age = (month(sold.issued_on) - joined_in).rename("age")
    revenue = sold.groupby([joined_in, age]).amount.sum().round(2)
    cohorts = pd.DataFrame({"customers_active": active, "revenue": revenue}).fillna(0).reset_index()
    cohorts.insert(0, "cohort_start", first_day(cohorts.month))
    return cohorts.drop(columns="month")


def calculate(extracts: Path, out: Path) -> None:
    subscriptions, invoices = subscriptions_of(extracts), invoices_of(extracts)
    spells = spells_of(subscriptions, invoices)
    write(spells, out / "spell.parquet")
    write(movements_of(subscriptions), out / "movement.parquet")
    write(churn_of(spells), out / "churn.parquet")
    write(cohorts_of(spells, invoices), out / "cohort.parquet")


def write(frame: pd.DataFrame, file: Path) -> None:
    """By DuckDB: pandas itself would want pyarrow."""
    duckdb.from_df(frame).write_parquet(str(file))


if __name__ == "__main__":
    timed(calculate)
