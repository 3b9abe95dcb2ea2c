"""Gauges of what other systems are told."""

from luxewin.metrics import age_of_oldest, register
from luxewin.webhooks.models import Delivery, Endpoint

DUE = Delivery.objects.due()

register("webhooks_out_due", "Deliveries to other systems that are due.", DUE.count)
register("webhooks_out_due_seconds", "How long the oldest is due.", lambda: age_of_oldest(DUE, "due_at"), most=3_600)
register(
    "webhooks_out_disabled",
    "Endpoints that were disabled because nothing could be delivered.",
    lambda: Endpoint.objects.filter(status=Endpoint.Status.DISABLED).count(),
    most=0,
)
