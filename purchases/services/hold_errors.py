"""Problems that say, in words and numbers, why the database refused to hold tickets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from django.db import DatabaseError
from django.utils.translation import ngettext

from accounts.eligibility import BARRIERS, barrier, eligibility_of
from accounts.errors import AccountInactive, EmailNotVerified, SessionEnded
from accounts.models import User
from luxewin.api.problems import Busy, Problem, moment
from luxewin.clock import database_now
from luxewin.database import LOCKED, outage
from purchases import errors
from purchases.models import PersonTally
from purchases.services.skill import no_answer, to_wait_for, too_many_answers
from purchases.services.spending import limit_reached
from raffles.errors import SalesStopped
from raffles.models import MAX_PRICE, Raffle
from raffles.phases import Phase
from raffles.sale_stops import running_stop, sales_stopped

# Of one payment; the database has the same.
MAX_AMOUNT = MAX_PRICE
REFUSED = "LW001"
HOLDER_ONCE = "purchase_holder_once"


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Who asked to hold how many tickets of which raffle."""

    buyer: User
    raffle_id: UUID
    quantity: int


def refusal(error: DatabaseError, asked: HoldRequest) -> Exception:
    """Return the Problem that an error of `hold_tickets` stands for; the error itself if it stands for none."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return error
    if outage(error) is LOCKED:
        return Busy("Too many people are buying at the moment. Try again in a second. No tickets were reserved.")
    if cause.diag.constraint_name == HOLDER_ONCE:
        return errors.HolderUsed("This raffle has a purchase with this holder. Make a new nonce for each purchase.")
    code = _code(cause)
    if code is None:
        return error
    if code in PERSONAL:
        return PERSONAL[code](str(cause.diag.message_detail))
    return _barred(code, asked.buyer) if code in BARRIERS else _about_the_raffle(code, asked)


def is_of_buyer(error: DatabaseError) -> bool:
    """Whether `hold_tickets` refused the buyer, for any request, even one sent again under the same key."""
    return isinstance(error.__cause__, psycopg.Error) and _code(error.__cause__) in OF_BUYER


def _code(cause: psycopg.Error) -> str | None:
    return str(cause.diag.message_primary) if cause.sqlstate == REFUSED else None


def _about_the_raffle(code: str, asked: HoldRequest) -> Exception:
    raffle = Raffle.objects.with_phase().select_related("counter").filter(pk=asked.raffle_id).first()
    if code == errors.RaffleNotFound.code or raffle is None:
        return errors.RaffleNotFound("There is no such raffle.")
    return ABOUT_THE_RAFFLE[code](raffle, asked)


def _barred(code: str, buyer: User) -> Problem:
    eligibility = eligibility_of(buyer.pk)
    if code not in eligibility.barriers:
        return Busy("You can buy now. Please try again. No tickets were reserved.")
    return barrier(eligibility, code)


def _spend_limit_reached(raffle: Raffle, asked: HoldRequest) -> errors.SpendLimitReached:
    return limit_reached(asked.buyer.pk, raffle.currency)


def _no_answer(raffle: Raffle, asked: HoldRequest) -> Problem:
    return no_answer(raffle)


def _too_large(raffle: Raffle, asked: HoldRequest) -> errors.AmountTooLarge:
    most = MAX_AMOUNT // raffle.ticket_price
    tickets = ngettext("%d ticket", "%d tickets", most) % most
    return errors.AmountTooLarge(f"You can buy at most {tickets} of this raffle in one payment.", most=most)


def _limit_reached(raffle: Raffle, asked: HoldRequest) -> errors.LimitReached:
    taken = PersonTally.objects.filter(raffle=raffle, user=asked.buyer).values_list("taken", flat=True).first() or 0
    limit = raffle.max_per_person
    most = ngettext("%d ticket", "%d tickets", limit) % limit
    text = f"You can buy at most {most}. You have {taken or 'none'} {'already' if taken else 'yet'}."
    return errors.LimitReached(text, limit=limit, taken=taken)


def not_available(raffle: Raffle, quantity: int) -> Problem:
    """Return why the raffle, read with its phase and counter, has no room for `quantity` tickets."""
    counter = raffle.counter
    if raffle.phase == Phase.UPCOMING:
        text = f"Tickets go on sale on {moment(raffle.opens_at)}."
        if raffle.opens_at <= database_now():
            text = "Tickets go on sale in a few minutes, once the rules of the draw are recorded for good."
        return errors.RaffleNotOpen(text, opens_at=raffle.opens_at)
    if counter.left == 0 and raffle.phase != Phase.CANCELLED:
        text = (
            "All tickets are sold."
            if counter.held == 0
            else "The last tickets are reserved. Some may become available again."
        )
        return errors.SoldOut(text, held=counter.held)
    if raffle.cancelled_at:
        text = f"This raffle was cancelled on {moment(raffle.cancelled_at)}. Everyone is refunded."
        return errors.RaffleClosed(text, phase=raffle.phase)
    if raffle.phase != Phase.OPEN or not counter.selling:
        return errors.RaffleClosed("The sale of this raffle has ended.", phase=raffle.phase)
    if counter.left >= quantity:
        return Busy("The sale has only just begun. Please send this again.")
    left = ngettext("%d ticket is left", "%d tickets are left", counter.left) % counter.left
    return errors.NotEnoughLeft(f"You asked for {quantity}, but only {left}.", left=counter.left)


def _too_many_lapsed_holds(until: str) -> errors.TooManyLapsedHolds:
    """Return the Problem; `until`, an ISO time, is when tickets can be held again."""
    at = datetime.fromisoformat(until)
    text = (
        f"Too many of your reservations ran out unpaid. You can reserve tickets again from {moment(at)}."
        " Please release tickets that you do not want to buy."
    )
    return to_wait_for(at, errors.TooManyLapsedHolds(text, try_again_at=at))


def _not_available(raffle: Raffle, asked: HoldRequest) -> Problem:
    return not_available(raffle, asked.quantity)


def _sales_stopped(raffle: Raffle, asked: HoldRequest) -> Problem:
    stop = running_stop()
    return sales_stopped(stop) if stop else Busy("Sales have just been resumed. Please send this again.")


# Their texts need nothing but the database's detail, if that.
PERSONAL: dict[str, Callable[[str], Problem]] = {
    AccountInactive.code: lambda _: AccountInactive("This account is closed."),
    SessionEnded.code: lambda _: SessionEnded("This session has ended. Please sign in again."),
    EmailNotVerified.code: lambda _: EmailNotVerified("Open the link in the e-mail that we sent you, then try again."),
    errors.TooManyAnswers.code: too_many_answers,
    errors.TooManyLapsedHolds.code: _too_many_lapsed_holds,
}
OF_BUYER = {AccountInactive.code, SessionEnded.code, EmailNotVerified.code, *BARRIERS}
ABOUT_THE_RAFFLE: dict[str, Callable[[Raffle, HoldRequest], Exception]] = {
    errors.AmountTooLarge.code: _too_large,
    "answer_missing": _no_answer,
    errors.LimitReached.code: _limit_reached,
    errors.SpendLimitReached.code: _spend_limit_reached,
    "not_available": _not_available,
    SalesStopped.code: _sales_stopped,
}
