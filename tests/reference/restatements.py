"""Restatements: closed months whose numbers changed after they had been published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from . import marts
from .company import Company
from .money import rate
from .periods import DAY, start_of
from .subscriptions import all_rows

COLUMNS = {
    "churn_rates": ("customers_at_start", "customers_lost", "customers_at_end"),
    "revenue_retention": ("mrr_at_start", "mrr_churned", "mrr_at_end"),
}
Numbers = dict[str, int | Decimal]  # of a month
NOTHING: Numbers = {column: 0 for columns in COLUMNS.values() for column in columns}


@dataclass(frozen=True)
class Refresh:
    """What a refresh knew, and what it brought: the files as `table: path`, in the order of their names."""

    refresh_id: str
    started_at: datetime
    company: Company
    code_version: str
    files: tuple[str, ...]
    is_published: bool

    @cached_property
    def closed_months(self) -> dict[date, Numbers]:
        """Month -> its customers and MRR, of the whole company's months that are over."""
        answer = marts(self.company, ["churn_rates", "revenue_retention"])
        months: dict[date, Numbers] = {}
        for mart, columns in COLUMNS.items():
            for row in answer[mart]:
                if row["period_grain"] == "month" and row["segment_type"] == "all" and row["is_complete"]:
                    months.setdefault(row["period_start"], {}).update({column: row[column] for column in columns})
        return months


def dated_rows(company: Company) -> Iterator[date]:
    """The days from which rows that make activity exist."""
    for row in all_rows(company):
        yield row.started_on
        if row.trial_ends_on:
            yield row.trial_ends_on
    for bill in (*company.invoices, *company.invoice_lines):
        yield bill.issued_at.date()


def causes(refresh: Refresh, before: Refresh, files: list[str]) -> list[str]:
    """ "the `cause` (`extracts`, `policies`, `definitions`, `as_of`)": what changed since the publish before.
    Definitions: a new version of this product; as_of: it passed rows that had been delivered.
    """
    earlier, later = sorted((before.company.as_of, refresh.company.as_of))
    changed = {
        "extracts": bool(files),
        "policies": refresh.company.policies != before.company.policies,
        "definitions": refresh.code_version != before.code_version,
        "as_of": any(earlier < day <= later for day in dated_rows(refresh.company)),
    }
    return [cause for cause, has_changed in changed.items() if has_changed]


def listed(files: list[str]) -> str | None:
    """ "the tables and files loaded since the publish before, at most 20 by name"; how many more there are is said
    too.
    """
    more = [f"and {len(files) - 20} more"] if len(files) > 20 else []
    return ", ".join([*files[:20], *more]) or None


def gone(told: Iterable[date], as_of: date) -> dict[date, Numbers]:
    """ "A published month that is over by `as_of` and that the marts no longer have" "counts as a month with zero
    customers and zero MRR": all months told that are over; those that the marts have are known better.
    """
    return {month: NOTHING for month in told if month < start_of("month", as_of + DAY, 1)}


def restatements(refreshes: list[Refresh]) -> list[dict]:
    """ "One row per closed month and publish that changed its numbers". "Refreshes that were not published change
    nothing here"; the files that they loaded come with the next publish.
    """
    first: dict[date, Numbers] = {}
    told: dict[date, Numbers] = {}
    before: Refresh | None = None
    files: list[str] = []
    rows = []
    for refresh in refreshes:
        files = sorted({*files, *refresh.files})
        if not refresh.is_published:
            continue
        months = gone(told, refresh.company.as_of) | refresh.closed_months
        for month, numbers in months.items():
            if month in told and told[month] != numbers:
                changes = {f"{name}_change": value - told[month][name] for name, value in numbers.items()}
                rows.append(
                    {
                        "period_start": month,
                        "refresh_id": refresh.refresh_id,
                        "restated_at": refresh.started_at,
                        "churn_rate_first_published": churn_rate(first[month]),
                        "churn_rate_before": churn_rate(told[month]),
                        "churn_rate": churn_rate(numbers),
                    }
                    | changes
                    | {"cause": ", ".join(causes(refresh, before, files)), "files": listed(files)}
                )
            first.setdefault(month, numbers)
            told[month] = numbers
        before, files = refresh, []
    return rows


def churn_rate(numbers: Numbers) -> float | None:
    return rate(numbers["customers_lost"], numbers["customers_at_start"])
