"""Each check passes on a healthy company, fails on a violation planted for it, and counts what it names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from expectations import CheckResult, CheckSpec, declared_checks, run_gate, thresholds, write_page
from expectations.checks import breaches
from expectations.runner import run_checks
from orchestration import ROOT
from orchestration.contract.tables import contract
from tests.reference import marts
from tests.reference.company import Alias, Case, Company, Departure, Invoice, Policies, Reason, Subscription, Survey

AS_OF = date(2024, 6, 15)
ROWS = 40
TYPES = {"date": "date", "timestamp": "timestamp", "boolean": "boolean", "integer": "integer"}
NEWEST = {table.name: table.event_day for table in contract().values() if table.event_day}
REFERENCES = {
    table.name: references
    for table in contract().values()
    if (references := {column.name: column.refers_to for column in table.columns.values() if column.refers_to})
}
IDENTIFIERS = {"customer_id", "employee_id", "case_id", "plan_id", "subscription_id", "invoice_id"}


def cell(table: str, column: str, kind: str) -> str:
    """SQL of a healthy value in row i; columns that refer to something name what is there."""
    identifier = REFERENCES.get(table, {}).get(column) or (column if column in IDENTIFIERS else None)
    if identifier:
        return f"'{identifier}-' || i"
    if column in ("ended_on", "trial_ends_on"):
        return "null::date"
    if column == "status":
        return "'active'"
    if kind in ("date", "timestamp"):
        return f"('{AS_OF}'::date - (i % 5)::integer)::{kind}"
    if kind == "boolean":
        return "true"
    return (
        f"10::{TYPES.get(kind, 'decimal(18,6)')}"
        if kind not in ("text", "enumeration", "currency")
        else f"'{column}-' || i"
    )


def healthy_staging(con: duckdb.DuckDBPyConnection) -> None:
    """Forty usable rows in each contract table, out of one load each."""
    con.execute("create schema raw; create schema staging; create schema quality")
    con.execute(
        "create table raw.loads (load_id text, table_name text, load_order bigint, rows_read bigint,"
        " rows_filtered bigint, file text)"
    )
    con.execute(
        "create table quality.conflicting_deliveries (table_name text, earlier_file text, later_file text,"
        " rows_that_differ bigint)"
    )
    for table in contract().values():
        cells = ", ".join(
            f'{cell(table.name, name, column.type)} as "{name}"' for name, column in table.columns.items()
        )
        con.execute(
            f"""create table staging.stg_{table.raw} as
            select {cells}, '{table.name}.csv' as file, i as row_number, '{table.name} 2' as load_id,
                i as delivery_number
            from range(1, {ROWS + 1}) as rows(i)"""
        )
        con.execute(
            f"""create table staging.base_{table.raw} as
            select *, true as is_current, true as in_force, false as is_history, 'loaded' as row_outcome
            from staging.stg_{table.raw}"""
        )
        con.execute(
            "insert into raw.loads values (?, ?, 100, ?, 0, ?)",
            [f"{table.name} 2", table.name, ROWS, f"{table.name}.csv"],
        )
    con.execute("create table quality.load_audit as from raw.loads")


def company() -> Company:
    """Thirty subscribers and twenty buyers, some of whom leave and return; costs, credit notes, complaints,
    notes and answers."""
    first = date(2023, 11, 3)
    subscriptions, invoices, cases, departures, surveys = [], [], [], [], []
    for number in range(30):
        start = first + timedelta(days=5 * number)
        end = start + timedelta(days=40 + number) if number % 4 == 0 else None
        subscriptions.append(
            Subscription(f"s{number}", start, f"s{number}", ended_on=end, unit_price=Decimal(10 + number))
        )
        surveys.append(
            Survey(f"n{number}", f"s{number}", "nps", Decimal(number % 11), datetime(2024, 2, 1 + number % 28))
        )
        if end:
            departures.append(Departure(f"d{number}", f"s{number}", datetime(end.year, end.month, end.day), "too dear"))
        if end and number % 8 == 0:
            subscriptions.append(
                Subscription(f"s{number}", end + timedelta(days=33), f"s{number}", unit_price=Decimal(15))
            )
            cases.append(
                Case(
                    f"k{number}",
                    f"s{number}",
                    datetime(end.year, end.month, end.day) - timedelta(days=9),
                    kind="complaint",
                )
            )
    for customer in [f"s{n}" for n in range(30)] + [f"b{n}" for n in range(20)]:
        for month in range(8):
            day = datetime(2023, 11, 1) + timedelta(days=30 * month + int(customer[1:]))
            invoices.append(
                Invoice(
                    f"{customer}-{month}",
                    customer,
                    day,
                    Decimal(20 + month) if day.day != 17 else Decimal(-3),
                    cost=Decimal(2),
                )
            )
    return Company(
        as_of=AS_OF,
        policies=Policies(segments=("first_plan",)),
        subscriptions=subscriptions,
        invoices=invoices,
        cases=cases,
        departures=departures,
        surveys=surveys,
        reasons=(Reason("price", "High price", "price", "actionable", "voluntary"),),
        aliases=(Alias("too dear", "price"),),
    )


MARTS = (
    "fct_customer_spells",
    "fct_mrr_movements",
    "fct_purchases",
    "churn_rates",
    "churn_rate_by_definition",
    "revenue_retention",
    "cohort_retention",
    "lost_revenue",
    "churn_reasons",
    "lost_customers",
    "survival_curves",
    "lifetime_value",
    "average_check",
    "staff_retention",
    "net_promoter_score",
)

# What the reference doesn't compute, as small as it can be.
BY_HAND = """
    create table marts.customer_value as
        select customer_id, sum(amount) as revenue, 0::decimal(18, 2) as mrr from intermediate.int_invoices
        group by customer_id;
    insert into marts.customer_value select 'all MRR', 0, sum(mrr_change) from marts.fct_mrr_movements;
    create table marts.win_back_results as
        select 'spring' as campaign, 'sms' as channel, 0.5 as return_rate_30d, 0.6 as return_rate_90d,
            null::double as return_rate_365d;
    create schema restricted;
    create table restricted.win_back_contacts as select 's4' as customer_id, 'sms' as channel, 1 as win_back_rank;
    create or replace table marts.lost_customers as select * replace (true as contact_allowed, 'sms' as best_channel)
    from marts.lost_customers;
    create table intermediate.int_spell_end_reasons as select 'price' as reason_code from range(60);
    create table restricted.unmapped_reasons as select 'так получилось' as text, 1 as count;
    create table quality.refresh_history as select 'refresh-1' as refresh_id, 'running' as status;
    create table marts.restatements as select date '2024-02-01' as period_start, 'refresh-1' as refresh_id;
    create table marts.at_risk_customers as select 's1' as customer_id;
    create table marts.at_risk_backtest as select
        date '2024-01-01' as quarter_start, 'any' as signal, 30 as customers, 4 as flagged, 2 as lost_within_90d,
        0.25 as precision, 0.5 as recall, 0.0667 as base_rate, 3.75 as lift;
    create table marts.service_levels as select
        'month' as period_grain, date '2024-02-01' as period_start, 'all' as dimension, 9 as cases_answered,
        0 as cases_resolved,
        2.0 as first_response_hours_median, 9.0 as first_response_hours_p90, null::double as resolution_hours_median,
        null::double as resolution_hours_p90, 5 as first_response_due, 0.4 as first_response_sla_rate,
        0 as resolution_due,
        null::double as resolution_sla_rate, 0 as csat_responses, null::double as csat;
    create table marts.loyalty_scorecard as
        select period_grain, period_start, rates.churn_rate, lost_sales
        from marts.churn_rates as rates
        join marts.lost_revenue using (period_grain, period_start, segment_type, segment)
        where segment_type = 'all';
