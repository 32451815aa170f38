"""Telling each change once, to everybody whom CHURN_ALERT_URLS names, through apprise. Its URLs hold secrets: nothing
here logs, raises or keeps one."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from orchestration.contract.mapping import unattended_mapping
from orchestration.errors import EnvironmentFailure, UserError
from orchestration.readers.alerts.conditions import Condition, conditions, last_outcome
from orchestration.warehouse.folder import PUBLISHED, RUNNING, Warehouse
from orchestration.warehouse.replacing import replacing

if TYPE_CHECKING:
    from apprise import NotifyBase

VARIABLE = "CHURN_ALERT_URLS"
# What VARIABLE replaced; alerts that stop in silence would be worse than a refusal.
FORMER = ("CHURN_ALERT_WEBHOOK", "CHURN_ALERT_EMAIL")
WORKS_AGAIN = Condition("failure", "", "The churn refresh works again", "The last refresh was published.")


def recipients() -> dict[str, NotifyBase]:
    """Whom the environment names, by place and kind ("1 Slack"); nobody by default. Raises UserError, which quotes no
    URL."""
    if former := [name for name in FORMER if os.environ.get(name)]:
        raise UserError(
            f"{' and '.join(former)} {'are' if len(former) > 1 else 'is'} no longer read. Name the same recipients by"
            f" URLs in {VARIABLE} (docs/alerts.md), and unset {'them' if len(former) > 1 else 'it'}."
        )
    urls = os.environ.get(VARIABLE, "").split()
    if not urls:
        return {}
    from apprise import Apprise, AppriseAsset

    found = {}
    with _silence():
        for number, url in enumerate(urls, 1):
            service = Apprise.instantiate(url, asset=AppriseAsset(async_mode=False, app_id="churn"))
            if service is None:
                raise UserError(
                    f"The URL number {number} in {VARIABLE} is none that apprise knows: correct it, or remove it"
                    " (docs/alerts.md). It isn't shown here, because who knows it can post."
                )
            found[f"{number} {service.service_name}"] = service
    return found


def send_due(extracts: Path, folder: Path) -> list[str]:
    """Tell everybody what has changed since they were told, unless the company's quiet hours are on: then whatever
    still holds afterwards is told. Returns the titles. Raises EnvironmentFailure when somebody could not be told, who
    is tried again the next time."""
    people = recipients()
    if not people:
        return []
    from filelock import FileLock, Timeout

    warehouse = Warehouse(folder)
    try:
        with FileLock(warehouse.folder / ".alerts.lock", timeout=0):
            return _send(people, extracts, warehouse)
    except Timeout:
        return []  # somebody else is telling them


def _send(people: Mapping[str, NotifyBase], extracts: Path, warehouse: Warehouse) -> list[str]:
    mapping = unattended_mapping(extracts)
    now = datetime.now(ZoneInfo(mapping.time_zone))
    if mapping.alerts.is_quiet(now.time()):
        return []
    outcome = last_outcome(warehouse)
    status = outcome and outcome["status"]
    if status == RUNNING and warehouse.is_held():  # how it ends will be seen at its end
        return []
    found = conditions(warehouse, mapping.alerts, now.date(), outcome)
    kinds = {one.kind for one in found}
    known, state = _known(warehouse), dict[str, dict[str, str]]()
    sent: list[str] = []
    failed: list[str] = []
    for name, service in people.items():
        told = state[name] = {kind: of for kind, of in known.get(name, {}).items() if kind in kinds | {"failure"}}
        again = [WORKS_AGAIN] if told.get("failure") and "failure" not in kinds and status == PUBLISHED else []
        for one in [*found, *again]:
            if told.get(one.kind) == one.state:
                continue
            if not _tell(service, one):
                failed.append(name)
                break
            told[one.kind] = one.state
            sent.append(one.title)
    with replacing(_state(warehouse), private=True) as new:
        new.write_text(json.dumps(state, indent=2, ensure_ascii=False), encoding="utf-8")
    if failed:
        raise EnvironmentFailure(
            f"{', '.join(failed)} of {VARIABLE} did not take the alert; the next `churn alert` or refresh tries again."
        )
    return sent


def _state(warehouse: Warehouse) -> Path:
    return warehouse.folder / "alerts.json"


def _known(warehouse: Warehouse) -> dict[str, dict[str, str]]:
    """What each recipient has been told: the state of each kind of condition."""
    file = _state(warehouse)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _tell(service: NotifyBase, condition: Condition) -> bool:
    from apprise import NotifyFormat

    with _silence():
        try:
            return bool(service.notify(title=condition.title, body=condition.text, body_format=NotifyFormat.TEXT))
        except Exception:  # some quote the URL
            return False


@contextmanager
def _silence() -> Iterator[None]:
    """Whatever apprise, the HTTP and the mail client would log may hold a URL or a password."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
