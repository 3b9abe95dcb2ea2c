"""What tells staging from production to people: a banner on every page, a word before every mail's subject."""

from django.conf import settings
from django.http import HttpRequest

from luxewin.environment import STAGING

BANNER = "Staging: nothing here is real. Payments are tests, and no prize is won."


def banner(request: HttpRequest) -> dict[str, str]:
    """A context processor: the text that pages show at their top, empty but in staging."""
    return {"staging_banner": BANNER if settings.LUXEWIN_ENV == STAGING else ""}


def marked(subject: str) -> str:
    """A mail's subject, which in staging says so."""
    return f"[staging] {subject}" if settings.LUXEWIN_ENV == STAGING else subject
