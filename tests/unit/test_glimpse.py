"""The small tables that Dagster's UI shows of a mart, and the sentences of its checks."""

from __future__ import annotations

import duckdb
import pytest

from orchestration.defs.glimpse import bars, glimpse
from orchestration.defs.transform import demand
from orchestration.refresh import steps


@pytest.fixture
def con():
    with duckdb.connect() as con:
        con.execute("create schema marts")
        yield con


def test_bars_show_the_course_and_leave_a_gap_where_nothing_is_known():
    assert bars([0, 7, None, 14]) == "▁▅ █"
    assert bars([3, 3]) == "▄▄"
    assert bars([None]) == " "


def test_a_mart_of_one_row_a_month_shows_the_course_of_complete_months_of_the_company(con):
    con.execute(
        "create table marts.rates as from (values ('month', date '2024-02-01', true, 'all', 1200, 0.5::double), "
        "('month', date '2024-01-01', true, 'all', 100, null), ('month', date '2024-03-01', false, 'all', 9, 0.9), "
        "('month', date '2024-02-01', true, 'country', 8, 0.8), ('year', date '2024-01-01', true, 'all', 7, 0.7)) "
        "as rows (period_grain, period_start, is_complete, segment_type, customers, churn_rate)"
    )
    assert glimpse(con, "marts", "rates") == (
        "| measure | last 2 months | latest |\n| --- | --- | --- |\n| customers | ▁█ | 1,200 |\n"
        "| churn_rate |  ▄ | 50.0% |"
    )


def test_a_mart_of_several_rows_a_month_shows_those_of_the_latest_complete_month(con):
    con.execute(
        "create table marts.by_reason as from (values"
        " (date '2024-01-01', true, 'price', 3), (date '2024-02-01', true, 'price', 2),"
        " (date '2024-02-01', true, 'died', 1), (date '2024-03-01', false, 'price', 9)"
        ") as rows (period_start, is_complete, reason_code, lost)"
    )
    assert glimpse(con, "marts", "by_reason") == "| reason_code | lost |\n| --- | --- |\n| died | 1 |\n| price | 2 |"


def test_a_text_of_the_extracts_is_shown_as_it_is(con):
    con.execute("create table marts.by_team (period_start date, is_complete boolean, team varchar, lost integer)")
    con.execute(
        "insert into marts.by_team values ('2024-01-01', true, ?, 3)", ["a | [b](javascript:c)\n<img> high_price"]
    )
    shown = glimpse(con, "marts", "by_team").splitlines()[2:]
    assert shown == [r"| a \| \[b\](javascript:c) \<img\> high_price | 3 |"]


def test_a_mart_without_a_complete_month_shows_that(con):
    con.execute(
        "create table marts.rates as select date '2024-01-01' as period_start, false as is_complete, 1 as customers"
    )
    assert glimpse(con, "marts", "rates") == "| measure | last 0 months | latest |\n| --- | --- | --- |"


def test_tables_of_single_customers_are_not_shown(con):
    con.execute("create table marts.customers as select 'c1' as customer_id, 1 as spells")
    assert glimpse(con, "marts", "customers") is None


def test_every_data_test_says_in_a_sentence_what_it_demands():
    sentences = {
        node["name"]: demand(node) for node in steps.manifest()["nodes"].values() if node["resource_type"] == "test"
    }
    assert all(len(sentence) > 20 and sentence.endswith(".") for sentence in sentences.values()), sentences
    assert sentences["churn_end_is_next_start"] == "customers_at_end of a period = customers_at_start of the next one."


def test_a_stock_test_on_a_model_says_its_description_or_its_name():
    stock = {"name": "not_null_dim_customers_country", "test_metadata": {"name": "not_null", "kwargs": {}}}
    assert demand(stock | {"description": "Every customer has a country."}) == "Every customer has a country."
    assert demand(stock) == "The test not_null_dim_customers_country finds no row."


def test_a_test_of_sql_without_a_comment_says_its_description_or_its_name():
    singular = {"name": "rates_add_up", "raw_code": "select 1 as n -- not a heading\nwhere false"}
    assert demand(singular | {"raw_code": "-- The rates\n-- add up.\nselect 1"}) == "The rates add up."
    assert demand(singular | {"description": "The rates add up to 1."}) == "The rates add up to 1."
    assert demand(singular | {"description": ""}) == "The test rates_add_up finds no row."
    assert demand(singular | {"raw_code": "--\nselect 1"}) == "The test rates_add_up finds no row."
