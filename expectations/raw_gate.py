"""Raw gate: is what was loaded complete, usable, connected, recent, and like what came before?

Single rows are judged in staging, in the scan that casts them (base_<source>__<table>); these checks count its verdicts
and compare tables and loads. Keys are file and row number, for a person to look up:
nothing of a row's content is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from expectations import thresholds
from expectations.checks import CheckSpec, Severity, Table, breaches

AUDIT = "quality.load_audit"
CONFLICTS = "quality.conflicting_deliveries"
ROW = "file || ' row ' || row_number"


def checks(tables: Mapping[str, Table]) -> list[CheckSpec]:
    """The checks of the contract's tables, by name."""
    billing = [name for name, table in tables.items() if table.activity]
    return [
        *_of_all_tables(tables, billing),
        *(check for table in tables.values() for check in _of_any_table(table)),
        *(_freshness(table) for table in tables.values() if table.event_day),
        *(_references(table, tables) for table in tables.values() if _referring(table)),
        *(_customer_id_is_email(tables[name]) for name in ("crm.customers", *billing)),
        _customers_without_card(tables["crm.customers"], billing),
        *_of_subscriptions(tables["billing.subscriptions"]),
        *_of_invoice_lines(tables["billing.invoice_lines"]),
    ]


def _of_all_tables(names: Iterable[str], billing: list[str]) -> list[CheckSpec]:
    usable = " union all ".join(
        f"select '{name}' as table_name, count(*) as usable_rows from staging.base_{name.replace('.', '__')}"
        " where row_outcome = 'loaded' and in_force"
        for name in names
    )
    return [
        CheckSpec(
            "activity_delivered",
            "raw",
            AUDIT,
            "critical",
            f"One of {', '.join(billing)} has usable rows",
            f"""
            select 'billing' as subject, sum(usable_rows) as measure
            from ({usable})
            where table_name in {tuple(billing)}
            """,
            minimum=1,
        ),
        CheckSpec(
            "delivered_tables_have_rows",
            "raw",
            AUDIT,
            "warning",
            "Every table that was delivered has usable rows",
            f"""
            select table_name as subject, usable_rows as measure
            from ({usable}) semi join {AUDIT} using (table_name)
            """,
            minimum=1,
        ),
        CheckSpec(
            "deliveries_agree",
            "raw",
            CONFLICTS,
            "warning",
            "Files of a table without updated_at don't contradict each other; where ids of two systems meet, write"
            " key_prefix, of customers customer_prefix, under one of the sources",
            f"""
            select table_name as subject, coalesce(sum(rows_that_differ), 0) as measure, 1 as evaluated, 1 as failed,
                list(earlier_file || ' and ' || later_file order by earlier_file, later_file)
                    filter (earlier_file is not null) as sample
            from (select distinct table_name from {AUDIT}) left join {CONFLICTS} using (table_name)
            group by table_name
            """,
            maximum=0,
        ),
    ]


