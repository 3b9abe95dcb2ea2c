"""Marks of staging: a banner on every page, a word before every mail's subject."""

from django.conf import settings
from django.http import HttpRequest

from luxewin.environment import STAGING

BANNER = "Staging: nothing here is real. Payments are tests, and no prize is won."


def banner(request: HttpRequest) -> dict[str, str]:
    """Provide templates with the banner text of pages; empty except in staging."""
    return {"staging_banner": BANNER if settings.LUXEWIN_ENV == STAGING else ""}


def marked(subject: str) -> str:
    """Return a mail's subject, marked in staging."""
    return f"[staging] {subject}" if settings.LUXEWIN_ENV == STAGING else subject
