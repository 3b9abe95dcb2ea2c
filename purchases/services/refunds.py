"""Refunds of whole purchases, before the entries are frozen."""

import logging
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.notifications import notify
from luxewin.audit.services import Actor, record
from luxewin.tasks.queue import enqueue
from purchases import gateway
from purchases.errors import NotRefundable, ProviderRefused
from purchases.models import Payment, Purchase, Refund
from raffles.models import Raffle

log = logging.getLogger(__name__)
BATCH = 200


def request_refund(purchase_id: UUID, *, reason: str, actor: Actor | None = None) -> Refund:
    """Takes a paid purchase out of its raffle and starts its refund; returns the one there is if it was asked before.

    Its numbers are not given to anybody else, and it still counts for the person's limit. Raises NotRefundable if it is
    not paid or the entries are frozen.
    """
    with transaction.atomic():
        raffle_id = Purchase.objects.values_list("raffle_id", flat=True).get(pk=purchase_id)
        raffle = Raffle.objects.select_for_update(no_key=True).get(pk=raffle_id)
        purchase = Purchase.objects.select_for_update(no_key=True, of=("self",)).get(pk=purchase_id)
        existing = Refund.objects.filter(purchase=purchase).first()
        if existing:
            return existing
        if raffle.frozen_at:
            raise NotRefundable("The entries of this raffle are frozen; nobody can leave its draw any more.")
        if purchase.status != Purchase.Status.PAID:
            raise NotRefundable(f"Only a paid purchase can be refunded, this one is {purchase.status}.")
        return open_refund(purchase, reason=reason, actor=actor)


def open_refund(purchase: Purchase, *, reason: str, actor: Actor | None = None) -> Refund:
    """Writes the refund of a locked purchase whose money we have, in the caller's transaction. A sweep executes it."""
    before, purchase.status = purchase.status, Purchase.Status.REFUNDING
    purchase.save(update_fields=["status"])
    refund = Refund.objects.create(purchase=purchase, amount=purchase.amount, reason=reason[:200])
    after = {"status": purchase.status, "reason": reason}
    record("purchase.refunding", purchase, actor=actor, before={"status": before}, after=after)
    return refund


def execute_refund(refund_id: UUID) -> None:
    """Asks Stripe for the refund, or how it stands, and notes the answer. Idempotent.

    Raises ProviderUnavailable; a sweep comes back to it.
    """
    refund = Refund.objects.select_related("purchase__buyer", "purchase__raffle").get(pk=refund_id)
    if refund.status not in Refund.OPEN:
        return
    payment = Payment.objects.get(purchase=refund.purchase)
    try:
        if refund.stripe_id:
            stripe_id, status = refund.stripe_id, gateway.retrieve_refund(refund.stripe_id)
        else:
            stripe_id, status = gateway.create_refund(refund, payment.intent_id or "")
    except ProviderRefused as error:
        log.error("Stripe refuses refund %s: %s", refund.pk, error.detail)  # noqa: TRY400
        Refund.objects.filter(pk=refund.pk).update(
            status=Refund.Status.FAILED, error=error.detail[:200], updated_at=Now()
        )
        return
    _note(refund, stripe_id, status)


def _note(refund: Refund, stripe_id: str, status: str) -> None:
    ours = {"succeeded": Refund.Status.SUCCEEDED, "failed": Refund.Status.FAILED, "canceled": Refund.Status.FAILED}
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund.purchase_id)
        fresh = Refund.objects.filter(pk=refund.pk, status__in=Refund.OPEN)
        new = ours.get(status, Refund.Status.PENDING)
        if not fresh.update(status=new, stripe_id=stripe_id, updated_at=Now()):
            return
        enqueue(gateway.mirror_refund, stripe_id)
        if new == Refund.Status.SUCCEEDED:
            Purchase.objects.filter(pk=purchase.pk).update(status=Purchase.Status.REFUNDED)
            record("purchase.refunded", purchase, before={"status": purchase.status}, after={"status": "refunded"})
            context = {"raffle": refund.purchase.raffle.title, "reason": refund.reason}
            notify(refund.purchase.buyer, "purchase_refunded", about=purchase.pk, **context)


def refund_raffle(raffle_id: UUID) -> int:
    """Starts the refunds of a cancelled raffle, BATCH purchases a transaction; returns how many. Resumable."""
    raffle = Raffle.objects.get(pk=raffle_id, status=Raffle.Status.CANCELLED)
    # Whoever is still in the checkout is let go at once; if they pay all the same, that money goes back too.
    Purchase.objects.pending().filter(raffle=raffle).update(expires_at=Now())
    started = 0
    while True:
        with transaction.atomic():
            paid = Purchase.objects.paid().filter(raffle=raffle).select_for_update(no_key=True, of=("self",))[:BATCH]
            count = len(
                [open_refund(purchase, reason=raffle.cancel_reason or "The raffle was cancelled.") for purchase in paid]
            )
        started += count
        if not count:
            return started
