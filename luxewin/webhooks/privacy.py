"""Personal data in webhooks: ids of buyers and amounts, and how long they are kept here."""

from accounts.privacy import exports, retention
from luxewin.webhooks.models import Delivery, Event


def register() -> None:
    """Register everything; called once, when the app is ready."""
    retention.register(
        "webhook_events",
        "events for other systems, with the log of their deliveries, once none is under way",
        floor_days=7,
        due=lambda before: Event.objects.filter(created_at__lt=before).exclude(
            deliveries__status__in=Delivery.OPEN,
        ),
    )
    exports.leave_out(
        "ids and amounts that the archive has elsewhere, on their way to the operator's systems",
        *("webhooks.Endpoint", "webhooks.Event", "webhooks.Delivery"),
    )
