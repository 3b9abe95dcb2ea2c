"""Money for people: the only place where an amount is anything but an integer in the minor unit."""

from decimal import Decimal

from iso4217 import Currency


def as_text(amount: int, currency: str) -> str:
    """`225000, "gbp"` as `2,250.00 GBP`; currencies without a minor unit (`jpy`) have no fraction."""
    digits = Currency(currency.upper()).exponent or 0
    return f"{Decimal(amount).scaleb(-digits):,.{digits}f} {currency.upper()}"
