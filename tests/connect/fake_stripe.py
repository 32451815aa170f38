"""A Stripe account that lives: objects as Stripe's API documents them, served in pages by a server that is at times too
busy, broken or slow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk_test_of_the_fake"
LISTS = ("customers", "prices", "subscriptions", "invoices", "charges")
Object = dict[str, Any]


def epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())


class Account:
    """The objects of an account, the newest first, as the lists of the API have them."""

    def __init__(self, seed: int, customers: int, first: date, today: date) -> None:
        self.rng, self.today, self.number = Random(seed), first, 0
        self.objects: dict[str, list[Object]] = {name: [] for name in LISTS}
        for amount in (1000, 2500, 9900):
            for interval in ("month", "year"):
                self._add("prices", self._price(amount, interval))
        for _ in range(customers):
            self._customer(first + timedelta(days=self.rng.randrange((today - first).days)))
        for kind in LISTS:  # as they came about
            self.objects[kind].sort(key=lambda one: -one["created"])
        self.today = today
        for subscription in list(self.objects["subscriptions"]):
            if self.rng.random() < 0.3:
                started = datetime.fromtimestamp(subscription["start_date"], UTC).date()
                self.cancel(subscription, started + (today - started) * self.rng.random())

    def _id(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}_{self.number:06}"

    def _add(self, kind: str, one: Object) -> Object:
        self.objects[kind].insert(0, one)
        return one

    def _price(self, amount: int, interval: str) -> Object:
        return {
            "id": self._id("price"),
            "object": "price",
            "created": epoch(self.today),
            "type": "recurring",
            "nickname": f"{amount / 100:.0f} a {interval}",
            "unit_amount": amount,
            "unit_amount_decimal": str(amount),
            "currency": "eur",
            "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"},
        }

    def _customer(self, day: date) -> None:
        number = self.number
        customer = self._add(
            "customers",
            {
                "id": self._id("cus"),
                "object": "customer",
                "created": epoch(day),
                "name": f"Name {number}",
                "email": f"name{number}@example.com",
                "phone": None,
                "address": {"country": self.rng.choice(("BG", "RO", "PH"))},
            },
        )
        price, discount = self.rng.choice(self.objects["prices"]), []
        if self.rng.random() < 0.1:
            coupon = {"object": "coupon", "percent_off": 10.5, "amount_off": None}
            discount = [{"object": "discount", "source": {"coupon": coupon}}]
        subscription = self._add(
            "subscriptions",
            {
                "id": self._id("sub"),
                "object": "subscription",
                "created": epoch(day),
                "customer": customer["id"],
                "start_date": epoch(day),
                "status": "active",
                "ended_at": None,
                "cancel_at": None,
                "trial_end": None,
                "pause_collection": None,
                "cancellation_details": {"feedback": None, "reason": None},
                "discounts": discount,
                "items": {
                    "object": "list",
                    "has_more": False,
                    "data": [
                        {
                            "id": self._id("si"),
                            "object": "subscription_item",
                            "quantity": self.rng.choice((1, 1, 3)),
                            "price": price,
                        }
                    ],
                },
            },
        )
        for part in range(2):
            self.charge(customer["id"], day + timedelta(days=31 * part), price["unit_amount"])
        assert subscription

    def charge(self, customer: str, day: date, amount: int) -> None:
        """An invoice of a day and what was paid for it, at times in a few attempts or given back."""
        rng = self.rng
        status = rng.choice(("paid", "paid", "paid", "open", "draft"))
        self._add(
            "invoices",
            {
                "id": self._id("in"),
                "object": "invoice",
                "customer": customer,
                "created": epoch(day),
                "status": status,
                "total": amount,
                "total_excluding_tax": amount,
                "currency": "eur",
                "status_transitions": {"paid_at": epoch(day) if status == "paid" else None},
            },
        )
        if status == "paid":
            charge = self._id("ch")
            refunds = [
                {
                    "id": self._id("re"),
                    "object": "refund",
                    "created": epoch(day),
                    "amount": amount // 100,
                    "currency": "eur",
                    "status": "succeeded",
                }
                for _ in range(rng.choice((0,) * 12 + (1, 12)))
            ]
            self._add(
                "charges",
                {
                    "id": charge,
                    "object": "charge",
                    "customer": customer,
                    "created": epoch(day),
                    "amount": amount,
                    "currency": "eur",
                    "status": "succeeded",
                    "failure_code": None,
                    "refunds": {
                        "object": "list",
                        "data": refunds,
                        "has_more": False,
                        "url": f"/v1/charges/{charge}/refunds",
                    },
                },
            )

    def cancel(self, subscription: Object, day: date, feedback: str = "too_expensive") -> None:
        subscription |= {"status": "canceled", "ended_at": epoch(day)}
        subscription["cancellation_details"] = {"feedback": feedback, "reason": "cancellation_requested"}

    def change_price(self, subscription: Object, price: Object) -> None:
        """Stripe keeps the item and forgets the price that it had."""
        subscription["items"]["data"][0]["price"] = price

    @property
    def active(self) -> list[Object]:
        return [one for one in self.objects["subscriptions"] if one["status"] == "active"]

    def count(self) -> int:
        return sum(map(len, self.objects.values()))

    def export(self, folder: Path, limit: int = 100) -> None:
        """The pages that a person saves: docs/presets/stripe.md."""
        folder.mkdir(parents=True)
        for kind, objects in self.objects.items():
            for start in range(0, len(objects), limit):
                page = {
                    "object": "list",
                    "data": objects[start : start + limit],
                    "has_more": start + limit < len(objects),
                }
                (folder / f"{kind}_{start // limit + 1}.json").write_text(json.dumps(page), encoding="utf-8")

    def page(self, path: str, asked: dict[str, str]) -> Object | None:
        """The answer to a request for a list, or to the rest of a charge's refunds."""
        limit, after = int(asked.get("limit", 10)), asked.get("starting_after")
        parts = path.removeprefix("/v1/").split("/")
        if len(parts) == 3:
            [objects] = [one["refunds"]["data"] for one in self.objects["charges"] if one["id"] == parts[1]]
        elif parts[0] in self.objects:
            objects = self.objects[parts[0]]
        else:
            return None
        if parts[0] == "subscriptions" and asked.get("status") != "all":
            objects = [one for one in objects if one["status"] != "canceled"]
        start = next((place for place, one in enumerate(objects, 1) if one["id"] == after), 0)
        shown = [self._shown(one, asked.get("expand[]", "")) for one in objects[start : start + limit]]
        return {"object": "list", "url": path, "has_more": start + limit < len(objects), "data": shown}

    @staticmethod
    def _shown(one: Object, expanded: str) -> Object:
        """As the API shows it: what isn't asked to be expanded is an id or missing, inner lists have ten elements."""
        shown = dict(one)
        if "discounts" in one and expanded != "data.discounts":
            shown["discounts"] = ["di_1" for _ in one["discounts"]]
        if "refunds" in one:
            inner = one["refunds"]
            shown["refunds"] = inner | {"data": inner["data"][:10], "has_more": len(inner["data"]) > 10}
            if expanded != "data.refunds":
                del shown["refunds"]
        return shown


class Faults:
    """What the server does wrong: a status for the nth request, once; and where it stands still."""

    def __init__(self, statuses: dict[int, int] | None = None, stops_at: int | None = None) -> None:
        self.statuses, self.stops_at, self.requests = dict(statuses or {}), stops_at, 0
        self.stands_still, self.paths = threading.Event(), []
        self._lock = threading.Lock()

    def next(self, path: str) -> int:
        with self._lock:
            self.requests += 1
            self.paths.append(path)
            if self.requests == self.stops_at:
                self.stands_still.set()
                return 0
            return self.statuses.get(self.requests, 200)


@contextmanager
def serving(account: Account, faults: Faults | None = None) -> Iterator[str]:
    """The address of a server of the account."""
    faults = faults or Faults()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            status = faults.next(self.path)
            if status == 0:
                released.wait(60)
                return
            page = account.page(url.path, {name: values[-1] for name, values in parse_qs(url.query).items()})
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                status = 401
            elif page is None:
                status = 404
            body = json.dumps(page if status == 200 else {"error": {"message": "of the fake"}}).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        released.set()
        server.shutdown()
        server.server_close()
