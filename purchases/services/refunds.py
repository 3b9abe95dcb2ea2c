"""Refunds of whole purchases before the entries are frozen; of the rest, if some money went back another way."""

import logging
from collections.abc import Collection
from time import monotonic
from uuid import UUID

from django.db.models import F, Prefetch, Q
from django.db.models.functions import Now

from accounts.alerts import alert_finance
from accounts.notifications import notify
from luxewin.audit.services import Actor, record, record_all
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import EventType
from purchases import gateway
from purchases.errors import NotRefundable, ProviderFailed, ProviderRefused
from purchases.models import Payment, Purchase, Refund
from purchases.reasons import for_mails, of_cancelling
from purchases.services.flags import add_evidence, add_flag
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.stripe_sync import About, note_change
from purchases.services.transitions import record_refund, refund_facts, request_again
from raffles.models import Raffle

log = logging.getLogger(__name__)
BATCH = 200
BUDGET_SECONDS = 45  # shorter than the sweep's claim on the raffle
ASKED_FOR = (Refund.Status.REQUESTED, Refund.Status.WAITING)
NOTHING_LEFT = "The money went back by another way: a lost dispute, or refunds made at Stripe by hand."
NO_PAYMENT = "paid by card, but no payment is known that could be refunded"


def request_refund(purchase_id: UUID, *, reason: str, actor: Actor | None = None) -> Refund:
    """Take a paid purchase out of its raffle and start its refund; return the existing refund if there is one.

    Its numbers are not given to anybody else, and it still counts towards the person's limit. Raises NotRefundable if
    it is not paid by card or the entries are frozen.
    """
    with atomic_with_lock_timeout():
        purchase = _lock_before_freeze(purchase_id)
        existing = Refund.objects.filter(payment__purchase=purchase).first()
        if existing and purchase.status in {Purchase.Status.REFUNDING, Purchase.Status.REFUNDED}:
            return existing
        payment = purchase.payments.filter(status=Payment.Status.SUCCEEDED, refund=None).first()
        if purchase.status != Purchase.Status.PAID or payment is None:
            raise NotRefundable(f"Only a purchase paid by card can be refunded. This one is {purchase.status}.")
        return open_refund(purchase, payment, reason=reason, actor=actor)


def void_purchase(purchase_id: UUID, *, reason: str, actor: Actor | None = None) -> Purchase:
    """Take a purchase out of its raffle when we have no money to send back.

    That is a free entry, one whose dispute we lost, or one that was refunded by hand at Stripe. Raises NotRefundable if
    it is not paid, if its money is still with us, or if the entries are frozen.
    """
    with atomic_with_lock_timeout():
        purchase = _lock_before_freeze(purchase_id)
        payments = list(purchase.payments.filter(_of_its_tickets(purchase), status=Payment.Status.SUCCEEDED))
        possible = purchase.status == Purchase.Status.PAID or _is_stuck(purchase)
        if not possible or _money_stays(purchase, payments):
            raise NotRefundable(
                "Only a free entry, or a purchase whose money has gone back by a lost dispute or a refund made in "
                f"Stripe, can be withdrawn without refund. This one is {purchase.status}."
            )
        for refund in Refund.objects.filter(payment__in=payments, status__in=Refund.UNSENT):
            _close(refund, "The purchase is void.", actor)
        _void(purchase, reason, actor)
    return purchase


def _is_stuck(purchase: Purchase) -> bool:
    """Whether none of its refunds is under way: Stripe refuses them, or a dispute holds them up."""
    refunds = Refund.objects.filter(payment__purchase=purchase)
    return purchase.status == Purchase.Status.REFUNDING and not refunds.filter(status__in=Refund.OPEN).exists()


def _of_its_tickets(purchase: Purchase) -> Q:
    """Filter the payments that paid for the purchase's tickets, leaving out payments refunded separately."""
    return Q(refund=None) if purchase.status == Purchase.Status.PAID else ~Q(refund__status__in=Refund.DONE)


