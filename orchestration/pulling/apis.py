"""Sources that answer in pages of JSON: each list becomes a file of JSON Lines, in the shape of the vendor's own pages,
which the vendor's preset reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, AuthConfigBase, BearerTokenAuth, HttpBasicAuth
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
)
from requests import RequestException, Response

from orchestration.contract.pulls import Pull
from orchestration.errors import EnvironmentFailure, UserError
from orchestration.pulling.secrets import Secrets

# Objects in one line: the loader reads lines of up to 16 MB.
IN_A_LINE = 100
Page = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """How one list is asked for. `records`: the array of each page that holds its objects."""

    path: str
    records: str
    params: Mapping[str, Any] = field(default_factory=dict)
    complete: Callable[[RESTClient, Page], None] | None = None  # fetch what the page leaves out of its objects


@dataclass(frozen=True)
class Api:
    """A vendor's API. `address` is completed by the site; `paginator` gives a new one for each list."""

    address: str
    auth: Callable[[Secrets], AuthConfigBase]
    paginator: Callable[[], BasePaginator]
    lists: Mapping[str, Endpoint]
    headers: Mapping[str, str] = field(default_factory=dict)


class UntilEndOfStream(JSONResponseCursorPaginator):
    """Zendesk's exports have a cursor for the next time on their last page too."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        if response.json().get("end_of_stream"):
            self._has_next_page = False


def _rest_of_inner_lists(client: RESTClient, page: Page) -> None:
    """Stripe shows the first ten or so elements of a list within an object, and where the others are."""
    for record in page["data"]:
        for inner in record.values():
            while isinstance(inner, dict) and inner.get("object") == "list" and inner.get("has_more"):
                params = {"limit": 100, "starting_after": inner["data"][-1]["id"]}
                response = client.get(inner["url"].removeprefix("/v1/"), params=params)
                response.raise_for_status()
                more = response.json()
                inner["data"] += more["data"]
                inner["has_more"] = more["has_more"]


def _refund_transactions(client: RESTClient, page: Page) -> None:
    """Of each order what was given back, and when: in Shopify's answer it lies in a list within a list."""
    for order in page["orders"]:
        order["refund_transactions"] = [
            transaction
            for refund in order.get("refunds", ())
            for transaction in refund["transactions"]
            if (transaction["kind"], transaction["status"]) == ("refund", "success")
        ]


def _hubspot(path: str, **params: Any) -> Endpoint:
    return Endpoint(f"crm/v3/{path}", "results", {"limit": 100, **params})


def _chargebee(name: str) -> Endpoint:
    shown = {} if name == "item_prices" else {"include_deleted": "true"}  # the list of prices has no such parameter
    return Endpoint(name, "list", {"limit": 100, **shown})


APIS = {
    "stripe": Api(
        "https://api.stripe.com/v1/",
        lambda secrets: BearerTokenAuth(secrets["api_key"]),
        lambda: JSONResponseCursorPaginator("data[-1].id", "starting_after", has_more_path="has_more"),
        {
            "customers": Endpoint("customers", "data", {"limit": 100}),
            "prices": Endpoint("prices", "data", {"limit": 100}),
            "subscriptions": Endpoint(
                "subscriptions",
                "data",
                {"limit": 100, "status": "all", "expand[]": "data.discounts"},
                _rest_of_inner_lists,
            ),
            "invoices": Endpoint("invoices", "data", {"limit": 100}),
            "charges": Endpoint("charges", "data", {"limit": 100, "expand[]": "data.refunds"}, _rest_of_inner_lists),
        },
        # the newest version whose fields the preset was written for
        {"Stripe-Version": "2025-09-30.clover"},
    ),
    "hubspot": Api(
        "https://api.hubapi.com/",
        lambda secrets: BearerTokenAuth(secrets["access_token"]),
        lambda: JSONResponseCursorPaginator("paging.next.after", "after"),
        {
            "companies": _hubspot(
                "objects/companies",
                properties="createdate,hs_lastmodifieddate,name,phone,country,industry,hs_analytics_source,"
                "hubspot_owner_id",
            ),
            "owners": _hubspot("owners"),
            "tickets": _hubspot(
                "objects/tickets",
                associations="companies",
                properties="createdate,first_agent_reply_date,hs_first_agent_message_sent_at,closed_date,"
                "hs_ticket_category,hs_ticket_priority,subject,source_type,hubspot_owner_id",
            ),
            "feedback_submissions": _hubspot(
                "objects/feedback_submissions",
                associations="companies",
                properties="hs_survey_type,hs_value,hs_submission_timestamp,hs_content",
            ),
        },
    ),
    "zendesk": Api(
        "https://{site}.zendesk.com/api/v2/",
        lambda secrets: HttpBasicAuth(f"{secrets['email']}/token", secrets["api_token"]),
        lambda: UntilEndOfStream("after_cursor", "cursor"),
        {
            "users": Endpoint("incremental/users/cursor.json", "users", {"start_time": 0, "per_page": 1000}),
            "tickets": Endpoint(
                "incremental/tickets/cursor.json",
                "tickets",
                {"start_time": 0, "per_page": 1000, "include": "metric_sets"},
            ),
            "satisfaction_ratings": Endpoint("satisfaction_ratings.json", "satisfaction_ratings", {"page[size]": 100}),
        },
    ),
    "chargebee": Api(
        "https://{site}.chargebee.com/api/v2/",
        lambda secrets: HttpBasicAuth(secrets["api_key"], ""),
        lambda: JSONResponseCursorPaginator("next_offset", "offset"),
        {
            name: _chargebee(name)
            for name in ("subscriptions", "customers", "item_prices", "invoices", "credit_notes", "transactions")
        },
    ),
    "shopify": Api(
        "https://{site}.myshopify.com/admin/api/2025-10/",
        lambda secrets: APIKeyAuth("X-Shopify-Access-Token", secrets["access_token"], "header"),
        lambda: HeaderLinkPaginator(),
        {
            "customers": Endpoint("customers.json", "customers", {"limit": 250}),
            "orders": Endpoint("orders.json", "orders", {"limit": 250, "status": "any"}, _refund_transactions),
        },
    ),
}


