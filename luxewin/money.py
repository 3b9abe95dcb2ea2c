"""Money for people: the only place where an amount is not an integer in Stripe's unit."""

import re
import unicodedata
from decimal import Decimal

from django.utils.formats import number_format

from luxewin.currencies import CURRENCIES


def as_text(amount: int, currency: str) -> str:
    """Format `225000, "gbp"` as `2,250.00 GBP`, by `luxewin.currencies`, with the current language's separators.

    Decimals that can only be 00 (`isk`) are left out. In a currency that is not in the table, which only old rows have,
    the number is written as it is.
    """
    known = CURRENCIES.get(currency.lower())
    digits = digits_of(currency)
    value = Decimal(amount).scaleb(-digits)
    if known and known.multiple == 10**digits and amount % known.multiple == 0:
        digits = 0
    return f"{number_format(value, digits, use_l10n=True, force_grouping=True)} {currency.upper()}"


def digits_of(currency: str) -> int:
    """Return the number of decimal places in Stripe's unit; 0 for a currency that is not in the table."""
    known = CURRENCIES.get(currency.lower())
    return known.decimals if known else 0


def as_input(amount: int, currency: str) -> str:
    """Format `225000, "gbp"` as `2250.00`, which `amount_of` reads back, in every language."""
    digits = digits_of(currency)
    return f"{Decimal(amount).scaleb(-digits):.{digits}f}"


# The currencies of each sign. Many use the dollar's.
SIGNS = {"£": {"gbp"}, "€": {"eur"}, "¥": {"jpy", "cny"}, "$": {"usd", "aud", "cad", "hkd", "nzd", "sgd", "mxn"}}
AMOUNT = re.compile(r"([^\d.,'\s-]{1,3})?\s*([0-9](?:[0-9.,'\s]*[0-9])?)\s*([^\d.,'\s-]{1,3})?")
LONGEST = 30


def amount_of(text: str, currency: str) -> int:
    """Parse an amount as people type it, into Stripe's unit: `5`, `5.00`, `£1,250`, `1.250,00 EUR`, `1'250.5`.

    A point or comma before at most as many digits as the currency has is the decimal separator. Groups of three digits
    may be separated by the other one, a space or an apostrophe. Raise ValueError, which says what to type, for anything
    else: also for the sign or code of another currency, more digits than the currency has, and `1.250`, which is
    ambiguous.
    """
    digits = digits_of(currency)
    example = f"Type an amount such as {as_input(1250 * 10**digits, currency)}."
    plain = unicodedata.normalize("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip()
    # Without this, 5² would be read as 52.
    is_raised = any(unicodedata.decomposition(each).startswith(("<super>", "<sub>")) for each in text)
    found = AMOUNT.fullmatch(plain) if len(plain) <= LONGEST and not is_raised else None
    if found is None:
        raise ValueError(example)
    for sign in filter(None, (found[1], found[3])):
        if sign.lower() != currency and currency not in SIGNS.get(sign, ()):
            raise ValueError(f"{sign} is not {currency.upper()}. {example}")
    whole, fraction = _parted(re.sub(r"[\s']", " ", found[2]), digits)
    if not re.fullmatch(r"[0-9]+|[1-9][0-9]{0,2}(?:([., ])[0-9]{3})(?:\1[0-9]{3})*", whole) or len(fraction) > digits:
        raise ValueError(example)
    return int(re.sub(r"[., ]", "", whole) + fraction.ljust(digits, "0"))


def _parted(number: str, digits: int) -> tuple[str, str]:
    """Return the parts before and after the decimal separator; the whole text as the first if there is none."""
    at = max(number.rfind("."), number.rfind(","))
    if at < 0:
        return number, ""
    whole, separator, fraction = number[:at], number[at], number[at + 1 :]
    is_alone = "." not in whole and "," not in whole
    if separator in whole or (is_alone and len(fraction) == 3 and (digits == 0 or separator == ",")):
        # Repeated, or a comma before three digits: it separates thousands.
        return number, ""
    return whole, fraction
