"""Our webhook endpoints at Stripe, and whether a delivery to one comes from Stripe."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

import stripe
from django.conf import settings
from djstripe.models import WebhookEndpoint

from luxewin.clock import database_now
from purchases.gateway.client import calling
from purchases.gateway.events import EVENTS, know_account


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of our webhook endpoints, as Stripe has it now."""

    url: str
    enabled: bool
    events: frozenset[str]


def register_webhook(base_url: str) -> WebhookEndpoint:
    """Subscribe `<base_url>/api/v1/webhooks/stripe/<uuid>` at Stripe to EVENTS, once; return dj-stripe's record.

    Our endpoints at other addresses are removed, so that a moved installation gets each event once.
    """
    know_account()
    with calling():
        kept = None
        for known in WebhookEndpoint.objects.all():
            if (
                known.url.startswith(f"{base_url}/")
                and set(known.enabled_events) == set(EVENTS)
                and _still_there(known.id)
            ):
                kept = known
                continue
            _forget(known)
        return kept or _make_endpoint(base_url, uuid4())


def endpoints() -> list[Endpoint]:
    """Fetch those of our webhook endpoints that Stripe still has."""
    found = []
    for known in WebhookEndpoint.objects.all():
        with calling(), suppress(stripe.InvalidRequestError):
            data = stripe.WebhookEndpoint.retrieve(known.id)
            found.append(Endpoint(data.url, data.status == "enabled", frozenset(data.enabled_events)))
    return found


def recorded_endpoints() -> list[Endpoint]:
    """Return our webhook endpoints by dj-stripe's record, without a request."""
    return [
        Endpoint(known.url, known.status == "enabled", frozenset(known.enabled_events))
        for known in WebhookEndpoint.objects.all()
    ]


def _still_there(endpoint_id: str) -> bool:
    try:
        found = stripe.WebhookEndpoint.retrieve(endpoint_id)
        return found.status == "enabled" and set(found.enabled_events) == set(EVENTS)
    except stripe.InvalidRequestError:
        return False


def _forget(endpoint: WebhookEndpoint) -> None:
    with suppress(stripe.InvalidRequestError):  # gone at Stripe already
        stripe.WebhookEndpoint.delete(endpoint.id)
    endpoint.delete()


def _make_endpoint(base_url: str, uuid: UUID) -> WebhookEndpoint:
    made = stripe.WebhookEndpoint.create(
        url=f"{base_url}/api/v1/webhooks/stripe/{uuid}",
        enabled_events=list(EVENTS),  # type: ignore[arg-type]
        api_version=settings.STRIPE_API_VERSION,  # type: ignore[arg-type]
        metadata={"djstripe_uuid": str(uuid)},
    )
    endpoint = WebhookEndpoint.sync_from_stripe_data(made)
    # Stripe reveals the secret only once, at creation.
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret=made.secret, djstripe_uuid=uuid)
    endpoint.refresh_from_db()
    return endpoint


def is_our_endpoint(endpoint: UUID) -> bool:
    """Whether Stripe was ever told to send events there. Cost: one query."""
    return WebhookEndpoint.objects.filter(djstripe_uuid=endpoint).exists()


def is_signed(body: bytes, signature: str, endpoint: UUID) -> bool | None:
    """Whether Stripe signed this body for our endpoint just now; None if it is not ours. Cost: two queries."""
    known = WebhookEndpoint.objects.filter(djstripe_uuid=endpoint).only("secret", "djstripe_tolerance").first()
    if known is None:
        return None
    tolerance = known.djstripe_tolerance
    try:
        is_right = stripe.WebhookSignature.verify_header(body, signature, known.secret, tolerance)
        # Stripe's library refuses only signatures that are too old.
        return is_right and (not tolerance or _signed_at(signature) <= database_now().timestamp() + tolerance)
    except (stripe.SignatureVerificationError, TypeError, UnicodeError):
        # The last two: a signature outside ASCII, a body that is not UTF-8.
        return False


def _signed_at(signature: str) -> int:
    """Return the signed time: the first in the header, as in Stripe's library."""
    return int(next(part[2:] for part in signature.split(",") if part.startswith("t=")))
