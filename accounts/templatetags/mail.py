"""What mails write as the person's language has it."""

from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format

from luxewin.money import as_text

register = template.Library()


@register.filter
def money(amount: Any, currency: str) -> str:
    """An amount in Stripe's unit; an empty text where a context has none. Contexts must name the currency."""
    return as_text(amount, currency) if isinstance(amount, int) else ""


@register.filter
def moment(text: Any) -> str:
    """A time of RFC 3339, as contexts keep it, in the person's time zone; an empty text for anything else."""
    found = parse_datetime(text) if isinstance(text, str) else None
    if found is None:
        return ""
    local = timezone.localtime(found)
    return f"{date_format(local, 'DATETIME_FORMAT')} ({local:%Z})"
