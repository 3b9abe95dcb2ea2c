"""Holds and their release: short transactions without network calls; locks in one order, the hot row last."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey, KeyReused
from luxewin.api.requests import current_request
from luxewin.audit.services import Actor, record
from luxewin.ids import uuid7
from purchases.errors import NotHeld
from purchases.holders import holder_of
from purchases.models import Payment, Purchase
from purchases.services.counters import count_release, lock_purchase, lower_tally
from purchases.services.hold_errors import HoldRequest, is_of_buyer, refusal
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.skill import wrong_answer
from purchases.services.transitions import move_payment
from raffles.models import Raffle
from raffles.questions import normalised

FIELDS = (
    "id",
    "entry_id",
    "holder",
    "nonce",
    "raffle_id",
    "buyer_id",
    "route",
    "quantity",
    "amount",
    "currency",
    "status",
    "first_ticket",
    "idempotency_key",
    "request_digest",
    "expires_at",
    "created_at",
    "paid_at",
)
# One statement does all that a new purchase needs, its audit row too; purchases/sql/hold_tickets.sql has it. It runs
# through a cursor because every purchase comes through here, and the ORM takes longer to read a row than the server to
# make it.
HOLD = "SELECT * FROM hold_tickets(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
# A status that it returns and no purchase has: the answer to the skill question was wrong, and the attempt is kept.
WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Hold:
    """A purchase, and if it is new its first payment, which the caller must open."""

    purchase: Purchase
    payment: Payment | None
    #: The buyer's customer at Stripe, once there is one.
    customer: str | None


def hold_tickets(
    *,
    buyer: User,
    raffle_id: UUID,
    quantity: int,
    key: IdempotencyKey,
    answer: str | None = None,
    session: UUID | None = None,
    holder: bytes | None = None,
) -> Hold:
    """Hold tickets for HOLD_SECONDS as a pending purchase; the same key and request return the same purchase.

    An unpaid purchase is returned only to a buyer who may still buy.

    `session` is the buyer's session, if any. `holder` is what the buyer's device made; without it the server makes one
    with a nonce, and a repetition returns the first one. Raises AccountInactive, SessionEnded, EmailNotVerified,
    the barriers of `accounts.eligibility`, SalesStopped, SpendLimitReached, RaffleNotFound, RaffleNotOpen,
    RaffleClosed, SoldOut, NotEnoughLeft, LimitReached, HolderUsed, AmountTooLarge, WrongAnswer, TooManyAnswers,
    TooManyLapsedHolds, InvalidInput without an answer where one is needed, KeyReused or Busy; then nothing is held.
    Cost: one statement, which locks the person, their spend limits if there are any, their tally, the purchase and the
    raffle's counter, in that order.
    """
    payment = Payment()
    identifiers = (uuid7(), uuid4(), payment.id)
    words = None if answer is None else normalised(answer)
    hold = timedelta(seconds=settings.HOLD_SECONDS)
    asked = (*identifiers, *holder_of(holder), raffle_id, buyer.id, quantity, key.value, key.digest, words, hold)
    try:
        with _savepoint():
            purchase, customer = _ask((*asked, settings.STRIPE_LIVE_MODE, session, settings.MINIMUM_AGE))
    except DatabaseError as error:
        # Another request with the same key committed first: its purchase is the answer. Its tickets may have filled
        # the limit, so the limit can refuse before the key does.
        found = Purchase.objects.filter(buyer=buyer, idempotency_key=key.value).for_display().first()
        if found is None or is_of_buyer(error):
            refused = refusal(error, HoldRequest(buyer, raffle_id, quantity))
            if refused is error:
                raise
            raise refused from error
        purchase, customer = found, None
    if purchase.status == WRONG:
        raise wrong_answer(Raffle.objects.only("question").get(pk=raffle_id))
    if bytes(purchase.request_digest) != key.digest:
        raise KeyReused("This Idempotency-Key was already used for another request. Use a new key for a new request.")
    purchase.buyer = buyer
    if purchase.pk != identifiers[0]:
        return Hold(purchase, None, None)
    payment.purchase = purchase
    return Hold(purchase, payment, customer)


def _ask(asked: tuple[Any, ...]) -> tuple[Purchase, str | None]:
    request = current_request()
    with connection.cursor() as cursor:
        cursor.execute(HOLD, (*asked, request.address, request.request_id))
        *values, slug, title, customer, secret = cursor.fetchone()
    purchase = Purchase.from_db(connection.alias, FIELDS, values)
    purchase.raffle = Raffle.from_db(connection.alias, ["id", "slug", "title"], [purchase.raffle_id, slug, title])
    purchase.client_secret = secret
    return purchase, customer


def _savepoint() -> AbstractContextManager[Any]:
    """Return a savepoint in a transaction, so that it stays usable after an error; else the statement needs none."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def release_hold(purchase_id: UUID) -> bool:
    """Put the held tickets of a purchase that nobody can pay back on sale; False if it can be paid or has ended.

    Nobody can pay while no live payment has an intent: no client was ever told an intent's secret.
    """
    with atomic_with_lock_timeout():
        purchase = lock_purchase(purchase_id)
        live = purchase.payments.filter(status__in=Payment.LIVE)
        for payment in live.filter(intent_id=None).select_for_update(no_key=True):
            move_payment(payment, Payment.Status.FAILED, calling_since=None)
        if purchase.status not in Purchase.HOLDING or live.exists():
            return False
        end_hold(purchase, Purchase.Status.EXPIRED)
    return True


def let_go(purchase_id: UUID, *, actor: Actor | None = None) -> None:
    """Make a hold overdue for its buyer; the caller expires it. Raises NotHeld unless the purchase waits for payment.

    Idempotent.
    """
    with atomic_with_lock_timeout():
        purchase = lock_purchase(purchase_id)
        if purchase.status == Purchase.Status.EXPIRED:
            return
        if purchase.status != Purchase.Status.PENDING:
            raise NotHeld(f"Only reserved tickets that are not paid yet can be released; these are {purchase.status}.")
        if Purchase.objects.filter(pk=purchase.pk, expires_at__gt=Now()).update(expires_at=Now()):
            record("purchase.checkout_ended", purchase, actor=actor, after={"because": "let_go"})


def end_hold(purchase: Purchase, status: Purchase.Status) -> None:
    """Move a locked purchase to `status` and put its held tickets back on sale, in the caller's transaction."""
    if (purchase.status, status) == (Purchase.Status.PENDING, Purchase.Status.EXPIRED):
        _note_lapse(purchase)
    before, purchase.status, purchase.claimed_until = purchase.status, status, None
    purchase.save(update_fields=["status", "claimed_until", "review_evidence"])
    lower_tally(purchase)
    record(f"purchase.{status}", purchase, before={"status": before}, after={"status": status})
    count_release(purchase.raffle_id, purchase.quantity)


def _note_lapse(purchase: Purchase) -> None:
    """Note as lapsed a hold that kept tickets from others for at least half its time, while it could have been paid.

    A hold that ended with its raffle, was never payable, or whose payment is under way, is no lapse.
    """
    half = timedelta(seconds=settings.HOLD_SECONDS) / 2
    payable = Exists(Payment.objects.filter(purchase=OuterRef("pk")).exclude(intent_id=None))
    paid = Exists(Payment.objects.filter(purchase=OuterRef("pk"), status__in=["processing", "succeeded"]))
    held = Purchase.objects.overdue().filter(payable, ~paid, pk=purchase.pk, expires_at__gte=F("created_at") + half)
    held.filter(raffle__status=Raffle.Status.PUBLISHED).update(lapsed_at=Now())
