"""Exports that once published a wrong number without a word, in one company,
refreshed by the command that people run."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.churn import Done, churn

MAPPING = """
reporting_currency: EUR
tables:
  billing.subscriptions:
    - name: state
      files: state.csv
      columns: {subscription_id: id, customer_id: client, started_on: since, unit_price: fee, status: status,
        currency: {value: EUR}}
    - name: contracts
      files: contracts.csv
      key_prefix: "c-"
      columns:
        subscription_id: id
        customer_id: client
        started_on: first_day
        ended_on: {from: last_day, inclusive: true}
        unit_price: fee
        currency: {value: EUR}
    - name: stripe
      files: "page_*.json"
      delivery: snapshot
      snapshot: all
      records: data
      explode: items.data
      columns:
        subscription_id: [id, items.data.id]
        customer_id: customer
        started_on: {from: start_date, format: epoch_s}
        quantity: items.data.quantity
        unit_price: {from: items.data.price.unit_amount, scale: minor_units}
        discount_amount: {from: discount.coupon.amount_off, scale: minor_units}
        interval: items.data.price.recurring.interval
        currency: currency
        status: status
  billing.invoices:
    files: yen.csv
    columns: {invoice_id: no, customer_id: client, issued_at: day, currency: currency,
      amount: {from: total, scale: minor_units}}
  billing.fx_rates: {files: rates.csv}
  crm.cases: {files: cases.csv}
"""
JANUARY = 1704067200  # 2024-01-01


def page(*subscriptions: dict) -> str:
    return json.dumps({"object": "list", "data": subscriptions})


def subscription(name: str, amount_off: int | None, *items: tuple[int, int]) -> dict:
    return {
        "id": f"sub_{name}",
        "customer": name,
        "status": "active",
        "start_date": JANUARY,
        "currency": "eur",
        "discount": {"coupon": {"amount_off": amount_off}} if amount_off else None,
        "items": {
            "data": [
                {
                    "id": f"si_{n}",
                    "quantity": quantity,
                    "price": {"unit_amount": cents, "recurring": {"interval": "month"}},
                }
                for n, (quantity, cents) in enumerate(items)
            ]
        },
    }


FILES = {
    "extracts.yml": MAPPING,
    # today's state: two without service since nobody knows when, one who left on a day that no column holds
    "state.csv": "id,client,since,fee,status\n1,unpaid,2024-01-01,10,unpaid\n2,paused,2024-01-01,20,paused\n"
    "3,canceled,2024-01-01,30,canceled\n4,active,2024-01-01,40,active\n",
    # renewals: the last day of one and the first of the next
    "contracts.csv": "id,client,first_day,last_day,fee\n1,renews,2024-01-01,2024-03-31,50\n"
    "2,renews,2024-04-01,2098-12-31,50\n",
    "page_1.json": page(
        subscription("bundle", None, (1, 10000), (4, 1500)), subscription("coupon", 3000, (1, 2000), (1, 4500))
    ),
    "page_2.json": page(subscription("other page", None, (2, 500))),
    "yen.csv": "no,client,day,total,currency\n1,buyer,2024-06-01,5000,JPY\n",
    "rates.csv": "rate_date,currency,rate\n2024-01-01,JPY,0.006\n",
    "cases.csv": "case_id,customer_id,opened_at\nk,active,2024-06-20 10:00:00\n",
}


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("wrong_numbers")
    (folder / "extracts").mkdir()
    for name, content in FILES.items():
        (folder / "extracts" / name).write_text(content, encoding="utf-8")
    done = churn("refresh", "--extracts", folder / "extracts", "--warehouse", folder / "warehouse")
    assert done.code == 0, done.err
    return folder / "warehouse" / "churn.duckdb", done


def rows(refreshed: tuple[Path, Done], query: str) -> list[tuple]:
    with duckdb.connect(str(refreshed[0]), read_only=True) as con:
        return con.execute(query).fetchall()


def test_as_of_is_the_newest_day_of_the_data_and_a_stale_extract_is_told(refreshed):
    newest = date(2024, 6, 20)
    assert rows(refreshed, "select as_of, newest_row_on from quality.refresh_history") == [(newest, newest)]
    assert "2024-06-20, the newest day in the extracts" in refreshed[1].err
    assert "--as-of" in refreshed[1].err


def test_who_is_unpaid_or_paused_now_keeps_the_past_and_who_canceled_does_not_pay_for_ever(refreshed):
    spells = "select customer_id, started_on, ended_on from marts.fct_customer_spells where customer_id in"
    assert rows(refreshed, f"{spells} ('unpaid', 'paused', 'canceled', 'active') order by all") == [
        ("active", date(2024, 1, 1), None),
        ("canceled", date(2024, 1, 1), date(2024, 6, 20)),
        ("paused", date(2024, 1, 1), date(2024, 6, 20)),
        ("unpaid", date(2024, 1, 1), date(2024, 6, 20)),
    ]
    [warning] = [line for line in refreshed[1].err.splitlines() if "inactive_on" in line]
    assert "3 customers with MRR 60.00" in warning and "status_means: period" in warning


def test_a_renewal_after_an_inclusive_end_is_no_churn(refreshed):
    assert rows(
        refreshed,
        "select started_on, ended_on, scheduled_end_on from marts.fct_customer_spells where customer_id = 'renews'",
    ) == [(date(2024, 1, 1), None, date(2099, 1, 1))]


def test_every_page_and_every_item_counts_and_a_coupon_once(refreshed):
    mrr = (
        "select customer_id, mrr from marts.customer_value where customer_id in ('bundle', 'coupon', 'other page')"
        " order by all"
    )
    assert rows(refreshed, mrr) == [
        ("bundle", Decimal("160.00")),
        ("coupon", Decimal("35.00")),  # 20 + 45 − 30: all of the first item, 10 of the second
        ("other page", Decimal("10.00")),
    ]


def test_yen_have_no_cents(refreshed):
    assert rows(refreshed, "select amount from marts.fct_purchases") == [(Decimal("30.00"),)]
