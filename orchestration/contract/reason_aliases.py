"""What people's words for leaving mean: the main reasons of the seed,
and the aliases that a company has confirmed itself.

The company's own aliases lie in churn_reason_aliases.csv in the warehouse folder (alias, reason_code, language).
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestration import ROOT
from orchestration.contract.names import closest
from orchestration.errors import UserError

ALIASES = "churn_reason_aliases.csv"


@dataclass(frozen=True)
class Alias:
    """A phrase, normalised, and the main reason that it means."""

    alias: str
    reason_code: str
    language: str


def reason_labels() -> dict[str, str]:
    """The main reasons: code -> label in English."""
    with (ROOT / "seeds" / "main_reasons.csv").open(encoding="utf-8", newline="") as file:
        return {row["reason_code"]: row["reason"] for row in csv.DictReader(file)}


def known_reason(code: str, codes: Sequence[str], where: str) -> str:
    """`code`, if it is one of `codes`; else a UserError that names the nearest."""
    if code in codes:
        return code
    near = closest(code, codes)
    hint = f"did you mean {near}?" if near else f"the reasons are {', '.join(codes)}."
    raise UserError(f"{where}: there is no reason {code!r}; {hint}", code="reason_aliases")


def own_aliases(warehouse: Path) -> list[dict[str, str]]:
    """The company's own aliases, ready as the dbt var `own_reason_aliases`; none when the file is missing.

    Raises UserError that names file and line when a row can't be used or two rows disagree.
    """
    return [asdict(alias) for alias in read_aliases(warehouse / ALIASES)]


def read_aliases(file: Path) -> list[Alias]:
    """The aliases of a file, none when it is missing. Raises UserError that names file and line."""
    if not file.exists():
        return []
    aliases: dict[str, Alias] = {}
    codes = list(reason_labels())
    # utf-8-sig: people edit it in Excel
    with file.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.DictReader(handle)
        if not {"alias", "reason_code"} <= set(rows.fieldnames or ()):
            raise UserError(f"{file}: the first line must be alias,reason_code,language.", code="reason_aliases")
        for row in rows:
            where = f"{file}, line {rows.line_num}"
            alias = Alias(
                _normalised(row["alias"] or ""), (row["reason_code"] or "").strip(), (row.get("language") or "").strip()
            )
            if not alias.alias:
                raise UserError(f"{where}: the alias has neither letters nor digits.", code="reason_aliases")
            known_reason(alias.reason_code, codes, where)
            if aliases.setdefault(alias.alias, alias).reason_code != alias.reason_code:
                raise UserError(
                    f"{where}: {alias.alias!r} means {aliases[alias.alias].reason_code} in an earlier line;"
                    " keep one of the two.",
                    code="reason_aliases",
                )
    return list(aliases.values())


def _normalised(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))
