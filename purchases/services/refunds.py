"""Refunds of whole purchases, before the entries are frozen."""

import logging
from time import monotonic
from uuid import UUID

from django.db.models import F, Prefetch, Q
from django.db.models.functions import Now

from accounts.notifications import notify
from luxewin.audit.services import Actor, record, record_all
from purchases import gateway
from purchases.errors import NotRefundable, ProviderFailed, ProviderRefused
from purchases.models import Dispute, Payment, Purchase, Refund
from purchases.reasons import for_mails, of_cancelling
from purchases.services.flags import add_evidence, flag_purchase
from purchases.services.locking import locking
from purchases.services.mirrors import About, note_change
from purchases.services.moves import record_refund, refund_facts
from raffles.models import Raffle

log = logging.getLogger(__name__)
BATCH = 200
BUDGET_SECONDS = 45  # shorter than the sweep's claim on the raffle
NO_PAYMENT = "paid by card, but no payment is known that could be refunded"


def request_refund(purchase_id: UUID, *, reason: str, actor: Actor | None = None) -> Refund:
    """Takes a paid purchase out of its raffle and starts its refund; returns the one there is if it was asked before.

    Its numbers are not given to anybody else, and it still counts for the person's limit. Raises NotRefundable if it is
    not paid by card or the entries are frozen.
    """
    with locking():
        purchase = _lock_before_freeze(purchase_id)
        existing = Refund.objects.filter(payment__purchase=purchase).first()
        if existing and purchase.status in {Purchase.Status.REFUNDING, Purchase.Status.REFUNDED}:
            return existing
        payment = purchase.payments.filter(status=Payment.Status.SUCCEEDED, refund=None).first()
        if purchase.status != Purchase.Status.PAID or payment is None:
            raise NotRefundable(f"Only a purchase paid by card can be refunded, this one is {purchase.status}.")
        return open_refund(purchase, payment, reason=reason, actor=actor)


def void_purchase(purchase_id: UUID, *, reason: str, actor: Actor | None = None) -> Purchase:
    """Takes a purchase out of its raffle where no money of ours is to go back.

    That is a free entry, one whose dispute we lost, or one whose money somebody sent back by hand at Stripe. Raises
    NotRefundable if it is not paid, if its money is still with us, or if the entries are frozen.
    """
    with locking():
        purchase = _lock_before_freeze(purchase_id)
        if not (purchase.status == Purchase.Status.PAID or _is_stuck(purchase)) or _money_stays(purchase):
            raise NotRefundable(
                "Only a free entry, or a purchase whose money is gone by a lost dispute or a refund made at Stripe, can"
                f" be voided; this is {purchase.status}."
            )
        _void(purchase, reason, actor)
    return purchase


def _is_stuck(purchase: Purchase) -> bool:
    """Stripe refuses its refunds, for example because the money went back by hand before."""
    refunds = Refund.objects.filter(payment__purchase=purchase)
    return purchase.status == Purchase.Status.REFUNDING and not refunds.exclude(status=Refund.Status.FAILED).exists()


def _money_stays(purchase: Purchase) -> bool:
    """Cost: one query if it was disputed."""
    by_hand = sum((purchase.review_evidence or {}).get("refunds", {}).values())
    return not (
        purchase.route == Purchase.Route.POSTAL
        or by_hand >= purchase.amount
        or (purchase.disputed_at and Dispute.objects.filter(payment__purchase=purchase, status="lost").exists())
    )


def _void(purchase: Purchase, reason: str, actor: Actor | None = None) -> None:
    before, purchase.status = purchase.status, Purchase.Status.VOID
    purchase.save(update_fields=["status"])
    after = {"status": purchase.status, "reason": reason}
    record("purchase.void", purchase, actor=actor, before={"status": before}, after=after)
    if purchase.route == Purchase.Route.POSTAL:
        context = {"raffle": purchase.raffle.title} | for_mails(reason, purchase.raffle)
        notify(purchase.buyer, "free_entry_void", about=purchase.pk, **context)


def _lock_before_freeze(purchase_id: UUID) -> Purchase:
    """The purchase, locked after its raffle, so that no freeze comes between. Raises NotRefundable."""
    raffle_id = Purchase.objects.values_list("raffle_id", flat=True).get(pk=purchase_id)
    raffle = Raffle.objects.select_for_update(no_key=True).get(pk=raffle_id)
    purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
    if raffle.frozen_at and purchase.status == Purchase.Status.PAID:
        raise NotRefundable("The entries of this raffle are frozen; nobody can leave its draw any more.")
    return purchase


def open_refund(
    purchase: Purchase,
    payment: Payment,
    *,
    reason: str,
    actor: Actor | None = None,
    leaves: bool = True,
    amount: int | None = None,
) -> Refund:
    """Writes the refund of a payment of a locked purchase, in the caller's transaction. A sweep executes it.

    With it the purchase leaves its raffle, unless the money was not what its tickets were paid with (`leaves`).
    `amount` is what came with the payment where that is not the purchase's.
    """
    before = purchase.status
    if leaves:
        purchase.status = Purchase.Status.REFUNDING
        purchase.save(update_fields=["status"])
    refund = Refund.objects.create(payment=payment, amount=amount or purchase.amount, reason=reason[:200])
    after = _leaving(payment, reason) | {"status": purchase.status}
    record("purchase.refunding", purchase, actor=actor, before={"status": before}, after=after)
    record_refund(refund, before=None, actor=actor)
    return refund


