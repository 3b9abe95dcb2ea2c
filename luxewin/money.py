"""Money for people: the only place where an amount is anything but an integer in the minor unit."""

from decimal import Decimal

from django.utils.formats import number_format
from iso4217 import Currency


def is_currency(code: str) -> bool:
    """Whether ISO 4217 knows it, in whatever case."""
    return code.upper() in {currency.value for currency in Currency}


def as_text(amount: int, currency: str) -> str:
    """`225000, "gbp"` as `2,250.00 GBP`; currencies without a minor unit (`jpy`) have no fraction.

    Its separators are those of the language in force.
    """
    digits = Currency(currency.upper()).exponent or 0
    written = number_format(Decimal(amount).scaleb(-digits), digits, use_l10n=True, force_grouping=True)
    return f"{written} {currency.upper()}"
