"""Receivers of purchases: Stripe's events through dj-stripe, cancelled raffles, and additions to conditions.

Receivers run inside the transaction of the event. They only note its object, for our books and for dj-stripe's record,
and enqueue a look at it. So an event takes effect exactly if dj-stripe stored it, and a failing one is answered with
500 and delivered again.
"""

from typing import Any

from djstripe import event_handlers
from djstripe.models import Event, WebhookEventTrigger
from djstripe.signals import WEBHOOK_SIGNALS, webhook_pre_process

from luxewin.tasks.queue import enqueue
from purchases import gateway, services, tasks
from purchases.models import Payment, StripeNotice
from raffles.signals import conditions_added, raffle_cancelled


def connect() -> None:
    """Connect the receivers. Call once, when the app is ready."""
    # dj-stripe's own handlers call Stripe inside the transaction and may overwrite newer state. All of them, because
    # our endpoint can be subscribed to any type at Stripe's dashboard.
    own = [handler for name, handler in vars(event_handlers).items() if name.startswith("handle_")]
    for signal in WEBHOOK_SIGNALS.values():
        for handler in own:
            signal.disconnect(handler, sender=Event)
    for name in gateway.EVENTS:
        WEBHOOK_SIGNALS[name].connect(RECEIVERS[name.rpartition(".")[0]], dispatch_uid=f"purchases.{name}")
    webhook_pre_process.connect(on_delivery, dispatch_uid="purchases.delivery")
    raffle_cancelled.connect(on_raffle_cancelled, dispatch_uid="purchases.raffle_cancelled")
    conditions_added.connect(on_conditions_added, dispatch_uid="purchases.conditions_added")


def on_delivery(sender: type[WebhookEventTrigger], instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """Lock a signed event before it is stored: the same event, delivered or fetched meanwhile, waits.

    dj-stripe stores what this leaves in `json_body`.
    """
    vars(instance)["json_body"] = gateway.storable_event(instance.json_body)
    gateway.lock_event(instance.json_body["id"])


def on_payment_event(sender: type[Event], event: Event, **kwargs: Any) -> None:
    """Note any event about a payment intent of ours, whose state is then fetched from Stripe."""
    if _names(event, "payment") or Payment.objects.filter(intent_id=_object_id(event)).exists():
        _note(StripeNotice.About.INTENT, event)


def on_refund_event(sender: type[Event], event: Event, **kwargs: Any) -> None:
    """Note an event about a refund of ours, or one made by hand of a payment of ours."""
    if _names(event, "refund") or Payment.objects.filter(intent_id=_intent_id(event)).exists():
        _note(StripeNotice.About.REFUND, event)


def on_dispute_event(sender: type[Event], event: Event, **kwargs: Any) -> None:
    """Note an event about a dispute; if it is not about a payment of ours, dj-stripe does not record the dispute."""
    ours = Payment.objects.filter(intent_id=_intent_id(event)).exists()
    _note(StripeNotice.About.DISPUTE, event, recorded=ours)


def on_raffle_cancelled(sender: type[Any], raffle: Any, **kwargs: Any) -> None:
    """Enqueue the refunds of the cancelled raffle."""
    enqueue(tasks.refund_raffle, str(raffle.pk))


def on_conditions_added(sender: type[Any], addition: Any, **kwargs: Any) -> None:
    """Enqueue the mails to everybody with tickets of the raffle."""
    enqueue(tasks.tell_of_addition, str(addition.pk))


def _names(event: Event, what: str) -> bool:
    """Whether the object's metadata names one of ours, as we wrote it there."""
    metadata = event.data["object"].get("metadata")
    return isinstance(metadata, dict) and what in metadata


def _note(about: StripeNotice.About, event: Event, *, recorded: bool = True) -> None:
    services.request_sync(about, _object_id(event))
    if recorded:
        changed = [(about, _object_id(event))]
        if about != StripeNotice.About.INTENT and (intent := _intent_id(event)):
            # The charge also says how much of it was refunded or is disputed.
            changed.append((StripeNotice.About.INTENT, intent))
        services.note_change(*changed)
    enqueue(tasks.sync_object, _object_id(event))


def _object_id(event: Event) -> str:
    return str(event.data["object"]["id"])


def _intent_id(event: Event) -> str | None:
    """Return the intent id of a refund's or dispute's payment; Stripe expands the intent on request."""
    return gateway.stripe_id(event.data["object"].get("payment_intent"))


# By the kind of object an event is about.
RECEIVERS = {
    "payment_intent": on_payment_event,
    "refund": on_refund_event,
    "charge.dispute": on_dispute_event,
}
