"""What production refuses to start on: each check has a number and says what to set."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured


def _unsafe() -> Iterable[tuple[str, str, str]]:
    """(number, what is wrong, what to set) for each unsafe value."""
    if len(settings.SECRET_KEY) < 50 or settings.SECRET_KEY.startswith("unset"):
        yield "E001", "SECRET_KEY is missing or shorter than 50 characters.", "Set SECRET_KEY to 50 or more random characters."
    if len(settings.JWT_SIGNING_KEY) < 32 or settings.JWT_SIGNING_KEY.startswith("unset"):
        yield "E002", "JWT_SIGNING_KEY is missing or shorter than 32 characters.", "Set JWT_SIGNING_KEY to 32 or more random characters."
    if settings.JWT_SIGNING_KEY == settings.SECRET_KEY:
        yield "E003", "JWT_SIGNING_KEY is the SECRET_KEY.", "Set JWT_SIGNING_KEY to a value of its own, so that each can be changed alone."
    if settings.DEBUG:
        yield "E004", "DEBUG is on.", "Unset DEBUG: with it a request header can replace the webhook secret."
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield "E005", "ALLOWED_HOSTS is empty or a wildcard.", "Set ALLOWED_HOSTS to the comma-separated host names of this backend."
    if not settings.PUBLIC_URL.startswith("https://"):
        yield "E006", "PUBLIC_URL is not https.", "Set PUBLIC_URL to the https address of this backend."
    if not settings.STRIPE_SECRET_KEY:
        yield "E007", "STRIPE_SECRET_KEY is missing.", "Set STRIPE_SECRET_KEY to a key of your Stripe account."
    if settings.STRIPE_API_BASE:
        yield "E008", "STRIPE_API_BASE points away from Stripe.", "Unset STRIPE_API_BASE."
    if not settings.RATELIMIT_ENABLE:
        yield "E009", "Rate limits are off.", "Unset RATELIMIT_ENABLE."
    if settings.CHAIN_RPC_URLS and not settings.CHAIN_ID:
        yield "E010", "CHAIN_RPC_URL is set without CHAIN_ID.", "Set CHAIN_ID, so that a wrong node is noticed before money is spent."
    if settings.DRAW_DELAY_SECONDS < 30:
        yield "E011", "DRAW_DELAY_SECONDS is below 30.", "Set DRAW_DELAY_SECONDS to more than a block producer can backdate (60 is the default)."


@register(Tags.security)
def production_is_safe(**kwargs: Any) -> list[CheckMessage]:
    """All unsafe values at once; nothing in development."""
    if settings.LUXEWIN_ENV != settings.PRODUCTION:
        return []
    return [Error(message, hint=hint, id=f"luxewin.{number}") for number, message, hint in _unsafe()]


def refuse_unsafe_production() -> None:
    """For the web processes, which run no system checks: raises ImproperlyConfigured naming every unsafe value."""
    if faults := production_is_safe():
        lines = "\n".join(f"{fault.id}: {fault.msg} {fault.hint}" for fault in faults)
        raise ImproperlyConfigured(f"This production process refuses to start.\n{lines}")