def _of_any_table(table: Table) -> Iterator[CheckSpec]:
    """Quarantine, required columns, volume and empty cells."""
    base = f"staging.base_{table.raw}"
    in_force = "is_current and in_force"
    loads = f"""
        loads as (
            select load_id, file, rows_read - rows_filtered as rows, row_number() over (order by load_order desc) as age
            from raw.loads
            where table_name = '{table.name}'
        )
    """
    yield _check(
        table,
        "quarantined_majority",
        "critical",
        "No more than half of the rows are quarantined",
        breaches(base, holds="row_outcome <> 'quarantined'", key=ROW, among=in_force),
        maximum=thresholds.QUARANTINED_MAJORITY,
    )
    yield _check(
        table,
        "quarantined_share",
        "warning",
        "Few rows of a file are quarantined",
        breaches(base, holds="row_outcome <> 'quarantined'", key=ROW, subject="file", among=in_force),
        maximum=thresholds.QUARANTINED_SHARE,
    )
    required = [column.name for column in table.columns.values() if column.required]
    yield _check(
        table,
        "required_columns",
        "warning",
        f"Required columns ({', '.join(required)}) are rarely empty or unreadable",
        " union all ".join(
            # the versions of a list may have no day of their own
            breaches(
                base,
                holds=f"{column} is not null" + (" or is_history" if column == "started_on" else ""),
                key=ROW,
                subject=f"'{column}'",
                among=in_force,
            )
            for column in required
        ),
        maximum=thresholds.REQUIRED_EMPTY_SHARE,
    )
    yield _check(
        table,
        "volume",
        "warning",
        "The newest load has about as many rows as the loads before it",
        f"""
        with {loads}
        select min(file) filter (age = 1) as subject,
            min(rows) filter (age = 1) / median(rows) filter (age > 1) as measure
        from loads
        where age <= 1 + {thresholds.RECENT_LOADS}
        having count(*) > {thresholds.EARLIER_LOADS} and max(rows) >= {thresholds.ENOUGH_ROWS}
        """,
        minimum=thresholds.VOLUME_RATIO[0],
        maximum=thresholds.VOLUME_RATIO[1],
    )
    columns = ", ".join(f'"{name}"' for name in table.columns)
    yield _check(
        table,
        "empty_cells_drift",
        "warning",
        "Columns are about as often empty in the newest load as in the loads before it",
        f"""
        with {loads},
        filled as (
            select load_id = (select load_id from loads where age = 1) as is_of_newest, count(*) as rows,
                {", ".join(f'count("{name}") as "{name}"' for name in table.columns)}
            from {base}
            where row_outcome = 'loaded'
            group by is_of_newest
        ),
        shares as (
            select is_of_newest, column_name, 1 - filled / rows as empty
            from (unpivot filled on {columns} into name column_name value filled)
            where rows >= {thresholds.ENOUGH_ROWS}
        )
        select newest.column_name as subject, abs(newest.empty - earlier.empty) as measure
        from shares as newest
        join shares as earlier on earlier.column_name = newest.column_name and not earlier.is_of_newest
        where newest.is_of_newest
        """,
        maximum=thresholds.EMPTY_SHARE_DRIFT,
    )


def _freshness(table: Table) -> CheckSpec:
    day = table.event_day
    return _check(
        table,
        "freshness",
        "warning",
        "The newest row is not long before as_of",
        f"""
        select strftime(max({day}), 'newest row of %Y-%m-%d, days before as_of') as subject,
            $as_of - max({day})::date as measure
        from {_usable(table.name)}
        where {day}::date <= $as_of
        having count(*) > 0
        """,
        maximum=table.fresh_for_days,
    )


def _referring(table: Table) -> dict[str, str]:
    """Columns that name what another table knows; whoever bills a customer makes one, so that refers to none."""
    return {column.name: column.refers_to for column in table.columns.values() if column.refers_to}


def _references(table: Table, tables: Mapping[str, Table]) -> CheckSpec:
    """One subject a column; a column is not asked while nobody delivered what it refers to."""

    def gaps(column: str, identifier: str) -> str:
        known = " union all ".join(
            f"select {identifier} from {_usable(name)}" for name, other in tables.items() if other.knows(identifier)
        )
        return breaches(
            f"(select *, {column} in ({known}) as is_known from {_usable(table.name)} where {column} is not null)",
            holds="is_known",
            key=ROW,
            subject=f"'{column}'",
            among=f"exists ({known})",
        )

    references = _referring(table)
    return _check(
        table,
        "references",
        "warning",
        f"What {', '.join(references)} names is known elsewhere",
        " union all ".join(gaps(*reference) for reference in references.items()),
        maximum=thresholds.UNKNOWN_REFERENCES,
    )


def _customer_id_is_email(table: Table) -> CheckSpec:
    return _check(
        table,
        "customer_id_no_email",
        "warning",
        "No customer_id looks like an e-mail address, which the published marts would show",
        breaches(_usable(table.name), holds="customer_id not like '%_@_%._%'", key=ROW),
        maximum=0,
    )


