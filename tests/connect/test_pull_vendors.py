"""The other vendors: the extract of each one's preset, served in small pages as the vendor documents them, pulled and
loaded, gives the marts that the preset's own files do."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

pytest.importorskip("dlt", reason="dlt is not installed: make connect")

import expectations.judgement  # noqa: F401  (else each refresh would start a process that imports it)
from orchestration import pulling
from orchestration.contract.mapping import load_mapping
from orchestration.contract.pulls import KINDS
from orchestration.pulling import apis
from orchestration.refresh import steps
from orchestration.refresh.progress import Progress
from orchestration.refresh.session import refreshing
from tests import staged
from tests.expected import assert_expected, marts_of

PRESETS = Path(__file__).parents[1] / "presets"
AS_OF = date(2024, 6, 30)
PAGE = 2
Answer = tuple[dict[str, Any], dict[str, str]]  # a page and its headers
Asked = dict[str, str]


def hubspot(path: str, asked: Asked, some: Callable[[str, int], list], _: str) -> Answer:
    name = {"/crm/v3/owners": "owners"}.get(path) or path.removeprefix("/crm/v3/objects/")
    start = int(asked.get("after", 0))
    assert name != "tickets" or asked["associations"] == "companies"
    page: dict[str, Any] = {"results": some(name, start)}
    if len(some(name, start + PAGE)):
        page["paging"] = {"next": {"after": str(start + PAGE), "link": "https://api.hubapi.com/…"}}
    return page, {}


def zendesk(path: str, asked: Asked, some: Callable[[str, int], list], address: str) -> Answer:
    if path == "/satisfaction_ratings.json":
        start = int(asked.get("page[after]", 0))
        more = bool(some("satisfaction_ratings", start + PAGE))
        link = f"{address}{path}?{urlencode({'page[size]': 100, 'page[after]': start + PAGE})}" if more else None
        links = {"meta": {"has_more": more}, "links": {"next": link}}
        return {"satisfaction_ratings": some("satisfaction_ratings", start)} | links, {}
    name = path.removeprefix("/incremental/").removesuffix("/cursor.json")
    assert ("cursor" in asked) != ("start_time" in asked) or "cursor" in asked
    assert name != "tickets" or asked["include"] == "metric_sets"
    start = int(asked.get("cursor", 0))
    # the last page has a cursor too, for the next time
    ended = not some(name, start + PAGE)
    return {name: some(name, start), "after_cursor": str(start + PAGE), "end_of_stream": ended}, {}


def chargebee(path: str, asked: Asked, some: Callable[[str, int], list], _: str) -> Answer:
    name, start = path.removeprefix("/"), int(asked.get("offset", 0))
    assert asked.get("include_deleted") == (None if name == "item_prices" else "true")
    page: dict[str, Any] = {"list": some(name, start)}
    if some(name, start + PAGE):
        page["next_offset"] = str(start + PAGE)
    return page, {}


def shopify(path: str, asked: Asked, some: Callable[[str, int], list], address: str) -> Answer:
    name, start = path.removeprefix("/").removesuffix(".json"), int(asked.get("page_info", 0))
    assert name != "orders" or asked.get("status") == "any" or "page_info" in asked
    next_page = f"{address}{path}?{urlencode({'limit': 250, 'page_info': start + PAGE})}"
    headers = {"Link": f'<{next_page}>; rel="next"'} if some(name, start + PAGE) else {}
    records = [{key: value for key, value in one.items() if key != "refund_transactions"} for one in some(name, start)]
    return {name: records}, headers


# How each answers, the secrets that it wants, and the header that must hold them.
VENDORS = {
    "hubspot": (hubspot, {"access_token": "pat"}, ("Authorization", "Bearer pat")),
    "zendesk": (
        zendesk,
        {"email": "a@b.c", "api_token": "t"},
        ("Authorization", f"Basic {base64.b64encode(b'a@b.c/token:t').decode()}"),
    ),
    "chargebee": (chargebee, {"api_key": "k"}, ("Authorization", f"Basic {base64.b64encode(b'k:').decode()}")),
    "shopify": (shopify, {"access_token": "shpat"}, ("X-Shopify-Access-Token", "shpat")),
}


def records_of(extracts: Path, kind: str, name: str) -> list[dict[str, Any]]:
    """The records of a list in the files of a preset's extract."""
    pages = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((extracts / kind).glob(f"{name}*.json"))]
    return [record for page in pages for key, value in page.items() if isinstance(value, list) for record in value]