"""


def healthy_marts(con: duckdb.DuckDBPyConnection) -> None:
    """The marts of `company`, as the literal reference computes them."""
    import pandas as pd  # comes with Great Expectations, and as slowly

    example = company()
    con.execute("create schema marts; create schema intermediate")
    for name, rows in marts(example, list(MARTS)).items():
        con.register("rows", pd.DataFrame(rows))
        con.execute(f"create table marts.{name} as from rows")
    con.execute("create table intermediate.int_invoices (customer_id text, issued_on date, amount decimal(18, 2))")
    con.executemany(
        "insert into intermediate.int_invoices values (?, ?, ?)",
        [(i.customer_id, i.issued_at.date(), i.amount) for i in example.invoices],
    )
    con.execute(BY_HAND)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("expectations") / "build.duckdb"
    with duckdb.connect(path) as con:
        healthy_staging(con)
        healthy_marts(con)
    return path


@pytest.fixture
def con(healthy: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    shutil.copy(healthy, tmp_path / "build.duckdb")
    with duckdb.connect(tmp_path / "build.duckdb") as connection:
        yield connection


def run(con: duckdb.DuckDBPyConnection, checks: list[CheckSpec], **options) -> list[CheckResult]:
    return run_checks(checks, con, as_of=AS_OF, **options)


def checks_named(*names: str) -> list[CheckSpec]:
    return [check for check in declared_checks(contract()) if check.check_name in names]


# --- what is declared


def test_no_status_that_a_model_knows_is_an_unknown_one():
    """Each status that means something is written in a macro; the others that are known are paying."""
    macros = (ROOT / "macros" / "subscription_statuses.sql").read_text(encoding="utf-8")
    meaning = set(re.findall(r"'([a-z_-]+)'", macros))
    assert set(thresholds.SUBSCRIPTION_STATUSES) - meaning == {"active", "past_due", "non_renewing"}
    assert meaning <= set(thresholds.SUBSCRIPTION_STATUSES)


def test_declaring_costs_no_import_of_great_expectations():
    code = (
        "import sys, expectations; from orchestration.contract.tables import contract;"
        " assert expectations.declared_checks(contract()); print('great_expectations' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_names_are_asset_check_names_and_unique_per_table():
    checks = declared_checks(contract())
    assert all(re.fullmatch(r"[a-z0-9_]+", check.check_name) for check in checks)
    assert all(re.fullmatch(r"(staging|quality|marts|restricted)\.[a-z0-9_]+", check.table_name) for check in checks)
    assert len({(check.check_name, check.table_name) for check in checks}) == len(checks)
    assert all(check.minimum is not None or check.maximum is not None for check in checks)


def test_every_table_of_the_contract_is_looked_at():
    tables = {check.table_name for check in checks_named("quarantined_majority")}
    assert tables == {f"staging.stg_{table.raw}" for table in contract().values()}
    assert all(column in contract()[name].columns for name, column in NEWEST.items())
    assert all(column in contract()[name].columns for name, columns in REFERENCES.items() for column in columns)


def test_critical_is_what_must_never_be_published():
    critical = {check.check_name for check in declared_checks(contract()) if check.severity == "critical"}
    assert critical == {
        "activity_delivered",
        "quarantined_majority",
        "counts_not_negative",
        "amounts_not_negative",
        "amounts_above_zero",
        "rates_in_range",
        "counts_within_cohort",
        "counts_and_rate_in_range",
        "shares_in_range",
        "days_in_order",
        "survival_falls",
        "lifetime_in_range",
        "hours_and_rates_in_range",
        "end_is_open_spells",
        "lost_over_start_is_churn_rate",
        "end_is_sum_of_movements",
        "revenue_accumulates",
        "revenue_reconciles",
        "lost_as_in_churn_rates",
        "money_reconciles",
        "purchases_reconcile",
        "agrees_with_its_sources",
        "contacts_may_be_written_to",
    }


# --- a healthy company


@pytest.mark.parametrize("gate", ["raw", "marts"])
def test_healthy_company_passes(con, healthy, gate):
    results = run_gate(gate, con, contract(), as_of=AS_OF, previous=healthy)
    assert [result.message for result in results if result.status != "passed"] == []
    declared = [(check.check_name, check.table_name) for check in declared_checks(contract()) if check.gate == gate]
    assert [(result.check_name, result.table_name) for result in results] == declared
    assert {result.gate for result in results} == {gate}
    assert all(result.failed_count == 0 and result.sample == [] for result in results)
    assert con.execute("select count(*) from duckdb_databases() where database_name = 'previous'").fetchone() == (0,)


# What no single load can violate: there must be loads before it, or files beside it.
NEEDS_HISTORY = {"volume", "empty_cells_drift", "no_twin_files"}


def test_healthy_company_leaves_no_check_without_work(con, healthy):
    results = run(con, declared_checks(contract()), previous=healthy)
    assert {result.check_name for result in results if not result.evaluated_count} == NEEDS_HISTORY


# --- planted violations: check name -> SQL, run for each table that has the check

EARLIER_LOADS = """
    insert into raw.loads select contract || ' ' || n, contract, n, {rows}, 0, contract || n || '.csv'
    from (select '{name}' as contract), range(10, 14) as numbers(n)
