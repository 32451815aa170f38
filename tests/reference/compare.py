"""Two answers to the same question, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction


def same(left, right, tolerance: float) -> bool:
    """Nulls only equal nulls; floats agree to `tolerance`; everything else (money, counts, days, texts) exactly."""
    if left is None or right is None:
        return left is right
    if isinstance(left, float) or isinstance(right, float):
        return abs(float(left) - float(right)) <= tolerance
    return left == right


def differences(actual: Iterable[dict], expected: Iterable[dict], key: list[str], tolerance: float = 1e-9) -> list[str]:
    """Sentences, one per missing, surplus or repeated row and per cell of `expected` that differs in `actual`."""
    found = []
    rows: dict[tuple, dict] = {}
    for row in actual:
        name = tuple(row[column] for column in key)
        if name in rows:
            found.append(f"{name}: twice in actual")
        rows[name] = row
    for wanted in expected:
        name = tuple(wanted[column] for column in key)
        row = rows.pop(name, None)
        if row is None:
            found.append(f"{name}: missing")
            continue
        for column, value in wanted.items():
            if not same(row[column], value, tolerance):
                found.append(f"{name}: {column} is {shown(row[column])}, not {shown(value)}")
    return found + [f"{name}: surplus" for name in rows]


def shown(value) -> str:
    return str(value) if isinstance(value, (Decimal, Fraction)) else repr(value)
