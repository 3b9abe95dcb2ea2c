"""dj-stripe's pages in the back office: those that finance needs, to read, and to process events again."""

import logging
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from djstripe.models import Charge, Customer, Dispute, Event, PaymentIntent, Refund, WebhookEventTrigger

from accounts.back_office.filters import known
from luxewin.tasks.admin import ReadOnlyAdmin
from purchases import services
from purchases.admin.labels import price
from purchases.errors import ProviderUnavailable
from purchases.gateway import EVENTS
from purchases.models import SetAsideEvent, StaleMirror, UnstoredEvent

log = logging.getLogger(__name__)


class MirrorAdmin(ReadOnlyAdmin):
    """What dj-stripe recorded of Stripe. The raw data stays out: it holds client secrets and people's cards."""

    list_display = ["created", "id"]
    search_fields = ["id__exact"]
    ordering = ["-created"]
    exclude = ["stripe_data", "metadata"]


class CustomerAdmin(MirrorAdmin):
    """Whom Stripe knows."""

    list_display = ["created", "id", "subscriber"]
    search_fields = ["id__exact", "subscriber__email"]
    list_select_related = ["subscriber"]
    # An address is not recorded.
    exclude = [*MirrorAdmin.exclude, "email"]


class MoneyAdmin(MirrorAdmin):
    """What has an amount and a status."""

    list_display = ["created", "status", "price", "id"]
    # A charge has them as columns too, without its currency.
    exclude = [*MirrorAdmin.exclude, "amount", "currency"]
    readonly_fields = ["price", "status"]

    @admin.display(description="amount")
    def price(self, row: Any) -> str:
        """With its currency."""
        return price(row.stripe_data["amount"], row.stripe_data["currency"])

    @admin.display
    def status(self, row: Any) -> str:
        """Stripe's word."""
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
        """The object's id."""
        return str(event.data.get("object", {}).get("id", ""))

    @admin.action(description="Process the selected events again", permissions=["refund"])
    def replay(self, request: HttpRequest, events: QuerySet[Event]) -> None:
        """One by one, oldest first; harmless for one that took effect."""
        for event in events.order_by("created", "djstripe_id"):
            try:
                services.replay_event(event)
                self.message_user(request, f"Processed again: {event.id}.", messages.SUCCESS)
            except Exception:
                log.exception("event %s (%s) cannot be processed", event.id, event.type)
                self.message_user(request, f"Not processed: {event.id}. The server log says why.", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Finance."""
        return request.user.has_perm("purchases.refund_purchase")


class DeliveryAdmin(ReadOnlyAdmin):
    """Requests at the webhook, newest first: what came and whether it could be processed."""

    list_display = ["created", "processed", "exception", "event", "remote_ip"]
    list_filter = ["processed"]
    # Not the headers, which hold the signature; the body is not kept.
    fields = ["created", "remote_ip", "valid", "processed", "event", "exception", "traceback"]
    list_select_related = ["event"]
    ordering = ["-id"]


@admin.register(UnstoredEvent)
class UnstoredEventAdmin(ReadOnlyAdmin):
    """Stripe's events that could not be taken in, with the reason. They are tried again by themselves."""

    list_display = ["made_at", "type", "error", "tries", "next_try", "event_id"]
    list_filter = [("type", known(lambda: EVENTS))]
    search_fields = ["event_id__exact"]
    # Not the content: it may hold a client secret.
    fields = ["event_id", "type", "made_at", "noted_at", "error", "tries", "next_try"]
    readonly_fields = ["next_try"]
    actions = ["try_again"]

    @admin.display(ordering="claimed_until")
    def next_try(self, kept: UnstoredEvent) -> Any:
        """From when on."""
        return kept.claimed_until

    @admin.action(description="Try the selected events again now", permissions=["refund"])
    def try_again(self, request: HttpRequest, events: QuerySet[UnstoredEvent]) -> None:
        """One by one, oldest first."""
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
        """Finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(SetAsideEvent)
class SetAsideEventAdmin(ReadOnlyAdmin):
    """Stripe's events that were acknowledged and that nothing follows from; gone after 30 days."""

    list_display = ["noted_at", "type", "account", "event_id"]
    search_fields = ["event_id__exact", "account__exact"]
    fields = ["event_id", "type", "account", "noted_at"]


@admin.register(StaleMirror)
class StaleMirrorAdmin(ReadOnlyAdmin):
    """Objects whose record is not yet what Stripe has; those at the top are tried again and again."""

    list_display = ["object_id", "about", "noted_at", "tries", "due_at", "error"]
    list_filter = ["about"]
    search_fields = ["object_id__exact"]
    ordering = ["-tries", "noted_at"]


# dj-stripe registers some fifty pages: among them those that show the secret key, and forms to edit what Stripe said.
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