def _leaving(payment: Payment, reason: str) -> dict[str, str]:
    """What the audit keeps of a refund that is asked for."""
    return {"status": Purchase.Status.REFUNDING, "reason": reason, "payment": str(payment.pk)}


def execute_refund(refund_id: UUID) -> None:
    """Asks Stripe for the refund, or how it stands, and notes the answer. Idempotent.

    Also for a refund that had succeeded: a bank can send it back days later. Raises ProviderUnavailable; a sweep comes
    back to it.
    """
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if refund.stripe_id is None and refund.status not in Refund.OPEN:
        return
    try:
        answer = gateway.retrieve_refund(refund.stripe_id) if refund.stripe_id else _ask_for(refund)
    except ProviderRefused as error:
        _refused(refund, error.detail)
        return
    _note(refund.pk, answer)


def _ask_for(refund: Refund) -> gateway.StripeRefund:
    """Stripe's answer to the request for a refund that we know no id of.

    Where Stripe itself failed it repeats that answer for the key, for a day. Then the next try looks whether the refund
    was made nevertheless, and only if not asks under another key. Should it turn up still later, Stripe refuses the
    second: each is of all the money.
    """
    intent_id = str(refund.payment.intent_id)
    if refund.spent_keys and (made := gateway.find_refund(refund, intent_id)):
        return made
    try:
        return gateway.create_refund(refund, intent_id)
    except ProviderFailed:
        # By whoever is first: others of this key wait for the same sweep.
        Refund.objects.filter(pk=refund.pk, spent_keys=refund.spent_keys).update(spent_keys=F("spent_keys") + 1)
        raise
    except ProviderRefused:
        if made := gateway.find_refund(refund, intent_id):
            return made
        raise


def _refused(asked: Refund, why: str) -> None:
    """Stripe does not do it: finance has to look."""
    with locking():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=asked.payment.purchase_id)
        refund = Refund.objects.select_for_update(no_key=True).get(pk=asked.pk)
        if refund.status in Refund.OPEN and refund.attempt == asked.attempt:
            before, refund.status, refund.error = refund.status, Refund.Status.FAILED, why[:200]
            refund.save(update_fields=["status", "error", "updated_at"])
            record_refund(refund, before=before)
            _came_back(purchase, refund)


def note_refund(stripe_id: str) -> None:
    """Brings the books to what Stripe says of a refund now. Idempotent.

    One that somebody made at Stripe by hand is flagged on its purchase. Raises ProviderUnavailable.
    """
    said = gateway.retrieve_refund(stripe_id)
    # Stripe may tell of a refund before its answer to us was stored, or when that answer was lost.
    ours = Q(stripe_id=said.id) | Q(stripe_id=None, pk=said.refund, attempt=said.attempt)
    refund = Refund.objects.filter(ours).first()
    if refund:
        _note(refund.pk, said)
    elif said.refund is None and STATUSES[said.status] != Refund.Status.FAILED:
        payment = Payment.objects.filter(intent_id=said.intent_id).first() if said.intent_id else None
        if payment:
            fault = f"refund {said.id} of {said.amount} {said.currency} was made by hand"
            flag_purchase(payment.purchase_id, fault, refunds={said.id: said.amount})


STATUSES = {
    "pending": Refund.Status.PENDING,
    "requires_action": Refund.Status.PENDING,
    "succeeded": Refund.Status.SUCCEEDED,
    "failed": Refund.Status.FAILED,
    "canceled": Refund.Status.FAILED,
}
# A refund only ever moves on along these: what was said of it before comes late and counts no more.
PROGRESS = (Refund.Status.REQUESTED, Refund.Status.PENDING, Refund.Status.SUCCEEDED, Refund.Status.FAILED)


def _note(refund_id: UUID, answer: gateway.StripeRefund) -> None:
    """Follows Stripe's word on a refund, and takes the purchase along."""
    with locking():
        purchase_id = Refund.objects.values_list("payment__purchase", flat=True).get(pk=refund_id)
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        refund = Refund.objects.select_for_update(no_key=True).get(pk=refund_id)
        status = STATUSES[answer.status]
        if refund.stripe_id == answer.id and PROGRESS.index(status) <= PROGRESS.index(Refund.Status(refund.status)):
            return
        if refund.stripe_id not in {None, answer.id} or answer.attempt not in {None, refund.attempt}:
            return  # of an attempt that finance has replaced
        before = refund.status
        refund.status, refund.stripe_id, refund.error = status, answer.id, answer.failure
        refund.save(update_fields=["status", "stripe_id", "error", "updated_at"])
        record_refund(refund, before=before)
        note_change((About.REFUND, answer.id), (About.INTENT, str(refund.payment.intent_id)))
        if status == Refund.Status.SUCCEEDED:
            _went_back(purchase, refund)
        elif status == Refund.Status.FAILED:
            _came_back(purchase, refund)


