"""dj-stripe's pages in the back office: those that finance needs, to read, and to process events again."""

import logging
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from djstripe.models import Charge, Customer, Dispute, Event, PaymentIntent, Refund, WebhookEventTrigger

from luxewin.tasks.admin import ReadOnlyAdmin
from purchases import services

log = logging.getLogger(__name__)


class MirrorAdmin(ReadOnlyAdmin):
    """What dj-stripe recorded of Stripe. The raw data stays out: it holds client secrets and people's cards."""

    list_display = ["id", "created", "livemode"]
    search_fields = ["id"]
    exclude = ["stripe_data", "metadata"]


class EventAdmin(MirrorAdmin):
    """Stripe's events, newest first."""

    list_display = ["created", "type", "about", "id", "livemode"]
    list_filter = ["type"]
    search_fields = ["id", "data__object__id"]
    ordering = ["-created"]
    exclude = [*MirrorAdmin.exclude, "data"]
    readonly_fields = ["about"]
    actions = ["replay"]
    show_full_result_count = False

    @admin.display
    def about(self, event: Event) -> str:
        """The object's id."""
        return str(event.data.get("object", {}).get("id", ""))

    @admin.action(description="Process again", permissions=["refund"])
    def replay(self, request: HttpRequest, events: QuerySet[Event]) -> None:
        """One by one, oldest first; harmless for one that took effect."""
        for event in events.order_by("created", "djstripe_id"):
            try:
                services.replay_event(event)
                self.message_user(request, f"{event.id} is processed again.", messages.SUCCESS)
            except Exception:
                log.exception("event %s (%s) cannot be processed", event.id, event.type)
                self.message_user(request, f"{event.id} cannot be processed, the log says why.", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Finance."""
        return request.user.has_perm("purchases.refund_purchase")


class DeliveryAdmin(ReadOnlyAdmin):
    """Requests at the webhook, newest first: what came and whether it could be processed."""

    list_display = ["created", "processed", "event", "exception", "remote_ip"]
    list_filter = ["processed"]
    # Not the body and the headers: they hold client secrets and the signature.
    fields = ["created", "remote_ip", "valid", "processed", "event", "exception", "traceback"]
    list_select_related = ["event"]
    ordering = ["-id"]
    show_full_result_count = False


# dj-stripe registers some fifty pages: among them those that show the secret key, and forms to edit what Stripe said.
MIRRORS: dict[Any, type[ReadOnlyAdmin]] = {
    Customer: MirrorAdmin,
    PaymentIntent: MirrorAdmin,
    Charge: MirrorAdmin,
    Refund: MirrorAdmin,
    Dispute: MirrorAdmin,
    Event: EventAdmin,
    WebhookEventTrigger: DeliveryAdmin,
}
for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
for mirror, mirror_admin in MIRRORS.items():
    admin.site.register(mirror, mirror_admin)
