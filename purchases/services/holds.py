"""Holding tickets and letting go: short transactions, no network inside, locks in one order, the hot row last."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey, KeyReused
from luxewin.api.problems import Problem
from luxewin.audit.services import record
from luxewin.ids import uuid7
from purchases import errors
from purchases.models import Payment, PersonTally, Purchase
from purchases.services.counters import count_release, lock_purchase, lower_tally
from purchases.services.skill import refuse_answer
from raffles.models import Raffle
from raffles.phases import Phase
from raffles.questions import normalised

FIELDS = (
    *("id", "entry_id", "raffle_id", "buyer_id", "route", "quantity", "amount", "currency", "status", "first_ticket"),
    *("idempotency_key", "request_digest", "expires_at", "created_at", "paid_at"),
)
COLUMNS = ", ".join(f"held.{name}" for name in FIELDS)
# One statement for all that a new purchase needs to know; migration 0004 defines the function. It is run through a
# cursor because every purchase comes through here, and the ORM takes longer to read a row than the server to make it.
HOLD = f"""
    SELECT {COLUMNS}, raffle.slug, raffle.title, customer.id, open.client_secret
    FROM hold_tickets(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) AS held
    JOIN raffles_raffle AS raffle ON raffle.id = held.raffle_id
    LEFT JOIN purchases_payment AS open
        ON open.purchase_id = held.id AND open.status = 'open' AND held.status = 'pending'
    LEFT JOIN djstripe_customer AS customer ON customer.subscriber_id = held.buyer_id AND customer.livemode = %s
"""  # noqa: S608 names of columns
# Stripe takes at most eight digits in one charge.
MAX_AMOUNT = 99_999_999
REFUSED, LOCK_NOT_AVAILABLE = "LW001", "55P03"


@dataclass(frozen=True, slots=True)
class Hold:
    """A purchase, and if it is new its first payment, which whoever held the tickets is to open."""

    purchase: Purchase
    payment: Payment | None
    #: The buyer's customer at Stripe, once there is one.
    customer: str | None


def hold_tickets(
    *, buyer: User, raffle_id: UUID, quantity: int, key: IdempotencyKey, answer: str | None = None
) -> Hold:
    """Holds tickets for HOLD_SECONDS as a pending purchase; the same key and request give the same purchase again.

    Raises RaffleNotFound, RaffleNotOpen, RaffleClosed, SoldOut, NotEnoughLeft, LimitReached, AmountTooLarge,
    WrongAnswer, InvalidInput without an answer where one is needed, KeyReused or Busy; then nothing is held. Cost: one
    statement, which locks the person's tally, the purchase and the raffle's counter, in that order.
    """
    payment = Payment()
    identifiers = (uuid7(), uuid4(), payment.id)
    words = None if answer is None else normalised(answer)
    hold = timedelta(seconds=settings.HOLD_SECONDS)
    asked = (*identifiers, raffle_id, buyer.id, quantity, key.value, key.digest, words, hold)
    try:
        with _savepoint():
            purchase, customer = _ask((*asked, settings.STRIPE_LIVE_MODE))
    except DatabaseError as error:
        # The same key in another request that committed first: that purchase is the answer. Its tickets may be what
        # fills the limit, so the limit can refuse before the key does.
        found = Purchase.objects.filter(buyer=buyer, idempotency_key=key.value).for_display().first()
        if found is None:
            raise _refusal(error, buyer, raffle_id, quantity, answer) from error
        purchase, customer = found, None
    if bytes(purchase.request_digest) != key.digest:
        raise KeyReused("This Idempotency-Key came with another request before. Use a new key for a new request.")
    purchase.buyer = buyer
    if purchase.pk != identifiers[0]:
        return Hold(purchase, None, customer)
    payment.purchase = purchase
    return Hold(purchase, payment, customer)


def _ask(asked: tuple[Any, ...]) -> tuple[Purchase, str | None]:
    with connection.cursor() as cursor:
        cursor.execute(HOLD, asked)
        *values, slug, title, customer, secret = cursor.fetchone()
    purchase = Purchase.from_db(connection.alias, FIELDS, values)
    purchase.raffle = Raffle.from_db(connection.alias, ["id", "slug", "title"], [purchase.raffle_id, slug, title])
    purchase.client_secret = secret
    return purchase, customer


def _savepoint() -> AbstractContextManager[Any]:
    """The statement is a transaction by itself; only a caller who is in one already needs it to stay usable."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _refusal(error: DatabaseError, buyer: User, raffle_id: UUID, quantity: int, answer: str | None) -> Exception:
    """Why the statement refused, in words and numbers; the error itself if it is none of ours."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error) or cause.sqlstate not in {REFUSED, LOCK_NOT_AVAILABLE}:
        return error
    code = cause.diag.message_primary
    if cause.sqlstate == LOCK_NOT_AVAILABLE:
        return errors.Busy("Try again in a second; nothing was held.")
    if code == errors.RaffleNotFound.code:
        return errors.RaffleNotFound("There is no such raffle.")
    raffle = Raffle.objects.with_phase().select_related("counter").get(pk=raffle_id)
    if code == errors.WrongAnswer.code:
        return refuse_answer(raffle, buyer, answer)
    if code == errors.AmountTooLarge.code:
        return _too_large(raffle)
    return (
        _limit_reached(raffle, buyer, quantity) if code == errors.LimitReached.code else not_available(raffle, quantity)
    )


def _too_large(raffle: Raffle) -> errors.AmountTooLarge:
    most = MAX_AMOUNT // raffle.ticket_price
    return errors.AmountTooLarge(f"One payment can carry {most} tickets of this raffle.", most=most)


def _limit_reached(raffle: Raffle, buyer: User, quantity: int) -> errors.LimitReached:
    taken = PersonTally.objects.filter(raffle=raffle, user=buyer).values_list("taken", flat=True).first() or 0
    limit = raffle.max_per_person
    text = f"You have {taken} of at most {limit} tickets, {quantity} more would be too many."
    return errors.LimitReached(text, limit=limit, taken=taken)


def not_available(raffle: Raffle, quantity: int) -> Problem:
    """Why the counter of a raffle (read with its phase and counter) has no room, in numbers."""
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
    """Gives the held tickets of a purchase that nobody can pay back to the sale; False if it is no such any more.

    Nobody can pay where no live payment has an intent: a client was never told the secret of one.
    """
    with transaction.atomic():
        purchase = lock_purchase(purchase_id)
        live = purchase.payments.filter(status__in=Payment.LIVE)
        live.filter(intent_id=None).update(status=Payment.Status.FAILED, calling_since=None, updated_at=Now())
        if purchase.status not in Purchase.HOLDING or live.exists():
            return False
        end_hold(purchase, Purchase.Status.EXPIRED)
    return True


def end_hold(purchase: Purchase, status: Purchase.Status) -> None:
    """Takes a locked purchase that holds tickets to `status` and its tickets back; in the caller's transaction."""
    before, purchase.status, purchase.claimed_until = purchase.status, status, None
    purchase.save(update_fields=["status", "claimed_until", "review_evidence"])
    lower_tally(purchase)
    record(f"purchase.{status}", purchase, before={"status": before}, after={"status": status})
    count_release(purchase.raffle_id, purchase.quantity)
