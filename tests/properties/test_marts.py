"""The marts against the literal reference, cell by cell, on random companies; and the laws that hold between marts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, fields, replace
from datetime import date
from decimal import Decimal
from functools import partial
from random import Random

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.marts import columns_of, described, key_of
from tests.properties.harness import ROOT, TABLES, Warehouse, columns, smallest
from tests.properties.strategies import SHARED, Recipe, companies, only
from tests.reference import MARTS, marts
from tests.reference.company import Company, Customer, CustomerId, Policies, Subscription
from tests.reference.compare import differences

PERIOD_KEY = ["period_grain", "period_start", "segment_type", "segment"]
DESCRIBED = described()
KEYS = {name: key_of(mart) for name, mart in DESCRIBED.items()}
Rows = dict[str, list[dict]]
TOLD: dict[Recipe, str] = {}  # what was wrong: hypothesis asks a failing recipe again, and once is slow enough


def random_companies(count: int) -> settings:
    """Always the same companies. A failing one is cut down by `smallest`,
    in fewer builds than hypothesis would take."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Warehouse:
    return Warehouse(tmp_path_factory.mktemp("warehouse"), MARTS)


@pytest.mark.parametrize("table", TABLES)
def test_reference_reads_the_contracts_columns(table):
    source, name = table.split("__")
    text = (ROOT / f"models/staging/{source}/_{source}__sources.yml").read_text(encoding="utf-8")
    tables = {one["name"]: one for one in yaml.safe_load(text)["sources"][0]["tables"]}
    _, row_type = TABLES[table]
    assert set(columns(row_type)) - {"raw_row", "source", "status_means", "seen_as_of"} == {
        column["name"] for column in tables[table]["columns"]
    }


def test_every_mart_has_a_reference():
    """Restatements are made of what was published before: test_restatements.py compares them, refresh by refresh.
    Pseudonyms are the loader's: test_export_troubles.py has them."""
    assert set(DESCRIBED) == {*MARTS, "restatements", "pseudonyms"}


@pytest.fixture(scope="module")
def varied() -> Rows:
    """What the reference says of a company that is as varied as random ones are."""
    return marts(Recipe(3, date(2025, 5, 17), 26, Policies(), 350).company())


@pytest.mark.parametrize("mart", MARTS)
def test_reference_gives_every_column_of_a_mart_and_companies_vary_it(varied, mart):
    rows = varied[mart]
    assert {column for row in rows for column in row} == columns_of(DESCRIBED[mart])
    assert [column for column in rows[0] if len({row[column] for row in rows}) == 1] == []


@random_companies(40)
@given(recipe=companies(st.just(360)))  # of whom some 35 are merged into others
def test_marts_agree_with_the_reference(warehouse, recipe):
    built = compare(warehouse, recipe)
    assert len(built["dim_customers"]) >= 300


@random_companies(5)
@given(recipe=companies(st.integers(0, 6)))
def test_marts_of_the_smallest_companies_agree_too(warehouse, recipe):
    compare(warehouse, recipe)


@random_companies(3)
@given(recipe=companies(st.just(150)))
def test_order_of_delivery_changes_nothing(warehouse, recipe):
    """Rows that have an order of their own, events and lines of one day without an id, keep it."""
    company, shuffled = recipe.company(), {}
    for field in fields(Company):
        rows = getattr(company, field.name)
        if isinstance(rows, list) and field.name not in ("subscription_events", "invoice_lines"):
            shuffled[field.name] = Random(1).sample(rows, len(rows))
    once, again = warehouse.build(company), warehouse.build(replace(company, **shuffled))
    for name, rows in once.items():
        assert differences(again[name], rows, KEYS[name]) == []


@pytest.mark.parametrize("merged_into, named", [(None, [CustomerId("h1", "c1")]), ("c1", [])])
def test_a_card_under_an_id_that_stands_for_a_customer_is_the_customers(warehouse, merged_into, named):
    card = Customer("h1", name="Ana", country="BG", phone="0888123456", contact_allowed=True, merged_into=merged_into)
    left = Subscription("s", date(2024, 1, 1), "c1", ended_on=date(2024, 3, 1), unit_price=Decimal(10))
    company = Company(date(2024, 4, 30), subscriptions=[left], customers=[card], customer_ids=named)
    built = warehouse.build(company)
    assert disagreements(warehouse, company, built) == {}
    [customer], [lost], [contact] = (built[name] for name in ("dim_customers", "lost_customers", "win_back_contacts"))
    assert (customer["customer_id"], customer["country"], customer["has_card"]) == ("c1", "BG", True)
    assert {row["segment"] for row in built["churn_rates"] if row["segment_type"] == "country"} == {"BG"}
    assert (lost["contact_allowed"], lost["best_channel"]) == (True, "sms")
    assert (contact["customer_id"], contact["name"], contact["address"]) == ("c1", "Ana", "0888123456")


def compare(warehouse: Warehouse, recipe: Recipe) -> Rows:
    """Fails where the marts of the recipe's company differ from the reference or break a law; gives the marts."""
    company = recipe.company()
    built = warehouse.build(company)
    found = disagreements(warehouse, company, built)
    if found:
        if recipe not in TOLD:
            TOLD[recipe] = explained(warehouse, company, found)
        pytest.fail(TOLD[recipe], pytrace=False)
    for law in LAWS:
        law(built)
    return built


