"""What production refuses to start on: each check has a number and says what to set."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from accounts.keys import KeysUnreadable, ring

# (number, whether the value is unsafe, what is wrong, what to set)
_Rule = tuple[str, Callable[[], bool], str, str]
_RULES: list[_Rule] = [
    (
        "E001",
        lambda: len(settings.SECRET_KEY) < 50 or settings.SECRET_KEY.startswith("unset"),
        "SECRET_KEY is missing or shorter than 50 characters.",
        "Set SECRET_KEY to 50 or more random characters.",
    ),
    (
        "E004",
        lambda: settings.DEBUG,
        "DEBUG is on.",
        "Unset DEBUG: with it a request header can replace the webhook secret.",
    ),
    (
        "E005",
        lambda: not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS,
        "ALLOWED_HOSTS is empty or a wildcard.",
        "Set ALLOWED_HOSTS to the comma-separated host names of this backend.",
    ),
    (
        "E006",
        lambda: not settings.PUBLIC_URL.startswith("https://"),
        "PUBLIC_URL is not https.",
        "Set PUBLIC_URL to the https address of this backend.",
    ),
    (
        "E007",
        lambda: not settings.STRIPE_SECRET_KEY,
        "STRIPE_SECRET_KEY is missing.",
        "Set STRIPE_SECRET_KEY to a key of your Stripe account.",
    ),
    (
        "E008",
        lambda: bool(settings.STRIPE_API_BASE),
        "STRIPE_API_BASE points away from Stripe.",
        "Unset STRIPE_API_BASE.",
    ),
    ("E009", lambda: not settings.RATELIMIT_ENABLE, "Rate limits are off.", "Unset RATELIMIT_ENABLE."),
    (
        "E010",
        lambda: bool(settings.CHAIN_RPC_URLS) and not settings.CHAIN_ID,
        "CHAIN_RPC_URL is set without CHAIN_ID.",
        "Set CHAIN_ID, so that a wrong node is noticed before anything is signed for it.",
    ),
    (
        "E011",
        lambda: settings.DRAW_DELAY_SECONDS < 30,
        "DRAW_DELAY_SECONDS is below 30.",
        "Set DRAW_DELAY_SECONDS to more than CHAIN_CONFIRMATIONS blocks take (300 is the default).",
    ),
    (
        "E012",
        lambda: settings.DRAW_VOID_SECONDS < 604_800,
        "DRAW_VOID_SECONDS is below seven days.",
        "Set DRAW_VOID_SECONDS to 604800 or more: a beacon comes back from any trouble but its end within that.",
    ),
    (
        "E013",
        lambda: not settings.STAFF_SECOND_FACTOR,
        "Staff need no second factor.",
        "Unset STAFF_SECOND_FACTOR.",
    ),
    (
        "E021",
        lambda: bool(settings.SUPABASE_URL) and not _is_origin(settings.SUPABASE_URL),
        "SUPABASE_URL is not the https address of a project.",
        "Set SUPABASE_URL to https://PROJECT.supabase.co, or your own server's address, without a path.",
    ),
    (
        "E022",
        lambda: bool(settings.SUPABASE_URL) and not _is_public_key(settings.SUPABASE_PUBLISHABLE_KEY),
        "SUPABASE_PUBLISHABLE_KEY is missing, or is a key that nobody but Supabase's own servers should have.",
        "Set SUPABASE_PUBLISHABLE_KEY to the project's publishable key, or to its legacy anon key.",
    ),
    (
        "E023",
        lambda: 0 < len(settings.SUPABASE_JWT_SECRET.encode()) < 32,
        "SUPABASE_JWT_SECRET is shorter than 32 bytes: whoever has one token can find it by trying.",
        "Unset SUPABASE_JWT_SECRET if the project signs with keys of its own, else set a longer one there and here.",
    ),
    (
        "E024",
        lambda: not all(map(_is_origin, settings.CORS_ALLOWED_ORIGINS)),
        "CORS_ALLOWED_ORIGINS, or FRONTEND_URL, names what is no https origin.",
        "Set both to origins like https://example.com: no path, no wildcard, not null.",
    ),
]


def _is_origin(url: str) -> bool:
    """Whether it is https, a host, perhaps a port, and nothing else."""
    try:
        parts = urlsplit(url)
        is_served = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_served and "@" not in url and url == f"https://{parts.netloc}".lower()


def _is_public_key(key: str) -> bool:
    """Whether it may be shown: legacy keys are tokens that name their role."""
    try:
        # nosemgrep: tokens-by-accounts (nobody is let in by it)
        return jwt.decode(key, options={"verify_signature": False}).get("role") == "anon"
    except jwt.PyJWTError:
        return bool(key) and not key.startswith("sb_secret_")


@register(Tags.security)
def production_is_safe(**kwargs: Any) -> list[CheckMessage]:
    """All unsafe values at once; nothing in development."""
    if settings.LUXEWIN_ENV != settings.PRODUCTION:
        return []
    faults = [Error(message, hint=hint, id=f"luxewin.{number}") for number, unsafe, message, hint in _RULES if unsafe()]
    return [*faults, *_signing_keys()]


def _signing_keys() -> list[CheckMessage]:
    try:
        ring()
    except KeysUnreadable as error:
        hint = "Set JWT_SIGNING_KEYS, or the file of JWT_SIGNING_KEYS_FILE, to what `manage.py rotate_keys` prints."
        return [Error(f"JWT_SIGNING_KEYS: {error}", hint=hint, id="luxewin.E002")]
    return []


def refuse_unsafe_production() -> None:
    """For the web processes, which run no system checks: raises ImproperlyConfigured naming every unsafe value."""
    if faults := production_is_safe():
        lines = "\n".join(f"{fault.id}: {fault.msg} {fault.hint}" for fault in faults)
        raise ImproperlyConfigured(f"This production process refuses to start.\n{lines}")
