"""Template filters of mails, in the person's language."""

from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format

from luxewin.money import as_text

register = template.Library()


@register.filter
def money(amount: Any, currency: str) -> str:
    """Format an amount in Stripe's unit; empty if the context has none. Contexts must name the currency."""
    return as_text(amount, currency) if isinstance(amount, int) else ""


@register.filter
def moment(text: Any) -> str:
    """Format an RFC 3339 time of a context in the person's time zone; empty for anything else."""
    found = parse_datetime(text) if isinstance(text, str) else None
    if found is None:
        return ""
    local = timezone.localtime(found)
    return f"{date_format(local, 'DATETIME_FORMAT')} ({local:%Z})"
