"""The policies of the metric definitions: names, what each may be, and how its text is read.

Their defaults are the vars of dbt_project.yml; extracts.yml may set them under `policies:`, the command line wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import yaml

from orchestration import ROOT
from orchestration.contract.names import nearest
from orchestration.errors import SetupError, UserError

Value = str | int | float | bool | list[str] | None


def _one_of(*values: str) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        if text.lower() not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text.lower()

    return read


def _whole(minimum: int, maximum: int) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        digits = text.lstrip("0") or text[-1:]  # of thousands of them Python makes no number
        if not re.fullmatch("[0-9]{1,9}", digits) or not minimum <= int(digits) <= maximum:
            raise ValueError(f"a whole number from {minimum:,} to {maximum:,}")
        return int(digits)

    return read


def _yes_no(text: str) -> Value:
    try:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
    except KeyError:
        raise ValueError("true or false") from None


def _fraction(text: str) -> Value:
    if text.lower() in ("", "null", "none"):
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError("a fraction from 0 to 1 (0.35 is 35 %), or null")
    return number


def _names(text: str) -> Value:
    return list(dict.fromkeys(name for part in text.strip("[] ").split(",") if (name := part.strip(" '\""))))


# A hundred years in days and ten in hours: what is more is a slip, which no date or number of an engine need hold.
_DAYS, _HOURS = 36_500, 87_600

POLICIES: dict[str, Callable[[str], Value]] = {
    "activity_basis": _one_of("auto", "subscription", "purchase"),
    "lapse_days": _whole(1, _DAYS),
    "grace_days": _whole(0, _DAYS),
    "count_free_plans": _yes_no,
    "reason_window_days": _whole(0, _DAYS),
    "profit_margin": _fraction,
    "sla_first_response_hours": _whole(1, _HOURS),
    "sla_resolution_hours": _whole(1, _HOURS),
    "personal_ids": _one_of("refuse", "allow"),
    "segments": _names,
    "fiscal_year_start_month": _whole(1, 12),
}


def effective_policies(declared: Mapping[str, str], given: Iterable[str] = ()) -> dict[str, Value]:
    """Every policy's value: the default, else what extracts.yml declares,
    else what the command line gives as NAME=VALUE."""
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    values = {name: project["vars"][name] for name in POLICIES}
    for name, value in declared.items():
        values[name] = _read(name, value, "policies in extracts.yml")
    for assignment in given:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SetupError(
                f"--policy {assignment}: write NAME=VALUE, for instance --policy lapse_days=120.", code="policies"
            )
        values[name.strip()] = _read(name.strip(), value, "--policy", SetupError)
    return values


def segments(policies: Mapping[str, Value]) -> list[str]:
    """The columns by which customers are split, out of the values of all policies."""
    return cast(list[str], policies["segments"])


def _read(name: str, text: str, where: str, kind: type[UserError] = UserError) -> Value:
    if name not in POLICIES:
        raise kind(f"{where}: there is no policy '{name}'; {nearest(name, POLICIES)}.", code="policies")
    try:
        return POLICIES[name](text.strip())
    except ValueError as expected:
        raise kind(f"{where}: {name} is {text!r}, but must be {expected}.", code="policies") from None
