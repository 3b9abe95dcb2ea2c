"""E-mail providers that EMAIL_URL may name instead of an SMTP server; django-anymail speaks their interfaces."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider whose events say what became of a mail, and are authenticated by a name and a password."""

    backend: str
    #: What the backend calls the key.
    key: str
    events: str
    #: Reads from an event, as the provider sends it, its own word for the kind of a bounce.
    bounce: Callable[[Any], Any]
    #: The kinds after which no mail will ever arrive. django-anymail does not tell them from a full mailbox.
    permanent: frozenset[str]

    def is_permanent(self, event: Any) -> bool:
        """Whether an event says that mails to its address will never arrive."""
        with suppress(AttributeError, LookupError, TypeError, StopIteration):
            return str(self.bounce(event)) in self.permanent
        return False


PROVIDERS = {
    "brevo": Provider(
        "anymail.backends.brevo.EmailBackend",
        "api_key",
        "anymail.webhooks.brevo.BrevoTrackingWebhookView",
        lambda event: event["event"],
        frozenset({"hard_bounce", "invalid_email"}),
    ),
    "postmark": Provider(
        "anymail.backends.postmark.EmailBackend",
        "server_token",
        "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
        lambda event: event["Type"],
        frozenset({"HardBounce", "BadEmailAddress"}),
    ),
    "sparkpost": Provider(
        "anymail.backends.sparkpost.EmailBackend",
        "api_key",
        "anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
        lambda event: next(iter(event["msys"].values()))["bounce_class"],
        frozenset({"10", "30"}),  # invalid recipient, no recipient
    ),
}


def provider_of(url: str) -> str:
    """Return the provider that this EMAIL_URL names (`postmark://KEY@`); empty for an SMTP server."""
    scheme = url.partition("://")[0]
    return scheme if scheme in PROVIDERS else ""


def mailer_of(url: str) -> dict[str, Any]:
    """Return the entry of MAILERS for the EMAIL_URL of a provider. Its query has further options of the backend."""
    parts = urlsplit(url)
    provider = PROVIDERS[parts.scheme]
    options = dict(parse_qsl(parts.query)) | {provider.key: unquote(parts.username or "")}
    return {"BACKEND": provider.backend, "OPTIONS": options}
