"""System checks of the connection to Stripe: `manage.py check --deploy --tag stripe --database default`.

They ask Stripe and read the database, so a plain `check --deploy` skips them, like all checks tagged `database`.
"""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from djstripe.models import Event
from djstripe.signals import WEBHOOK_SIGNALS

from purchases import gateway
from purchases.errors import ProviderRefused, ProviderUnavailable

TAG = "stripe"
REGISTER = "Run `manage.py register_webhook`."


@register(TAG, Tags.database, deploy=True)
def events_are_subscribed_and_handled(**kwargs: Any) -> list[CheckMessage]:
    """Check that Stripe sends exactly the handled events, to at least one address. Cost: one request per endpoint."""
    faults: list[CheckMessage] = []
    try:
        endpoints = gateway.endpoints()
    except (ProviderUnavailable, ProviderRefused) as error:
        endpoints = gateway.recorded_endpoints()
        text = f"Stripe does not say what it sends, this is what it said when last asked. ({error.detail})"
        faults.append(checks.Warning(text, id="purchases.W001"))
    enabled = [endpoint for endpoint in endpoints if endpoint.enabled]
    if not enabled:
        text = "No webhook is registered and enabled at Stripe: payments are noticed late."
        faults.append(Error(text, hint=REGISTER, id="purchases.E001"))
    for endpoint in enabled:
        faults += _differences(endpoint)
    return faults + _deaf()


def _differences(endpoint: gateway.Endpoint) -> list[CheckMessage]:
    handled = set(gateway.EVENTS)
    missing, idle = sorted(handled - endpoint.events), sorted(endpoint.events - handled)
    faults: list[CheckMessage] = []
    if missing:
        text = f"Stripe does not send {', '.join(missing)} to {endpoint.url}."
        faults.append(Error(text, hint=REGISTER, id="purchases.E002"))
    if idle:
        text = f"Stripe sends {', '.join(idle)} to {endpoint.url}, which nothing handles."
        faults.append(Error(text, hint=REGISTER, id="purchases.E003"))
    return faults


def _deaf() -> list[CheckMessage]:
    """Return an error for each handled event that no receiver is connected to."""
    return [
        Error(f"Nothing listens to {name}.", hint="Connect it in purchases.receivers.", id="purchases.E004")
        for name in gateway.EVENTS
        if not WEBHOOK_SIGNALS[name].has_listeners(Event)
    ]