def disagreements(warehouse: Warehouse, company: Company, built: Rows) -> dict[str, list[str]]:
    """Mart -> what it says otherwise than the reference."""
    found = {name: differences(built[name], rows, KEYS[name]) for name, rows in marts(company).items()}
    return {name: texts for name, texts in found.items() if texts}


def explained(warehouse: Warehouse, company: Company, found: dict[str, list[str]]) -> str:
    """What differs, and the rows of the few customers with whom the first mart still does."""
    mart = next(iter(found))

    def fails(names: list[str]) -> bool:
        few = only(company, names)
        return mart in disagreements(warehouse, few, warehouse.build(few))

    names = smallest(sorted({row.customer_id for row in rows_of(company)}), fails)
    few = only(company, names)
    found = {name: texts[:5] for name, texts in (found | disagreements(warehouse, few, warehouse.build(few))).items()}
    told = [f"{name}: {text}" for name, texts in found.items() for text in texts]
    rows = [
        f"{type(row).__name__} { {name: cell for name, cell in asdict(row).items() if cell is not None} }"
        for row in rows_of(few)
    ]
    return "\n".join([*told, str(few), *rows[:40], f"{len(rows)} rows of {len(names)} customers"])


def rows_of(company: Company) -> list:
    return [row for field in fields(Company) if field.name not in SHARED for row in getattr(company, field.name)]


# the identities of the definitions, asked of the marts themselves


def periods_and_next(rows: list[dict]):
    """Each row with that of the following period of its segment."""
    by_key = {tuple(row[column] for column in PERIOD_KEY): row for row in rows}
    for row in rows:
        after = by_key.get((row["period_grain"], row["period_end"], row["segment_type"], row["segment"]))
        if after:
            yield row, after


def churn_adds_up(built: Rows) -> None:
    for row in built["churn_rates"]:
        start, kept, lost = row["customers_at_start"], row["customers_kept"], row["customers_lost"]
        assert start == kept + lost
        assert row["customers_at_end"] == kept + row["customers_new"] + row["customers_returned"]
        assert lost == sum(row[f"customers_lost_{control}"] for control in ("voluntary", "involuntary", "unknown"))
    for row, after in periods_and_next(built["churn_rates"]):
        assert row["customers_at_end"] == after["customers_at_start"]


def mrr_adds_up(built: Rows) -> None:
    for row in built["revenue_retention"]:
        gained = row["mrr_new"] + row["mrr_reactivated"] + row["mrr_expanded"]
        assert row["mrr_at_end"] == row["mrr_at_start"] + gained - row["mrr_contracted"] - row["mrr_churned"]
    for row, after in periods_and_next(built["revenue_retention"]):
        assert row["mrr_at_end"] == after["mrr_at_start"]


def movements_chain(built: Rows) -> None:
    before: dict[str, Decimal] = defaultdict(Decimal)
    for row in sorted(built["fct_mrr_movements"], key=lambda row: (row["customer_id"], row["occurred_on"])):
        assert row["mrr_before"] == before[row["customer_id"]] != row["mrr_after"]
        before[row["customer_id"]] = row["mrr_after"]
    last = [row for row in built["revenue_retention"] if row["segment_type"] == "all" and row["period_grain"] == "year"]
    if last:
        assert sum(before.values()) == max(last, key=lambda row: row["period_start"])["mrr_at_end"]


def cohorts_add_up(built: Rows) -> None:
    """ "Σ over cohorts of `customers_at_close` in a period = `churn_rates.customers_at_end`"; MRR likewise."""
    customers, mrr = defaultdict(int), defaultdict(Decimal)
    for row in built["cohort_retention"]:
        key = row["cohort_grain"], row["period_start"], row["segment_type"], row["segment"]
        customers[key] += row["customers_at_close"]
        mrr[key] += row["mrr_at_close"]
    for row in built["churn_rates"]:
        assert customers[tuple(row[column] for column in PERIOD_KEY)] == row["customers_at_end"]
    for row in built["revenue_retention"]:
        assert mrr[tuple(row[column] for column in PERIOD_KEY)] == row["mrr_at_end"]


def segments_add_up(built: Rows) -> None:
    """The customers and the money of a segment type are those of the company."""
    for name, additive in {
        "churn_rates": [
            "customers_at_start",
            "customers_lost",
            "customers_new",
            "customers_passed_through",
            "customers_at_end",
        ],
        "revenue_retention": ["mrr_at_start", "mrr_churned", "mrr_at_end"],
        "lost_revenue": ["sales_of_customers_at_start", "lost_customers_sales"],
    }.items():
        totals: dict[tuple, dict[str, list]] = defaultdict(partial(defaultdict, partial(list, [0] * len(additive))))
        for row in built[name]:
            of_type = totals[row["period_grain"], row["period_start"]][row["segment_type"]]
            of_type[:] = [total + row[column] for total, column in zip(of_type, additive, strict=True)]
        for of_types in totals.values():
            assert all(total == of_types["all"] for total in of_types.values())


LAWS = (churn_adds_up, mrr_adds_up, movements_chain, cohorts_add_up, segments_add_up)
