"""Template filters of messages: amounts and times as people of the language write them (CLDR, through Babel)."""

from decimal import Decimal
from typing import Any

from babel.dates import format_date, format_time
from babel.numbers import format_currency, get_currency_precision
from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language

from luxewin.money import as_text, digits_of

register = template.Library()
# English as in Britain: the day comes before the month, and the day has 24 hours.
LOCALES = {"en": "en_GB"}


def _locale() -> str:
    language = get_language() or "en"
    return LOCALES.get(language, language)


@register.filter
def money(amount: Any, currency: str) -> str:
    """Format an amount in Stripe's unit; empty if the context has none. Contexts must name the currency."""
    if not isinstance(amount, int):
        return ""
    value, code = Decimal(amount).scaleb(-digits_of(currency)), currency.upper()
    precision = get_currency_precision(code)
    if precision > digits_of(currency) or value != round(value, precision):
        # A currency that only old rows have, or smaller parts than people of the language write.
        return as_text(amount, currency)
    return format_currency(value, code, locale=_locale())


@register.filter
def moment(text: Any) -> str:
    """Format an RFC 3339 time of a context in the person's time zone; empty for anything else."""
    found = parse_datetime(text) if isinstance(text, str) else None
    if found is None:
        return ""
    local, locale = timezone.localtime(found), _locale()
    return f"{format_date(local, 'long', locale=locale)}, {format_time(local, 'short', locale=locale)} ({local:%Z})"