def lists(pull: Pull, secrets: Secrets, folder: Path) -> Iterator[tuple[str, int]]:
    """Write each list of the source to a file of its own. Yields its name and the number of objects."""
    api = APIS[pull.kind]
    settings = resolve_configuration(RuntimeConfiguration())
    client = RESTClient(
        (pull.url or api.address.format(site=pull.site)) + "/" * (not api.address.endswith("/")),
        headers=dict(api.headers),
        auth=api.auth(secrets),
        session=Client(
            raise_for_status=False,
            request_max_attempts=settings.request_max_attempts,
            request_backoff_factor=settings.request_backoff_factor,
            request_max_retry_delay=settings.request_max_retry_delay,
            request_timeout=settings.request_timeout,
        ).session,
    )
    for name in pull.lists:
        endpoint = api.lists[name]
        paginator = JSONLinkPaginator("links.next") if "page[size]" in endpoint.params else api.paginator()
        try:
            yield name, write(folder / f"{name}.jsonl.gz", endpoint.records, _pages(client, endpoint, paginator))
        except RequestException as error:
            raise explained(error, endpoint.path) from None


def _pages(client: RESTClient, endpoint: Endpoint, paginator: BasePaginator) -> Iterator[list[Any]]:
    """The objects of a list, page by page, as the vendor answers them."""
    for answer in client.paginate(endpoint.path, params=dict(endpoint.params), paginator=paginator, data_selector="$"):
        page = answer[0] if answer and isinstance(answer[0], dict) else {}
        if not isinstance(page.get(endpoint.records), list):
            raise EnvironmentFailure(f"the answer to {endpoint.path} holds no list '{endpoint.records}'.")
        if endpoint.complete:
            endpoint.complete(client, page)
        yield page[endpoint.records]


def write(file: Path, records: str, pages: Iterator[list[Any]]) -> int:
    """Write a list as lines of the form {records: [...]}; one that is empty has a line too. Returns the number of
    objects. The same objects give the same bytes."""
    count = 0
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as out:
        for page in pages:
            for start in range(0, len(page), IN_A_LINE):
                out.write(_line(records, page[start : start + IN_A_LINE]))
            count += len(page)
        if not count:
            out.write(_line(records, []))
    return count


def _line(records: str, some: list[Any]) -> bytes:
    return json.dumps({records: some}, separators=(",", ":")).encode() + b"\n"


def explained(error: RequestException, path: str) -> UserError | EnvironmentFailure:
    """Why an answer could not be had, without the address, which may hold what is secret."""
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return UserError(f"{path}: the server does not know the key (401). Set one that is valid.")
    if status == 403:
        return UserError(
            f"{path}: the key may not read this list (403). Give it that right, or leave it out of lists:."
        )
    if status == 404:
        return UserError(f"{path}: the server has no such list (404). Check site: or url:, or leave it out of lists:.")
    if status is not None:
        return EnvironmentFailure(f"{path}: the server answered {status}, also when asked again and again.")
    return EnvironmentFailure(f"{path}: the server can't be reached ({type(error).__name__}).")