def _customers_without_card(table: Table, billing: list[str]) -> CheckSpec:
    """A card under another id of the same customer, of another system or merged, is one."""
    billed = " union ".join(f"select customer_id from {_usable(name)}" for name in billing)
    cards = _usable(table.name)
    return _check(
        table,
        "customers_without_card",
        "warning",
        "Billing's customers have a client card, where cards are delivered",
        f"""
        with recursive links as (
            select source_id as from_id, customer_id as to_id from {_usable("crm.customer_ids")}
            union
            select customer_id, merged_into from {cards} where merged_into is not null
        ),
        reached as (
            from links
            union
            select reached.from_id, links.to_id from reached join links on links.from_id = reached.to_id
        ),
        with_card as (
            select customer_id from {cards}
            union
            select reached.to_id from reached join {cards} as cards on cards.customer_id = reached.from_id
        ),
        all_with_card as (
            from with_card
            union
            select reached.from_id from reached join with_card on with_card.customer_id = reached.to_id
        )
        select 'billing' as subject, avg(lacks_card::integer) as measure, count(*) as evaluated,
            count(*) filter (lacks_card) as failed
        from (select customer_id not in (from all_with_card) as lacks_card from ({billed}))
        where exists (from {cards})
        """,
        maximum=thresholds.CUSTOMERS_WITHOUT_CARD,
    )


def _of_subscriptions(table: Table) -> Iterator[CheckSpec]:
    rows = _usable(table.name)
    statuses = ", ".join(f"'{status}'" for status in thresholds.SUBSCRIPTION_STATUSES)
    yield _check(
        table,
        "known_statuses",
        "warning",
        "Every status is one whose meaning is known; any other counts as paying",
        breaches(rows, holds=f"status is null or status in ({statuses})", key=ROW),
        maximum=0,
    )
    yield _check(
        table,
        "price_known",
        "warning",
        "Every row has a price, its own or its plan's; without one it counts as free",
        breaches(
            f"(select rows.*, plans.price from {rows} as rows left join {_usable('billing.plans')} as plans"
            " using (plan_id))",
            holds="unit_price is not null or price is not null",
            key=ROW,
        ),
        maximum=0,
    )
    yield _check(
        table,
        "no_overlap",
        "warning",
        "Rows of one subscription don't overlap; where they do, their amounts add up",
        breaches(
            f"""(
                select *, max(coalesce(ended_on, 'infinity')) over (
                    partition by subscription_id order by started_on rows between unbounded preceding and 1 preceding
                ) as covered_until
                from {rows}
            )""",
            holds="covered_until is null or covered_until <= started_on",
            key=ROW,
        ),
        maximum=0,
    )


def _of_invoice_lines(table: Table) -> Iterator[CheckSpec]:
    rows = _usable(table.name)
    shared = ("issued_at", "customer_id", "status", "employee_id")
    same = " and ".join(
        f"min({column}) is not distinct from max({column}) and count({column}) in (0, count(*))" for column in shared
    )
    yield _check(
        table,
        "lines_agree",
        "warning",
        f"Lines of one invoice agree on {', '.join(shared)}; the earliest line's hold",
        breaches(
            f"""(
                select {same} as agree, arg_min(file, delivery_number) as file,
                    arg_min(row_number, delivery_number) as row_number
                from {rows}
                group by invoice_id
            )""",
            holds="agree",
            key=ROW,
        ),
        maximum=0,
    )
    # lines without an id are identified by file and row: delivered under two names they count twice
    yield _check(
        table,
        "no_twin_files",
        "warning",
        "No two files hold the same lines without an id, which would count twice",
        f"""
        with lines as (
            select distinct file, hash({", ".join(table.columns)}) as line from {rows} where line_id is null
        ),
        files as (
            select file, count(*) as lines from lines group by file
        )
        select one.file || ' and ' || other.file as subject,
            count(*) / least(one_file.lines, other_file.lines) as measure
        from lines as one
        join lines as other on other.line = one.line and other.file > one.file
        join files as one_file on one_file.file = one.file
        join files as other_file on other_file.file = other.file
        group by one.file, other.file, one_file.lines, other_file.lines
        """,
        maximum=thresholds.TWIN_FILES_SHARE,
    )


def _usable(name: str) -> str:
    return f"staging.stg_{name.replace('.', '__')}"


def _check(
    table: Table,
    name: str,
    severity: Severity,
    description: str,
    sql: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> CheckSpec:
    return CheckSpec(name, "raw", _usable(table.name), severity, description, sql, minimum, maximum)