@contextmanager
def serving(kind: str, extracts: Path) -> Iterator[str]:
    """The address of a server that answers as the vendor does, with the records of an extract."""
    answer, _, (header, expected) = VENDORS[kind]

    def some(name: str, start: int) -> list[dict[str, Any]]:
        return records_of(extracts, kind, name)[start : start + PAGE]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            page, headers = answer(url.path, dict(parse_qsl(url.query)), some, address)
            body = json.dumps(page, indent=1).encode()
            self.send_response(200 if self.headers.get(header) == expected else 401)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", VENDORS)
def test_what_is_pulled_gives_the_marts_of_the_presets_own_files(kind, tmp_path, monkeypatch):
    preset = KINDS[kind].preset or ""
    shipped, extracts = PRESETS / preset, tmp_path / "extracts"
    shutil.copytree(shipped, extracts, ignore=shutil.ignore_patterns("expected", kind))
    monkeypatch.setattr(pulling, "today", lambda time_zone: date(2024, 7, 1))
    for name, value in VENDORS[kind][1].items():
        monkeypatch.setenv(f"SOURCES__{kind.upper()}__{name.upper()}", value)
    with serving(kind, shipped) as address:
        text = (shipped / "extracts.yml").read_text(encoding="utf-8")
        assert f"preset: {preset}\n" in text
        pull = f"pull:\n  {kind}: {{url: '{address}'}}\n"
        (extracts / "extracts.yml").write_text(text.replace(f"preset: {preset}\n", pull), encoding="utf-8")
        mapping = load_mapping(extracts)
        [source] = pulling.sources_to_pull(mapping)
        pulled = pulling.pull_source(extracts, mapping, source)
    assert pulled.counts == {name: len(records_of(shipped, kind, name)) for name in KINDS[kind].lists}
    assert max(pulled.counts.values()) > PAGE
    expected = marts_of(shipped / "expected") - {"load_audit"}
    with refreshing(extracts, tmp_path / "warehouse", Progress(), AS_OF) as current:
        steps.load(current)
        staged.build(current.warehouse.build, [f"+{mart}" for mart in expected], current.variables)
        folder = tmp_path / "expected"
        shutil.copytree(shipped / "expected", folder, ignore=shutil.ignore_patterns("load_audit*"))
        assert_expected(current.warehouse.build, folder)


def test_an_order_that_shopify_shows_no_more_has_been_bought_all_the_same(tmp_path):
    (tmp_path / "extracts.yml").write_text("pull: {shopify: {site: alfa}}\ntime_zone: UTC\n", encoding="utf-8")
    orders = [
        {
            "id": number,
            "customer": {"id": 7},
            "created_at": f"2024-0{number}-05T10:00:00Z",
            "subtotal_price": "10.00",
            "currency": "EUR",
            "financial_status": "paid",
            "test": False,
            "refund_transactions": [],
        }
        for number in (1, 2, 3)
    ]
    for day, shown in (("2024-03-06", orders), ("2024-03-31", orders[1:])):
        folder = tmp_path / "pulls" / "shopify" / day
        folder.mkdir(parents=True)
        apis.write(folder / "orders.jsonl.gz", "orders", iter([shown]))
        customer = {"id": 7, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"}
        apis.write(folder / "customers.jsonl.gz", "customers", iter([[customer]]))
    with refreshing(tmp_path, tmp_path / "warehouse", Progress(), date(2024, 3, 31)) as current:
        steps.load(current)
        staged.build(current.warehouse.build, ["+stg_billing__invoices"], current.variables)
        with current.warehouse.connect() as con:
            assert con.execute("select count(*) from staging.stg_billing__invoices").fetchall() == [(3,)]
