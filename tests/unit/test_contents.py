"""What the texts of a column look like."""

from __future__ import annotations

import pytest

from orchestration.loading.contents import currency_of


@pytest.mark.parametrize(
    ("amounts", "currency"),
    [
        (["1 234,50 лв.", "-9,90 лева", "0.00"], "BGN"),
        (["₺5", "(₺7.50)"], "TRY"),
        (["US$ 5", "USD 1,000.00"], "USD"),
        (["$50 CAD"], "CAD"),
        (["5 EUR", "€6"], "EUR"),
        (["€5", "£5"], None),
        (["$5"], None),
        (["¥5", "100 kr"], None),
        (["5", "6"], None),
        (["0"], None),
    ],
)
def test_the_currency_of_amounts_is_the_one_that_all_of_them_are_marked_with(amounts, currency):
    assert currency_of(amounts) == currency