def _money_stays(purchase: Purchase, payments: Collection[Payment]) -> bool:
    """Whether some of a purchase's money is still with us. Cost: a query per payment if it was disputed."""
    if purchase.route == Purchase.Route.POSTAL:
        return False
    return not payments or any(_left(purchase, each) > 0 for each in payments)


def _left(purchase: Purchase, payment: Payment) -> int:
    """Return a payment's amount less lost disputes and known refunds by hand. Cost: a query if it was disputed.

    A lost dispute in another currency counts as all of it, as for Stripe's side in `gateway.refundable`.
    """
    evidence = purchase.review_evidence or {}
    # Refunds noted before their payment was kept with them count for each payment.
    of = evidence.get("refunded_payments", {})
    by_hand = sum(
        amount for key, amount in evidence.get("refunds", {}).items() if of.get(key) in {None, str(payment.pk)}
    )
    lost = list(payment.disputes.filter(status="lost")) if purchase.disputed_at else []
    of_disputes = sum(each.amount if each.currency == purchase.currency else purchase.amount for each in lost)
    return purchase.amount - by_hand - of_disputes


def _void(purchase: Purchase, reason: str, actor: Actor | None = None) -> None:
    before, purchase.status = purchase.status, Purchase.Status.VOID
    purchase.save(update_fields=["status"])
    after = {"status": purchase.status, "reason": reason}
    record("purchase.void", purchase, actor=actor, before={"status": before}, after=after)
    if purchase.route == Purchase.Route.POSTAL:
        context = {"raffle": purchase.raffle.title} | for_mails(reason, purchase.raffle)
        notify(purchase.buyer, "free_entry_void", about=purchase.pk, **context)