"""
RAW_VIOLATIONS = {
    "quarantined_majority": "update {base} set row_outcome = 'quarantined' where row_number <= 21",
    "quarantined_share": "update {base} set row_outcome = 'quarantined' where row_number = 1",
    "required_columns": "update {base} set {required} = null where row_number = 1",
    "volume": EARLIER_LOADS.format(name="{name}", rows=81),
    "empty_cells_drift": """
        insert into raw.loads values ('{name} 1', '{name}', 1, 20, 0, 'earlier.csv');
        update {base} set load_id = '{name} 1' where row_number <= 20;
        update {base} set {last} = null where row_number between 21 and 25
    """,
    "freshness": "update {stg} set {newest} = {newest} - interval 400 day",
    "references": "update {stg} set {reference} = 'nobody' where row_number = 1",
    "customer_id_no_email": "update {stg} set customer_id = 'ivan.petrov@example.com' where row_number = 1",
    "customers_without_card": "update staging.stg_billing__invoices set customer_id = 'unknown-' || row_number",
    "known_statuses": "update {stg} set status = 'in_trial' where row_number = 1",
    "price_known": (
        "update {stg} set unit_price = null where row_number = 1;"
        " update staging.stg_billing__plans set price = null where row_number = 1"
    ),
    "no_overlap": "update {stg} set subscription_id = 'subscription_id-1' where row_number = 2",
    "lines_agree": "update {stg} set invoice_id = 'invoice_id-1' where row_number = 2",
    "no_twin_files": """
        update {stg} set line_id = null where row_number <= 5;
        insert into {stg} by name select * replace ('other.csv' as file) from {stg} where row_number <= 3
    """,
    "deliveries_agree": "insert into {table} values ('crm.cases', 'a.csv', 'b.csv', 3)",
    "delivered_tables_have_rows": "delete from staging.base_crm__cases",
    "activity_delivered": """
        delete from staging.base_billing__invoices; delete from staging.base_billing__invoice_lines;
        delete from staging.base_billing__subscriptions; delete from staging.base_billing__subscription_events
    """,
}
FEBRUARY = "where period_start = '2024-02-01' and period_grain = 'month' and segment_type = 'all'"
MARTS_VIOLATIONS = {
    ("fct_customer_spells", "activity"): "delete from {table}",
    ("fct_purchases", "amounts_above_zero"): "update {table} set amount = 0 where invoice_id = 's1-1'",
    (
        "fct_purchases",
        "plausible_median_check",
    ): "update {table} set amount = amount * 0.01 where issued_on >= '2024-05-01'",
    ("churn_rates", "counts_not_negative"): "update {table} set customers_passed_through = -1 {february}",
    ("churn_rates", "rates_in_range"): "update {table} set churn_rate = churn_rate_low / 2 {february}",
    ("churn_rates", "end_is_open_spells"): "delete from marts.fct_customer_spells where customer_id = 's1'",
    ("churn_rates", "plausible_churn_rate"): "update {table} set churn_rate = 0.4 {february}",
    ("churn_rates", "churn_rate_jump"): "update {table} set churn_rate = churn_rate + 0.02 {february}",
    ("churn_rates", "customers_jump"): "update {table} set customers_at_end = customers_at_end * 1.1 {february}",
    (
        "churn_rate_by_definition",
        "rates_in_range",
    ): "update {table} set rate = 1.1 {february} and definition = 'net_change'",
    (
        "churn_rate_by_definition",
        "lost_over_start_is_churn_rate",
    ): "update {table} set rate = 0.5 {february} and definition = 'lost_over_start'",
    ("revenue_retention", "amounts_not_negative"): "update {table} set mrr_churned = -0.01 {february}",
    ("revenue_retention", "rates_in_range"): "update {table} set gross_revenue_retention = null {february}",
    (
        "revenue_retention",
        "end_is_sum_of_movements",
    ): "update marts.fct_mrr_movements set mrr_change = mrr_change + 0.01 where customer_id = 's1'",
    ("revenue_retention", "plausible_net_retention"): "update {table} set net_revenue_retention = 2 {february}",
    ("revenue_retention", "mrr_jump"): "update {table} set mrr_at_end = mrr_at_end * 2 {february}",
    (
        "cohort_retention",
        "counts_within_cohort",
    ): "update {table} set customers_purchasing = cohort_size + 1 where age = 1",
    ("cohort_retention", "rates_in_range"): "update {table} set purchase_rate = 0 where not is_complete",
    (
        "cohort_retention",
        "revenue_accumulates",
    ): "update {table} set cumulative_revenue = cumulative_revenue + 0.01 where age = 1",
    (
        "cohort_retention",
        "revenue_reconciles",
    ): "insert into intermediate.int_invoices values ('s1', '2024-05-05', 0.01)",
    (
        "lost_revenue",
        "counts_and_rate_in_range",
    ): "update {table} set customers_lost = customers_at_start + 1 {february}",
    ("lost_revenue", "plausible_profit_margin"): "update {table} set profit_margin = 1.2 {february}",
    (
        "lost_revenue",
        "prompt_recovers_more",
    ): "update {table} set recoverable_sales_if_heard = recoverable_sales_if_heard_promptly + 1 {february}",
    (
        "lost_revenue",
        "lost_as_in_churn_rates",
    ): "update {table} set customers_at_start = customers_at_start + 1 {february}",
    ("lost_revenue", "lost_sales_jump"): "update {table} set lost_sales = lost_sales * 2 {february}",
    ("churn_reasons", "shares_in_range"): "update {table} set share_of_lost = 1.5 where segment_type = 'all'",
    ("churn_reasons", "reasons_mapped"): "update {table} set reason_code = 'unmapped' where reason_code = 'price'",
    ("lost_customers", "days_in_order"): "update {table} set lost_on = '2024-06-30'",
    ("win_back_results", "rates_in_range"): "update {table} set return_rate_30d = -0.1",
    (
        "restatements",
        "few_months_restated",
    ): "insert into {table} values ('2023-12-01', 'refresh-1'), ('2024-01-01', 'refresh-1')",
    (
        "restricted.win_back_contacts",
        "contacts_may_be_written_to",
    ): "update marts.lost_customers set contact_allowed = null where customer_id = 's4'",
    ("restricted.unmapped_reasons", "no_text_worth_mapping"): "update {table} set count = 10",
    (
        "at_risk_customers",
        "plausible_share",
    ): "insert into {table} select customer_id from marts.fct_customer_spells where is_open",
    ("at_risk_backtest", "rates_in_range"): "update {table} set precision = null",
    ("survival_curves", "survival_falls"): "update {table} set survival = 1 where segment_type = 'all'",
    ("customer_value", "money_reconciles"): "update {table} set revenue = revenue + 0.01 where customer_id = 's1'",
    ("lifetime_value", "lifetime_in_range"): "update {table} set lifetime_value = 0.01 {february}",
    ("average_check", "purchases_reconcile"): "update {table} set purchase_amount = purchase_amount + 0.01 {february}",
    ("staff_retention", "rates_in_range"): "update {table} set return_rate_same_employee_90d = return_rate_90d + 0.1",
    ("service_levels", "hours_and_rates_in_range"): "update {table} set first_response_hours_p90 = 1",
    ("net_promoter_score", "nps_jump"): "update {table} set nps = nps + 6 {february}",
    ("loyalty_scorecard", "agrees_with_its_sources"): "delete from {table} where period_grain = 'year'",
}


def raw_violation(check: CheckSpec) -> str:
    table = next(
        (table for table in contract().values() if check.table_name.endswith(f"stg_{table.raw}")),
        contract()["crm.cases"],
    )
    return RAW_VIOLATIONS[check.check_name].format(
        name=table.name,
        stg=check.table_name,
        base=f"staging.base_{table.raw}",
        table=check.table_name,
        required=next(column.name for column in table.columns.values() if column.required),
        last=[name for name in table.columns if name not in ("ended_on", "trial_ends_on")][-1],
        newest=NEWEST.get(table.name),
        reference=next(iter(REFERENCES.get(table.name, {})), None),
    )


def named(table: str) -> str:
    return table if "." in table else f"marts.{table}"


def test_every_check_has_a_planted_violation():
    declared = declared_checks(contract())
    assert set(RAW_VIOLATIONS) == {check.check_name for check in declared if check.gate == "raw"}
    assert {(named(table), name) for table, name in MARTS_VIOLATIONS} == {
        (check.table_name, check.check_name) for check in declared if check.gate == "marts"
    }


@pytest.mark.parametrize("name", RAW_VIOLATIONS)
def test_planted_violation_of_the_raw_gate_fails(con, name):
    checks = checks_named(name)
    for check in checks:
        con.execute(raw_violation(check))
    results = run(con, checks)
    assert [result.table_name for result in results if result.status != "failed"] == []
    assert all(
        result.failed_count > 0 and result.sample and result.failed_count <= result.evaluated_count
        for result in results
    )


@pytest.mark.parametrize(("table", "name"), MARTS_VIOLATIONS)
def test_planted_violation_of_the_marts_gate_fails(con, healthy, table, name):
    con.execute(MARTS_VIOLATIONS[table, name].format(table=named(table), february=FEBRUARY))
    (result,) = run(con, [check for check in checks_named(name) if check.table_name == named(table)], previous=healthy)
    assert result.status == "failed", result.message
    assert result.sample and 0 < result.failed_count <= result.evaluated_count


def test_every_reference_can_be_missed(con):
    for name, references in REFERENCES.items():
        for number, column in enumerate(references, start=1):
            con.execute(
                f"update staging.stg_{name.replace('.', '__')} set {column} = 'nobody' where row_number = {number}"
            )
    for result in run(con, checks_named("references")):
        columns = REFERENCES[result.table_name.removeprefix("staging.stg_").replace("__", ".")]
        assert (result.status, result.failed_count, result.evaluated_count) == (
            "failed",
            len(columns),
            len(columns) * ROWS,
        )
        assert all(column in result.message for column in columns)


# --- what a result says


def checked(con: duckdb.DuckDBPyConnection, name: str, table: str, **options) -> CheckResult:
    (result,) = run(con, [check for check in checks_named(name) if check.table_name == table], **options)
    return result


def test_counts_and_sample_name_rows_by_file_and_number(con):
    con.execute("update staging.stg_crm__cases set customer_id = 'nobody' where row_number in (3, 7)")
    result = checked(con, "references", "staging.stg_crm__cases")
    assert (result.evaluated_count, result.failed_count, result.severity) == (2 * ROWS, 2, "warning")
    assert result.sample == ["crm.cases.csv row 3", "crm.cases.csv row 7"]
    assert result.message == (
        "What customer_id, employee_id names is known elsewhere: 2 of 80 fail, such as crm.cases.csv row 3,"
        " crm.cases.csv row 7 (customer_id 0.05; allowed: at most 0)"
    )


def test_sample_is_short(con):
    con.execute("update staging.stg_crm__cases set customer_id = 'nobody'")
    assert len(checked(con, "references", "staging.stg_crm__cases").sample) == 10


def test_a_value_on_the_limit_passes(con):
    con.execute("update staging.base_crm__cases set row_outcome = 'quarantined' where row_number <= 20")
    assert checked(con, "quarantined_majority", "staging.stg_crm__cases").status == "passed"


def test_replaced_content_is_not_held_against_its_correction(con):
    con.execute(
        "update staging.base_crm__cases set row_outcome = 'quarantined', is_current = false where row_number <= 39"
    )
    result = checked(con, "quarantined_majority", "staging.stg_crm__cases")
    assert (result.status, result.evaluated_count) == ("passed", 1)


def test_a_null_where_the_rule_wants_a_value_fails(con):
    con.execute("create table checked as select * from (values (1), (null)) as numbers(n)")
    sql = breaches("checked", holds="n > 0", key="'row'")
    assert con.execute(sql).fetchall() == [("rows", 0.5, 2, 1, ["row"])]


def test_customers_whom_only_billing_knows_are_no_gap(con):
    con.execute("delete from staging.stg_crm__customers")
    assert checked(con, "references", "staging.stg_crm__cases").status == "passed"
    assert checked(con, "customers_without_card", "staging.stg_crm__customers").status == "passed"


def test_a_card_under_another_id_of_a_customer_is_a_card(con):
    con.execute("""
        update staging.stg_billing__invoices set customer_id = 'unknown-' || row_number where row_number <= 10;
        update staging.stg_crm__customer_ids set source_id = 'unknown-1', customer_id = 'old' where row_number = 1;
        update staging.stg_crm__customer_ids set source_id = 'old', customer_id = 'customer_id-4' where row_number = 2;
        update staging.stg_crm__customers set merged_into = 'unknown-2' where row_number = 5
    """)
    result = checked(con, "customers_without_card", "staging.stg_crm__customers")
    assert (result.evaluated_count, result.failed_count) == (ROWS + 10, 8)


def test_references_to_what_nobody_delivered_are_not_asked(con):
    con.execute("delete from staging.stg_crm__employees")
    result = checked(con, "references", "staging.stg_crm__cases")
    assert (result.status, result.evaluated_count) == ("passed", ROWS)


def test_volume_is_compared_with_recent_loads(con):
    con.execute(
        "insert into raw.loads select n, 'crm.cases', n, if(n < 20, 9999, 40), 0, n || '.csv'"
        " from range(40) as numbers(n)"
    )
    assert checked(con, "volume", "staging.stg_crm__cases").status == "passed"


def test_rows_after_as_of_are_no_sign_of_freshness(con):
    con.execute(
        f"update staging.stg_crm__cases set opened_at = if(row_number = 1, '{AS_OF}'::date + 1, '2020-01-01'::date)"
    )
    assert checked(con, "freshness", "staging.stg_crm__cases").status == "failed"


# --- the last publish


def test_jumps_name_the_periods_that_moved(con, healthy):
    con.execute(f"update marts.churn_rates set churn_rate = churn_rate + 0.02 {FEBRUARY}")
    result = checked(con, "churn_rate_jump", "marts.churn_rates", previous=healthy)
    assert (result.failed_count, result.sample) == (1, ["month 2024-02-01"])


def test_a_running_period_may_move(con, healthy):
    con.execute("update marts.churn_rates set churn_rate = 1, customers_at_end = 0 where not is_complete")
    assert checked(con, "churn_rate_jump", "marts.churn_rates", previous=healthy).status == "passed"


def test_the_first_publish_has_nothing_to_jump_from(con):
    result = checked(con, "customers_jump", "marts.churn_rates")
    assert (result.status, result.evaluated_count) == ("passed", 0)


def test_a_publish_from_before_a_column_has_nothing_to_compare(con, tmp_path):
    with duckdb.connect(tmp_path / "churn.duckdb") as older:
        older.execute("create schema marts; create table marts.churn_rates (period_grain text)")
    assert checked(con, "customers_jump", "marts.churn_rates", previous=tmp_path / "churn.duckdb").status == "passed"


def test_a_publish_that_cannot_be_opened_is_warned_about(con, tmp_path):
    damaged = tmp_path / "it's damaged.duckdb"
    damaged.write_bytes(b"not a database")
    result = checked(con, "customers_jump", "marts.churn_rates", previous=damaged)
    assert (result.status, result.severity, result.sample) == (
        "failed",
        "warning",
        ["the last publish can't be opened"],
    )


# --- Data Docs


def test_data_docs_show_both_gates_without_personal_data(con, tmp_path):
    con.execute(
        "update staging.stg_crm__customers set name = 'Marked Person', email = 'marked@example.com',"
        " customer_id = 'marked@example.com'"
    )
    con.execute(
        "update staging.base_crm__departures set row_outcome = 'quarantined', reason = 'Marked Person was rude'"
    )
    results = [result for gate in ("raw", "marts") for result in run_gate(gate, con, contract(), as_of=AS_OF)]
    write_page(tmp_path / "index.html", results)
    text = (tmp_path / "index.html").read_text()
    assert text.count("<tr class=") == len(results) == len(declared_checks(contract()))
    assert "crm.departures.csv" in text
    assert "marked" not in text.lower()
    assert "http" not in text.replace("http-equiv", "")


def test_data_docs_show_failures_first_and_no_script_of_a_file_name(tmp_path):
    passed = CheckResult("b", "raw", "raw.a", "critical", "passed", 1, 0, [], "holds")
    failed = CheckResult("c", "raw", "raw.z", "warning", "failed", 1, 1, [], "<img src=x onerror=alert(1)>.csv")
    write_page(tmp_path / "index.html", [passed, failed])
    text = (tmp_path / "index.html").read_text()
    assert "&lt;img src=x" in text
    assert "<img" not in text
    assert text.index(">failed<") < text.index(">passed<")