def _went_back(purchase: Purchase, refund: Refund) -> None:
    others = Refund.objects.filter(payment__purchase=purchase).exclude(status=Refund.Status.SUCCEEDED)
    if purchase.status == Purchase.Status.REFUNDING and not others.exists():
        Purchase.objects.filter(pk=purchase.pk).update(status=Purchase.Status.REFUNDED)
        record("purchase.refunded", purchase, before={"status": "refunding"}, after={"status": "refunded"})
    context = {"raffle": purchase.raffle.title, "amount": refund.amount, "currency": purchase.currency}
    context |= for_mails(refund.reason, purchase.raffle)
    notify(purchase.buyer, "purchase_refunded", about=refund.pk, **context)


def _came_back(purchase: Purchase, refund: Refund) -> None:
    log.error("refund %s of purchase %s failed: %s", refund.pk, purchase.pk, refund.error)
    status = purchase.status
    if status == Purchase.Status.REFUNDED:
        status = Purchase.Status.REFUNDING
        Purchase.objects.filter(pk=purchase.pk).update(status=status)
    after = {"status": status, "refund": str(refund.pk), "error": refund.error}
    record("purchase.refund_failed", purchase, before={"status": purchase.status}, after=after)


def retry_refund(refund_id: UUID, *, actor: Actor | None = None) -> Refund:
    """Asks Stripe anew for a refund that failed, for example after the balance was topped up.

    Raises NotRefundable unless it failed.
    """
    with locking():
        refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
        if refund.status != Refund.Status.FAILED:
            raise NotRefundable(f"Only a failed refund can be tried again, this one is {refund.status}.")
        refund.status, refund.stripe_id, refund.error = Refund.Status.REQUESTED, None, ""
        refund.attempt, refund.claimed_until = refund.attempt + 1, None
        refund.save(update_fields=["status", "stripe_id", "error", "attempt", "claimed_until", "updated_at"])
        before = {"status": Refund.Status.FAILED, "attempt": refund.attempt - 1}
        record("refund.retried", refund, actor=actor, before=before, after=refund_facts(refund))
    return refund


def refund_raffle(raffle_id: UUID) -> int:
    """Starts the refunds of a cancelled raffle, BATCH purchases a transaction; returns how many.

    Resumable, and it stops by itself after BUDGET_SECONDS: a sweep goes on with the rest. Cost of a batch: seven
    statements, and a few more for each purchase by the free route or in dispute. Raises Busy.
    """
    raffle = Raffle.objects.get(pk=raffle_id, status=Raffle.Status.CANCELLED)
    reason = of_cancelling(raffle)
    # Whoever is still in the checkout is let go at once; if they pay all the same, that money goes back too.
    Purchase.objects.holding().filter(raffle=raffle).update(expires_at=Now())
    to_refund = Payment.objects.filter(status=Payment.Status.SUCCEEDED, refund=None)
    started, deadline = 0, monotonic() + BUDGET_SECONDS
    while monotonic() < deadline:
        with locking():
            # In one order, so that two batches never wait for each other.
            paid = Purchase.objects.paid().filter(raffle=raffle).order_by("pk")
            locked = paid.select_for_update(no_key=True, of=("self",))[:BATCH]
            batch = list(locked.prefetch_related(Prefetch("payments", to_refund)))
            for purchase in batch:
                purchase.raffle = raffle
            _leave_together(batch, reason)
        started += len(batch)
        if not batch:
            break
    return started


def _leave_together(batch: list[Purchase], reason: str) -> None:
    """Takes these paid purchases, which are locked, out of their raffle, each by its way."""
    refunds: list[Refund] = []
    for purchase in batch:
        if not _money_stays(purchase):
            _void(purchase, reason)
        elif payments := purchase.payments.all():
            refunds.append(Refund(payment=payments[0], amount=purchase.amount, reason=reason[:200]))
            payments[0].purchase = purchase
        else:
            _lacks_payment(purchase)
    leaving = [refund.payment.purchase for refund in refunds]
    Purchase.objects.filter(pk__in=[purchase.pk for purchase in leaving]).update(status=Purchase.Status.REFUNDING)
    Refund.objects.bulk_create(refunds)
    changes = [(refund.payment.purchase, _leaving(refund.payment, reason)) for refund in refunds]
    record_all("purchase.refunding", changes, before={"status": Purchase.Status.PAID})
    record_all("refund.requested", [(refund, refund_facts(refund)) for refund in refunds])


def _lacks_payment(purchase: Purchase) -> None:
    """It should not exist, and it must not keep the others from their money."""
    log.error("purchase %s is paid, but no payment of it can be refunded", purchase.pk)
    purchase.status = Purchase.Status.REVIEW
    add_evidence(purchase, [NO_PAYMENT])
    purchase.save(update_fields=["status", "review_evidence"])
    after = {"status": purchase.status, "faults": [NO_PAYMENT]}
    record("purchase.review", purchase, before={"status": "paid"}, after=after)