def _lock_before_freeze(purchase_id: UUID) -> Purchase:
    """Lock the raffle, then the purchase, so that no freeze comes between. Raises NotRefundable."""
    raffle_id = Purchase.objects.values_list("raffle_id", flat=True).get(pk=purchase_id)
    raffle = Raffle.objects.select_for_update(no_key=True).get(pk=raffle_id)
    purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
    if raffle.frozen_at and purchase.status == Purchase.Status.PAID:
        raise NotRefundable("The entries of this raffle are fixed. Nobody can leave its draw any more.")
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
    """Create the refund of a locked purchase's payment, in the caller's transaction. A sweep executes it.

    The purchase leaves its raffle, unless other money paid for its tickets (`leaves=False`). `amount` is what the
    payment brought, if that is not the purchase's amount.
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
    """Return what the audit keeps of a purchase whose refund starts."""
    return {"status": Purchase.Status.REFUNDING, "reason": reason, "payment": str(payment.pk)}


def execute_refund(refund_id: UUID) -> None:
    """Request the refund from Stripe, or its current status, and note the answer. Idempotent.

    Also for a refund that succeeded: a bank can return the money days later. Raises ProviderUnavailable; a sweep tries
    again.
    """
    refund = Refund.objects.select_related("payment__purchase").get(pk=refund_id)
    if refund.stripe_id is None and refund.status not in ASKED_FOR:
        return
    try:
        answer = gateway.retrieve_refund(refund.stripe_id) if refund.stripe_id else _ask_for(refund)
    except ProviderRefused as error:
        _refused(refund, error.detail)
        return
    if answer:
        _note(refund.pk, answer)


def _ask_for(refund: Refund) -> gateway.StripeRefund | None:
    """Request a refund that has no Stripe id yet; return Stripe's answer, or None if nothing can be requested now.

    After a failure of its own, Stripe repeats that answer for the key for a day. So the next try first looks whether
    the refund was made after all, and only if not uses another key. If it still turns up later, Stripe refuses the
    second, as each is of all the money left. Stripe is asked how much is left if some of it is gone by our books, or if
    Stripe refuses the refund.
    """
    payment = refund.payment
    if refund.spent_keys and (made := gateway.find_refund(refund, str(payment.intent_id))):
        return made
    taken = (payment.purchase.review_evidence or {}).get("refunds") or payment.purchase.disputed_at
    if not taken:
        try:
            return _create(refund)
        except ProviderRefused as error:
            log.warning("refund %s is refused, what is left is looked up: %s", refund.pk, error.detail)
    return _ask_for_the_rest(refund)


def _create(refund: Refund) -> gateway.StripeRefund:
    try:
        return gateway.create_refund(refund, str(refund.payment.intent_id))
    except ProviderFailed:
        # Only the first caller with this key counts it; the others wait for the same sweep.
        Refund.objects.filter(pk=refund.pk, spent_keys=refund.spent_keys).update(spent_keys=F("spent_keys") + 1)
        raise


def _ask_for_the_rest(refund: Refund) -> gateway.StripeRefund | None:
    """Request a refund of what Stripe says is left. Raises ProviderRefused if Stripe refuses that too."""
    intent_id = str(refund.payment.intent_id)
    if made := gateway.find_refund(refund, intent_id):
        return made
    rest = gateway.refundable(intent_id)
    if rest.is_disputed:
        _change_unsent(refund, status=Refund.Status.WAITING)
        return None
    if rest.left <= 0:
        # Unless our own refund took it just now.
        made = gateway.find_refund(refund, intent_id)
        if made is None:
            _nothing_left(refund)
        return made
    changed = _change_unsent(refund, status=Refund.Status.REQUESTED, amount=rest.left)
    return _create(changed) if changed else None


def _change_unsent(asked: Refund, *, status: Refund.Status, amount: int | None = None) -> Refund | None:
    """Set the refund's status and amount and return it; None if it has moved on since it was read.

    Another amount is another request, which needs its own key.
    """
    with atomic_with_lock_timeout():
        refund = Refund.objects.select_for_update(no_key=True, of=("self",)).select_related("payment").get(pk=asked.pk)
        if refund.status not in ASKED_FOR or refund.stripe_id or refund.attempt != asked.attempt:
            return None
        before, amount = refund.status, amount or refund.amount
        if (before, refund.amount) == (status, amount):
            return refund
        if refund.amount != amount:
            refund.amount, refund.spent_keys = amount, refund.spent_keys + 1
        refund.status = status
        refund.save(update_fields=["status", "amount", "spent_keys", "updated_at"])
        record_refund(refund, before=before)
    return refund


def _nothing_left(asked: Refund) -> None:
    """Close a refund whose money is gone: by a lost dispute, or by refunds made by hand at Stripe."""
    with atomic_with_lock_timeout():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=asked.payment.purchase_id)
        refund = Refund.objects.select_for_update(no_key=True).get(pk=asked.pk)
        if refund.status in ASKED_FOR and refund.stripe_id is None and refund.attempt == asked.attempt:
            _close(refund, NOTHING_LEFT)
            _end_refunding(purchase, NOTHING_LEFT)


def _close(refund: Refund, why: str, actor: Actor | None = None) -> None:
    """Close a refund of a locked purchase that there is no money for."""
    before, refund.status, refund.error, refund.claimed_until = refund.status, Refund.Status.CLOSED, why[:200], None
    refund.save(update_fields=["status", "error", "claimed_until", "updated_at"])
    record_refund(refund, before=before, actor=actor)


def _end_refunding(purchase: Purchase, reason: str) -> None:
    """End a locked purchase once all its refunds are done: refunded, or void if we sent nothing back."""
    refunds = Refund.objects.filter(payment__purchase=purchase)
    if purchase.status != Purchase.Status.REFUNDING or refunds.exclude(status__in=Refund.DONE).exists():
        return
    if refunds.filter(status=Refund.Status.SUCCEEDED).exists():
        Purchase.objects.filter(pk=purchase.pk).update(status=Purchase.Status.REFUNDED)
        record("purchase.refunded", purchase, before={"status": "refunding"}, after={"status": "refunded"})
    else:
        _void(purchase, reason)


def _refused(asked: Refund, why: str) -> None:
    """Mark a refund that Stripe refused as failed, for finance to review."""
    with atomic_with_lock_timeout():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=asked.payment.purchase_id)
        refund = Refund.objects.select_for_update(no_key=True).get(pk=asked.pk)
        if refund.status in {*Refund.OPEN, *ASKED_FOR} and refund.attempt == asked.attempt:
            before, refund.status, refund.error = refund.status, Refund.Status.FAILED, why[:200]
            refund.save(update_fields=["status", "error", "updated_at"])
            record_refund(refund, before=before)
            _came_back(purchase, refund)


def note_refund(stripe_id: str) -> None:
    """Update our books to what Stripe says of a refund now. Idempotent.

    A refund made by hand at Stripe is flagged on its purchase. Raises ProviderUnavailable.
    """
    said = gateway.retrieve_refund(stripe_id)
    # Stripe may tell of a refund before its answer to us was stored, or when that answer was lost.
    ours = Q(stripe_id=said.id) | Q(stripe_id=None, pk=said.refund, attempt=said.attempt)
    refund = Refund.objects.filter(ours).first()
    if refund:
        _note(refund.pk, said)
    elif said.refund is None:
        payment = Payment.objects.filter(intent_id=said.intent_id).first() if said.intent_id else None
        if payment:
            _note_by_hand(payment, said)


def _note_by_hand(payment: Payment, said: gateway.StripeRefund) -> None:
    """Flag a purchase that was refunded by hand at Stripe, and close our own refund if nothing is left."""
    with atomic_with_lock_timeout():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=payment.purchase_id)
        of, what = {said.id: str(payment.pk)}, f"refund {said.id} of {said.amount} {said.currency}"
        if STATUSES[said.status] == Refund.Status.FAILED:
            if refunded_by_hand(purchase, said.id):
                failed = f"{what}, made by hand, failed"
                add_flag(purchase, failed, refunds={said.id: 0}, refunded_payments=of)
                if not money_came_back(purchase, payment, failed):
                    _alert(purchase, said.amount, failed, about=said.id)
            return
        add_flag(purchase, f"{what} was made by hand", refunds={said.id: said.amount}, refunded_payments=of)
        unsent = Refund.objects.filter(payment=payment, status__in=Refund.UNSENT).select_for_update(no_key=True).first()
        if unsent and _left(purchase, payment) <= 0:
            _close(unsent, NOTHING_LEFT)
            _end_refunding(purchase, NOTHING_LEFT)


def refunded_by_hand(purchase: Purchase, stripe_id: str) -> int:
    """Return how much this refund, made by hand at Stripe, took of a purchase's money, by what we know."""
    amount: int = (purchase.review_evidence or {}).get("refunds", {}).get(stripe_id, 0)
    return amount


