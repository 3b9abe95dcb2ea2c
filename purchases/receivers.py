"""What purchases listen to: Stripe's events through dj-stripe, and raffles being cancelled.

Receivers run inside the transaction of the event: they enqueue, nothing else. So an event takes effect exactly if
dj-stripe stored it, and a failing one is answered with 500 and delivered again.
"""

from typing import Any

from djstripe import event_handlers
from djstripe.models import Event
from djstripe.signals import WEBHOOK_SIGNALS

from luxewin.tasks.queue import enqueue
from purchases import tasks
from purchases.gateway import EVENTS
from purchases.models import Payment, Refund
from raffles.signals import raffle_cancelled


def connect() -> None:
    """Called once, when the app is ready."""
    for name in EVENTS:
        # dj-stripe's own handlers call Stripe inside the transaction and may write older state over newer.
        WEBHOOK_SIGNALS[name].disconnect(event_handlers.handle_other_event)
        WEBHOOK_SIGNALS[name].connect(RECEIVERS[name.rpartition(".")[0]], dispatch_uid=f"purchases.{name}")
    raffle_cancelled.connect(on_raffle_cancelled, dispatch_uid="purchases.raffle_cancelled")


def on_payment_event(sender: type[Event], event: Event, **kwargs: Any) -> None:
    """Something happened to an intent: whatever it was, the books are brought to a fresh look at it."""
    ours = "payment" in (event.data["object"].get("metadata") or {})
    if ours or Payment.objects.filter(intent_id=_object_id(event)).exists():
        enqueue(tasks.settle_intent, _object_id(event))


def on_refund_event(sender: type[Event], event: Event, **kwargs: Any) -> None:
    """Something happened to a refund."""
    refund = Refund.objects.filter(stripe_id=_object_id(event)).values("id").first()
    if refund:
        enqueue(tasks.execute_refund, str(refund["id"]))


def on_dispute_event(sender: type[Event], event: Event, **kwargs: Any) -> None:
    """A cardholder disputes a payment, or the dispute goes on."""
    enqueue(tasks.note_dispute, _object_id(event))


def on_raffle_cancelled(sender: type[Any], raffle: Any, **kwargs: Any) -> None:
    """Everyone gets their money back."""
    enqueue(tasks.refund_raffle, str(raffle.pk))


def _object_id(event: Event) -> str:
    return str(event.data.get("object", {}).get("id", ""))


# By the kind of object an event is about.
RECEIVERS = {
    "payment_intent": on_payment_event,
    "refund": on_refund_event,
    "charge.dispute": on_dispute_event,
}
