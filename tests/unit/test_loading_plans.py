"""Amounts of subscriptions that depend on their plans: on the plan that is in force, whenever it was delivered."""

import json

import pytest

SUBSCRIPTIONS = "billing.subscriptions: {columns: {unit_price: {from: cents, scale: minor_units}}}"
MAPPING = f"reporting_currency: EUR\ntables: {{{SUBSCRIPTIONS}}}"


def plans(*rows: str) -> str:
    return "plan_id,price,currency\n" + "".join(f"{row}\n" for row in rows)


def subscriptions(*rows: str) -> str:
    return "subscription_id,customer_id,started_on,plan_id,cents\n" + "".join(f"{row}\n" for row in rows)


def prices(delivered) -> list:
    return delivered.column("billing.subscriptions", "unit_price")


@pytest.mark.parametrize(
    "files",
    [
        {"plans_1.csv": plans("p,1,JPY"), "plans_2.csv": plans("p,1,EUR")},
        {"plans_9.csv": plans("p,1,JPY"), "plans_10.csv": plans("p,1,EUR")},
        {"plans.csv": plans("p,1,JPY", "p,1,EUR")},
        {"plans_1.csv": plans("p,1,EUR"), "plans_2.csv": plans("p,some,JPY", "p,1,JPY,surplus")},
        {"plans_1.csv": plans("p,1,JPY"), "plans_2.csv": plans("p,1,")},  # then the reporting currency
    ],
    ids=["a later file", "a later number", "a later row", "a row that cannot be used", "a row without a currency"],
)
def test_minor_units_are_those_of_the_newest_row_of_the_plan(delivered, files):
    for name, content in files.items():
        delivered.write(f"billing/{name}", content)
    delivered.write("billing/subscriptions.csv", subscriptions("s,c,2024-01-31,p,1000"))
    delivered.load(MAPPING)
    assert prices(delivered) == ["10"]


def test_a_replaced_list_of_plans_says_nothing(delivered):
    delivered.write("plans/2024-01-31.csv", plans("p,1,JPY", "q,1,JPY"))
    delivered.write("plans/2024-02-29.csv", plans("p,1,EUR"))
    delivered.write("billing/subscriptions.csv", subscriptions("s,c,2024-01-31,p,1000", "t,c,2024-01-31,q,1000"))
    listed = "billing.plans: {files: plans/*.csv, delivery: snapshot, snapshot: plans/%Y-%m-%d}"
    delivered.load(f"reporting_currency: EUR\ntables: {{{listed}, {SUBSCRIPTIONS}}}")
    assert prices(delivered) == ["10", "10"]


def test_amounts_are_read_again_when_the_currency_of_their_plan_changes(delivered):
    delivered.write("billing/subscriptions_1.csv", subscriptions("s,c,2024-01-31,p,5000"))
    delivered.write("billing/subscriptions_2.csv", subscriptions("t,c,2024-01-31,q,5000"))
    delivered.load(MAPPING)
    assert prices(delivered) == ["50", "50"]
    for file, currency, expected in (("plans_1", "JPY", "5000"), ("plans_2", "EUR", "50"), ("plans_3", "KWD", "5")):
        delivered.write(f"billing/{file}.csv", plans(f"p,1,{currency}"))
        again, other = delivered.load().files[-2:]
        assert (prices(delivered), again.is_new, other.is_new) == ([expected, "50"], True, False)
        assert not any(file.is_new for file in delivered.load().files)


def test_amounts_of_a_file_that_is_gone_are_told(delivered):
    path = delivered.write("billing/subscriptions_1.csv", subscriptions("s,c,2024-01-31,p,5000"))
    delivered.load(MAPPING)
    path.unlink()
    delivered.write("billing/subscriptions_2.csv", subscriptions("t,c,2024-01-31,p,5000"))
    delivered.write("billing/plans.csv", plans("p,1,USD"))
    assert delivered.load().warnings == []  # it has cents too
    delivered.write("billing/plans.csv", plans("p,1,JPY"))
    [warning] = delivered.load().warnings
    assert "billing/subscriptions_1.csv is gone, and 1 plan of its rows had another currency" in warning
    assert prices(delivered) == ["50", "5000"]


def test_events_without_a_plan_are_rejected_once_a_plan_has_other_minor_units(delivered):
    delivered.write(
        "billing/subscription_events.csv",
        "subscription_id,customer_id,event,occurred_on,plan_id,cents\ns,c,start,2024-01-31,,1000\n",
    )
    delivered.load(MAPPING.replace("subscriptions:", "subscription_events:"))
    delivered.write("billing/plans.csv", plans("p,1,JPY"))
    assert "Map currency or plan_id" in delivered.refused()


def test_a_discount_of_a_whole_record_asks_the_plans_in_force(delivered):
    elements = [{"id": number, "plan": plan} for number, plan in enumerate("xy")]
    delivered.write("s.json", json.dumps([{"id": 1, "c": "a", "d": "2024-01-01", "off": 120, "items": elements}]))
    delivered.write("billing/plans_9.csv", plans("x,20,EUR", "y,70,EUR"))
    delivered.write("billing/plans_10.csv", plans("x,80,EUR"))
    columns = (
        "subscription_id: [id, items.id], customer_id: c, started_on: d, plan_id: items.plan, discount_amount: off"
    )
    delivered.load(f"tables: {{billing.subscriptions: {{files: s.json, explode: items, columns: {{{columns}}}}}}}")
    assert delivered.column("billing.subscriptions", "discount_amount") == ["80.000000", "40.000000"]
    delivered.write("billing/plans_11.csv", plans("x,90,EUR"))
    delivered.load()
    assert delivered.column("billing.subscriptions", "discount_amount") == ["90.000000", "30.000000"]
