"""What a refresh says of a model that could not be built."""

from __future__ import annotations

import pytest

from orchestration.refresh.steps import _reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "Runtime Error in model a (a.sql)\n  Catalog Error: Table b does not exist!",
            "Catalog Error: Table b does not exist!",
        ),
        (
            "Compilation Error in model a (a.sql)\n  This model has an enforced contract that failed.",
            "Compilation Error in model a (a.sql)",
        ),
    ],
)
def test_the_reason_is_the_line_that_names_the_engines_error_or_the_first_one(message, reason) -> None:
    assert _reason([message]) == reason
