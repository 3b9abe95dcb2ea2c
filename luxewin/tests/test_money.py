"""Amounts for people, whatever the currency's minor unit."""

import pytest

from luxewin.money import as_text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(225_000, "gbp", "2,250.00 GBP"), (5, "eur", "0.05 EUR"), (1200, "jpy", "1,200 JPY"), (1, "kwd", "0.001 KWD")],
)
def test_an_amount_is_written_with_its_currency(amount, currency, text):
    assert as_text(amount, currency) == text
