"""dj-stripe's pages in the back office that finance needs: to read records, and to process events again."""

import logging
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from djstripe.models import Charge, Customer, Dispute, Event, PaymentIntent, Refund, WebhookEventTrigger

from accounts.back_office.filters import known
from luxewin.admin import ReadOnlyAdmin
from luxewin.desk import concern
from purchases import services
from purchases.admin.labels import price
from purchases.errors import ProviderUnavailable
from purchases.gateway import EVENTS
from purchases.models import SetAsideEvent, StaleMirror, UnstoredEvent

log = logging.getLogger(__name__)


class MirrorAdmin(ReadOnlyAdmin):
    """dj-stripe's records, without the raw data, which holds client secrets and people's cards."""

    list_display = ["created", "id"]
    search_fields = ["id__exact"]
    ordering = ["-created"]
    exclude = ["stripe_data", "metadata"]


class CustomerAdmin(MirrorAdmin):
    """Stripe customers."""

    list_display = ["created", "id", "subscriber"]
    search_fields = ["id__exact", "subscriber__email"]
    list_select_related = ["subscriber"]
    # Addresses are not recorded.
    exclude = [*MirrorAdmin.exclude, "email"]


class MoneyAdmin(MirrorAdmin):
    """Records with an amount and a status."""

    list_display = ["created", "status", "price", "id"]
    # A charge also has amount columns, without its currency.
    exclude = [*MirrorAdmin.exclude, "amount", "currency"]
    readonly_fields = ["price", "status"]

    @admin.display(description="amount")
    def price(self, row: Any) -> str:
        """The amount with its currency."""
        return price(row.stripe_data["amount"], row.stripe_data["currency"])

    @admin.display
    def status(self, row: Any) -> str:
        """Stripe's status."""
        return str(row.stripe_data.get("status", ""))


class EventAdmin(MirrorAdmin):
    """Stripe's events, newest first."""

    list_display = ["created", "type", "about", "id"]
    list_filter = [("type", known(lambda: EVENTS))]
    search_fields = ["id__exact", "data__object__id__iexact"]
    exclude = [*MirrorAdmin.exclude, "data"]
    readonly_fields = ["about"]
    actions = ["replay"]

    @admin.display(description="object")
    def about(self, event: Event) -> str:
        """The id of the event's object."""
        return str(event.data.get("object", {}).get("id", ""))

    @admin.action(description="Process the selected events again", permissions=["refund"])
    def replay(self, request: HttpRequest, events: QuerySet[Event]) -> None:
        """Process events one by one, oldest first; harmless for one that took effect."""
        for event in events.order_by("created", "djstripe_id"):
            try:
                services.replay_event(event)
                self.message_user(request, f"Processed again: {event.id}.", messages.SUCCESS)
            except Exception:
                log.exception("event %s (%s) cannot be processed", event.id, event.type)
                self.message_user(request, f"Not processed: {event.id}. The server log says why.", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether the user is finance."""
        return request.user.has_perm("purchases.refund_purchase")


class DeliveryAdmin(ReadOnlyAdmin):
    """Requests to the webhook, newest first: what arrived and whether it could be processed."""

    list_display = ["created", "processed", "exception", "event", "remote_ip"]
    list_filter = ["processed"]
    # Not the headers, which hold the signature; the body is not kept.
    fields = ["created", "remote_ip", "valid", "processed", "event", "exception", "traceback"]
    list_select_related = ["event"]
    ordering = ["-id"]


concern("Stripe event that failed", "Stripe events that failed", "purchases.unstoredevent")


@admin.register(UnstoredEvent)
class UnstoredEventAdmin(ReadOnlyAdmin):
    """Stripe events that could not be stored, with the reason. They are tried again automatically."""

    list_display = ["made_at", "type", "error", "tries", "next_try", "event_id"]
    list_filter = [("type", known(lambda: EVENTS))]
    search_fields = ["event_id__exact"]
    # Not the content: it may hold a client secret.
    fields = ["event_id", "type", "made_at", "noted_at", "error", "tries", "next_try"]
    readonly_fields = ["next_try"]
    actions = ["try_again"]

    @admin.display(ordering="claimed_until")
    def next_try(self, kept: UnstoredEvent) -> Any:
        """When a sweep tries it again."""
        return kept.claimed_until

    @admin.action(description="Try the selected events again now", permissions=["refund"])
    def try_again(self, request: HttpRequest, events: QuerySet[UnstoredEvent]) -> None:
        """Try events again one by one, oldest first."""
        for kept in events.order_by("made_at"):
            try:
                done = services.store_kept_event(kept.pk)
            except ProviderUnavailable as problem:
                self.message_user(request, problem.detail, messages.ERROR)
                return
            if done:
                self.message_user(request, f"Processed: {kept}.", messages.SUCCESS)
            else:
                self.message_user(request, f"Not processed: {kept}. The server log says why.", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether the user is finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(SetAsideEvent)
class SetAsideEventAdmin(ReadOnlyAdmin):
    """Stripe events that were acknowledged and have no effect; deleted after 30 days."""

    list_display = ["noted_at", "type", "account", "event_id"]
    search_fields = ["event_id__exact", "account__exact"]
    fields = ["event_id", "type", "account", "noted_at"]


@admin.register(StaleMirror)
class StaleMirrorAdmin(ReadOnlyAdmin):
    """Objects whose record is behind Stripe's; those at the top failed repeatedly."""

    list_display = ["object_id", "about", "noted_at", "tries", "due_at", "error"]
    list_filter = ["about"]
    search_fields = ["object_id__exact"]
    ordering = ["-tries", "noted_at"]


# dj-stripe registers some fifty pages; some show the secret key, or are forms to edit what Stripe said.
MIRRORS: dict[Any, type[ReadOnlyAdmin]] = {
    Customer: CustomerAdmin,
    PaymentIntent: MoneyAdmin,
    Charge: MoneyAdmin,
    Refund: MoneyAdmin,
    Dispute: MoneyAdmin,
    Event: EventAdmin,
    WebhookEventTrigger: DeliveryAdmin,
}
records = apps.get_app_config("djstripe")
records.verbose_name = "Stripe records"
WebhookEventTrigger._meta.verbose_name = "webhook delivery"  # noqa: SLF001 Django's documented API
WebhookEventTrigger._meta.verbose_name_plural = "webhook deliveries"  # noqa: SLF001
for model in records.get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
for mirror, mirror_admin in MIRRORS.items():
    admin.site.register(mirror, mirror_admin)
