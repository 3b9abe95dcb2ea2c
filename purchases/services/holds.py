"""Holding tickets and letting go: short transactions, no network inside, locks in one order, the hot row last."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey, KeyReused
from luxewin.audit.services import record
from purchases import errors
from purchases.models import Payment, PersonTally, Purchase
from purchases.services.counters import count_hold, count_release, lock_tally, lower_tally, raise_tally
from raffles.models import Raffle
from raffles.phases import Phase

# Stripe takes at most eight digits in one charge.
MAX_AMOUNT = 99_999_999
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '3s'"


def hold_tickets(*, buyer: User, raffle_id: UUID, quantity: int, key: IdempotencyKey) -> Purchase:
    """Holds tickets for HOLD_SECONDS and returns the pending purchase; the same key and request return the same one.

    Raises RaffleNotFound, RaffleNotOpen, RaffleClosed, SoldOut, NotEnoughLeft, LimitReached, AmountTooLarge, KeyReused
    or Busy; then nothing is written. Locks: the person's tally, the purchase, the raffle's counter, in that order.
    Cost: seven statements.
    """
    if replayed := _find(buyer, key):
        return replayed
    raffle = Raffle.objects.public().filter(pk=raffle_id).first()
    if raffle is None:
        raise errors.RaffleNotFound("There is no such raffle.")
    amount = raffle.ticket_price * quantity
    if amount > MAX_AMOUNT:
        most = MAX_AMOUNT // raffle.ticket_price
        raise errors.AmountTooLarge(f"One payment can carry {most} tickets of this raffle.", most=most)
    try:
        with transaction.atomic():
            return _hold(raffle, buyer, quantity, amount, key)
    except (IntegrityError, errors.LimitReached):
        # The same key in another request that committed first: that purchase is the answer. Its tickets may be what
        # fills the limit, so the limit can refuse before the key does.
        if replayed := _find(buyer, key):
            return replayed
        raise
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == "55P03":  # lock_not_available
            raise errors.Busy("Try again in a second; nothing was held.") from error
        raise


def _hold(raffle: Raffle, buyer: User, quantity: int, amount: int, key: IdempotencyKey) -> Purchase:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_TIMEOUT)
    if not raise_tally(raffle, buyer.id, quantity):
        raise _limit_reached(raffle, buyer, quantity)
    purchase = Purchase(
        raffle=raffle,
        buyer=buyer,
        quantity=quantity,
        amount=amount,
        currency=raffle.currency,
        idempotency_key=key.value,
        request_digest=key.digest,
        expires_at=timezone.now() + timedelta(seconds=settings.HOLD_SECONDS),
    )
    purchase.save(force_insert=True)
    Payment(purchase=purchase).save(force_insert=True)
    if not count_hold(raffle.pk, quantity):
        raise _refusal(raffle.pk, quantity)
    return purchase


def _find(buyer: User, key: IdempotencyKey) -> Purchase | None:
    purchase = Purchase.objects.for_display().filter(buyer=buyer, idempotency_key=key.value).first()
    if purchase and bytes(purchase.request_digest) != key.digest:
        raise KeyReused("This Idempotency-Key came with another request before. Use a new key for a new request.")
    return purchase


def _limit_reached(raffle: Raffle, buyer: User, quantity: int) -> errors.LimitReached:
    taken = PersonTally.objects.filter(raffle=raffle, user=buyer).values_list("taken", flat=True).first() or 0
    limit = raffle.max_per_person
    text = f"You have {taken} of at most {limit} tickets, {quantity} more would be too many."
    return errors.LimitReached(text, limit=limit, taken=taken)


def _refusal(raffle_id: UUID, quantity: int) -> Exception:
    """Why the counter refused, in numbers."""
    raffle = Raffle.objects.with_phase().select_related("counter").get(pk=raffle_id)
    counter = raffle.counter
    if raffle.phase == Phase.UPCOMING:
        return errors.RaffleNotOpen(f"The sale begins at {raffle.opens_at.isoformat()}.", opens_at=raffle.opens_at)
    if counter.left == 0 and raffle.phase != Phase.CANCELLED:
        text = (
            "Every ticket is sold."
            if counter.held == 0
            else "The last tickets are in somebody's checkout; some may come free."
        )
        return errors.SoldOut(text, held=counter.held)
    if raffle.phase != Phase.OPEN or not counter.selling:
        return errors.RaffleClosed("The sale of this raffle is over.", phase=raffle.phase)
    return errors.NotEnoughLeft(f"You asked for {quantity}, {counter.left} are left.", left=counter.left)


def release_hold(purchase_id: UUID) -> bool:
    """Gives the tickets of a pending purchase without an intent back to the sale; False if it is no such any more."""
    with transaction.atomic():
        lock_tally(Purchase.objects.get(pk=purchase_id))
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        has_intent = Payment.objects.filter(purchase=purchase).exclude(intent_id=None).exists()
        if purchase.status != Purchase.Status.PENDING or has_intent:
            return False
        end_hold(purchase, Purchase.Status.EXPIRED)
    return True


def end_hold(purchase: Purchase, status: Purchase.Status) -> None:
    """Takes a locked pending purchase to `status` and its tickets back; in the caller's transaction, tally locked."""
    before, purchase.status, purchase.claimed_until = purchase.status, status, None
    purchase.save(update_fields=["status", "claimed_until", "review_evidence"])
    lower_tally(purchase)
    record(f"purchase.{status}", purchase, before={"status": before}, after={"status": status})
    count_release(purchase.raffle_id, purchase.quantity)
