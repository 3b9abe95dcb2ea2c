"""Amounts for people, and which of them can be charged: by Stripe's table of currencies."""

import pytest

from luxewin.currencies import CURRENCIES, is_currency
from luxewin.money import as_text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(225_000, "gbp", "2,250.00 GBP"), (5, "eur", "0.05 EUR"), (1200, "jpy", "1,200 JPY"), (1, "kwd", "0.001 KWD")],
)
def test_an_amount_is_written_with_its_currency(amount, currency, text):
    assert as_text(amount, currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (5000, "mga", "5,000 MGA"),
        (500_000, "ugx", "5,000 UGX"),
        (500_000, "isk", "5,000 ISK"),
        (12_345, "isk", "123.45 ISK"),
        (17_550, "huf", "175.50 HUF"),
        (1230, "kwd", "1.230 KWD"),
        (100, "krw", "100 KRW"),
    ],
)
def test_it_is_counted_as_stripe_charges_it(amount, currency, text):
    assert as_text(amount, currency) == text


def test_a_row_in_a_currency_that_is_not_in_the_table_can_still_be_shown():
    assert as_text(1234, "xxx") == "1,234 XXX"


def test_what_is_no_money_or_is_charged_by_nobody_is_no_currency():
    assert not any(is_currency(code) for code in ("xxx", "xts", "xau", "xdr", "clf", "qqq", "che", "hrk"))
    assert is_currency("GBP")


def test_the_smallest_charge_of_each_can_be_charged():
    assert all(each.minimum > 0 and each.minimum % each.multiple == 0 for each in CURRENCIES.values())
    assert {each.decimals for each in CURRENCIES.values()} == {0, 2, 3}
