"""Money for people: the only place where an amount is anything but an integer in Stripe's unit."""

from decimal import Decimal

from django.utils.formats import number_format

from luxewin.currencies import CURRENCIES


def as_text(amount: int, currency: str) -> str:
    """`225000, "gbp"` as `2,250.00 GBP`, by `luxewin.currencies`; in the separators of the language in force.

    Where the decimals can only be 00 (`isk`) they are left out. In a currency that is not in the table, which only old
    rows have, the number is written as it is.
    """
    known = CURRENCIES.get(currency.lower())
    digits = known.decimals if known else 0
    value = Decimal(amount).scaleb(-digits)
    if known and known.multiple == 10**digits and amount % known.multiple == 0:
        digits = 0
    return f"{number_format(value, digits, use_l10n=True, force_grouping=True)} {currency.upper()}"