def money_came_back(purchase: Purchase, payment: Payment, why: str) -> bool:
    """Have a refund that finance can request again, if a locked purchase's buyer has neither the money nor tickets.

    For money that had gone another way, and is with us again. Return whether there is such a refund now. Cost: three
    queries.
    """
    refund = Refund.objects.select_for_update(no_key=True).filter(payment=payment).first()
    left = _left(purchase, payment)
    if left <= 0 or (refund.status != Refund.Status.CLOSED if refund else purchase.status != Purchase.Status.VOID):
        return False
    before = refund.status if refund else None
    refund = refund or Refund(payment=payment, reason=why[:200])
    refund.status, refund.amount, refund.error = Refund.Status.FAILED, left, why[:200]
    refund.save()
    record_refund(refund, before=before)
    _came_back(purchase, refund)
    return True


STATUSES = {
    "pending": Refund.Status.PENDING,
    "requires_action": Refund.Status.PENDING,
    "succeeded": Refund.Status.SUCCEEDED,
    "failed": Refund.Status.FAILED,
    "canceled": Refund.Status.FAILED,
}
# A refund only moves forward along these: an older status that arrives late is ignored.
PROGRESS = (
    Refund.Status.REQUESTED,
    Refund.Status.WAITING,
    Refund.Status.PENDING,
    Refund.Status.SUCCEEDED,
    Refund.Status.FAILED,
    Refund.Status.CLOSED,
)


