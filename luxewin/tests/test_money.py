"""Amounts for people, and which of them can be charged: by Stripe's table of currencies."""

import pytest

from luxewin.currencies import CURRENCIES, is_currency
from luxewin.money import amount_of, as_input, as_text


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


TYPED = [
    *(("5", "gbp", 500), ("5.00", "gbp", 500), ("5,00", "eur", 500), ("5.5", "gbp", 550), ("0.99", "gbp", 99)),
    *(("£1,250", "gbp", 125_000), ("1.250,00 EUR", "eur", 125_000), ("1\u2019250.50", "eur", 125_050)),
    *(("1 250,50 €", "eur", 125_050), ("1,250,000.00", "usd", 125_000_000), ("1.234.567", "eur", 123_456_700)),
    *(("GBP 12", "gbp", 1200), ("\uff11\uff12.\uff15\uff10", "gbp", 1250), ("500", "jpy", 500), ("1,250", "jpy", 1250)),
    *(("¥1.250", "jpy", 1250), ("1.250", "kwd", 1250), ("1\u202f250,5", "gbp", 125_050)),
]


@pytest.mark.parametrize(("typed", "currency", "amount"), TYPED)
def test_an_amount_is_read_as_people_type_it(typed, currency, amount):
    assert amount_of(typed, currency) == amount
    assert amount_of(as_input(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("typed", "currency"),
    [
        *((text, "gbp") for text in ("", "five", "-5", "+5", "5.", ".5", "5.001", "1.250", "1,25,00", "12345,678.00")),
        *(
            (text, "gbp")
            for text in ("€5", "12 EUR", "0,999", "1 2", "5.0 0", "1e5", "\u0665", "9" * 31, "5\x00", "½", "5²")
        ),
        *(("5.00", "jpy"), ("$5", "eur"), ("5.0001", "kwd")),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_says_what_to_type(typed, currency):
    with pytest.raises(ValueError, match="Type an amount such as 1250"):
        amount_of(typed, currency)
