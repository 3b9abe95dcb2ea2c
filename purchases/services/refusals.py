"""Why the database refused to hold tickets, in words and numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import psycopg
from django.db import DatabaseError

from accounts.errors import AccountInactive, EmailNotVerified
from accounts.models import User
from luxewin.api.problems import Problem
from purchases import errors
from purchases.models import PersonTally
from purchases.services.skill import refuse_answer
from raffles.models import Raffle
from raffles.phases import Phase

# Stripe takes at most eight digits in one charge.
MAX_AMOUNT = 99_999_999
REFUSED, LOCK_NOT_AVAILABLE = "LW001", "55P03"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for what."""

    buyer: User
    raffle_id: UUID
    quantity: int
    answer: str | None


def refusal(error: DatabaseError, asked: Asked) -> Exception:
    """The Problem that an error of `hold_tickets` stands for; the error itself if it is none of ours."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return error
    if cause.sqlstate == LOCK_NOT_AVAILABLE:
        return errors.Busy("Try again in a second; nothing was held.")
    if cause.sqlstate != REFUSED:
        return error
    code = str(cause.diag.message_primary)
    if code in PERSONAL:
        return PERSONAL[code]()
    raffle = Raffle.objects.with_phase().select_related("counter").filter(pk=asked.raffle_id).first()
    if code == errors.RaffleNotFound.code or raffle is None:
        return errors.RaffleNotFound("There is no such raffle.")
    return ABOUT_THE_RAFFLE[code](raffle, asked)


def _wrong_answer(raffle: Raffle, asked: Asked) -> Exception:
    return refuse_answer(raffle, asked.buyer, asked.answer)


def _too_large(raffle: Raffle, asked: Asked) -> errors.AmountTooLarge:
    most = MAX_AMOUNT // raffle.ticket_price
    return errors.AmountTooLarge(f"One payment can carry {most} tickets of this raffle.", most=most)


def _limit_reached(raffle: Raffle, asked: Asked) -> errors.LimitReached:
    taken = PersonTally.objects.filter(raffle=raffle, user=asked.buyer).values_list("taken", flat=True).first() or 0
    limit = raffle.max_per_person
    text = f"You have {taken} of at most {limit} tickets, {asked.quantity} more would be too many."
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


def _not_available(raffle: Raffle, asked: Asked) -> Problem:
    return not_available(raffle, asked.quantity)


PERSONAL: dict[str, Callable[[], Problem]] = {
    AccountInactive.code: lambda: AccountInactive("This account is closed."),
    EmailNotVerified.code: lambda: EmailNotVerified("Open the link in the mail we sent you, then try again."),
}
ABOUT_THE_RAFFLE: dict[str, Callable[[Raffle, Asked], Exception]] = {
    errors.AmountTooLarge.code: _too_large,
    errors.WrongAnswer.code: _wrong_answer,
    errors.LimitReached.code: _limit_reached,
    "not_available": _not_available,
}