def _note(refund_id: UUID, answer: gateway.StripeRefund) -> None:
    """Apply Stripe's answer to a refund and to its purchase."""
    with atomic_with_lock_timeout():
        purchase_id = Refund.objects.values_list("payment__purchase", flat=True).get(pk=refund_id)
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        refund = Refund.objects.select_for_update(no_key=True).get(pk=refund_id)
        status = STATUSES[answer.status]
        if refund.stripe_id == answer.id and PROGRESS.index(status) <= PROGRESS.index(Refund.Status(refund.status)):
            return
        if refund.stripe_id not in {None, answer.id} or answer.attempt not in {None, refund.attempt}:
            return  # about an attempt that finance has replaced
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
    _end_refunding(purchase, refund.reason)
    context = {"raffle": purchase.raffle.title, "amount": refund.amount, "currency": purchase.currency}
    context |= for_mails(refund.reason, purchase.raffle)
    notify(purchase.buyer, "purchase_refunded", about=refund.pk, **context)
    names = {"purchase": purchase.pk, "raffle": purchase.raffle_id, "buyer": purchase.buyer_id, "refund": refund.pk}
    webhooks.emit(
        EventType.PURCHASE_REFUNDED, [(refund.pk, names | {"amount": refund.amount, "currency": purchase.currency})]
    )


def _came_back(purchase: Purchase, refund: Refund) -> None:
    log.error("refund %s of purchase %s failed: %s", refund.pk, purchase.pk, refund.error)
    status = purchase.status
    if status in {Purchase.Status.REFUNDED, Purchase.Status.VOID}:
        status = Purchase.Status.REFUNDING
        Purchase.objects.filter(pk=purchase.pk).update(status=status)
    after = {"status": status, "refund": str(refund.pk), "error": refund.error}
    record("purchase.refund_failed", purchase, before={"status": purchase.status}, after=after)
    # Tried again and failed again, it is news.
    _alert(purchase, refund.amount, refund.error, about=f"{refund.pk}:{refund.attempt}")


def _alert(purchase: Purchase, amount: int, why: str, *, about: str) -> None:
    facts = {"amount": amount, "currency": purchase.currency, "raffle": purchase.raffle.title}
    alert_finance("refund_failed", about=about, purchase=str(purchase.pk), reason=why, **facts)


def retry_refund(refund_id: UUID, *, actor: Actor | None = None) -> Refund:
    """Request a failed refund again, for example after the balance was topped up.

    Raises NotRefundable unless it failed.
    """
    with atomic_with_lock_timeout():
        refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
        if refund.status != Refund.Status.FAILED:
            raise NotRefundable(f"Only a failed refund can be tried again. This one is {refund.status}.")
        request_again(refund, actor=actor)
    return refund


def refund_raffle(raffle_id: UUID) -> int:
    """Start the refunds of a cancelled raffle, BATCH purchases per transaction; return how many.

    Resumable; stops after BUDGET_SECONDS, and a sweep continues with the rest. Cost of a batch: seven statements, and a
    few more for each purchase by the free route or in dispute. Raises Busy.
    """
    raffle = Raffle.objects.get(pk=raffle_id, status=Raffle.Status.CANCELLED)
    reason = of_cancelling(raffle)
    # Open checkouts end at once; if a buyer pays anyway, that money is refunded too.
    Purchase.objects.holding().filter(raffle=raffle).update(expires_at=Now())
    to_refund = Payment.objects.filter(status=Payment.Status.SUCCEEDED, refund=None)
    started, deadline = 0, monotonic() + BUDGET_SECONDS
    while monotonic() < deadline:
        with atomic_with_lock_timeout():
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
    """Take locked paid purchases out of their raffle: void, refunded, or put in review without a payment."""
    refunds: list[Refund] = []
    for purchase in batch:
        payments = purchase.payments.all()
        if not _money_stays(purchase, payments):
            _void(purchase, reason)
        elif payments:
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
    """Put a paid purchase without a refundable payment, which should not exist, in review, so that others go on."""
    log.error("purchase %s is paid, but no payment of it can be refunded", purchase.pk)
    purchase.status = Purchase.Status.REVIEW
    add_evidence(purchase, [NO_PAYMENT])
    purchase.save(update_fields=["status", "review_evidence"])
    after = {"status": purchase.status, "faults": [NO_PAYMENT]}
    record("purchase.review", purchase, before={"status": "paid"}, after=after)
