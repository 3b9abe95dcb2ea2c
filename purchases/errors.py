"""Problems that purchases answer with, and what to do next."""

from accounts.errors import SpendLimitReached
from luxewin.api.json_schemas import INTEGER, TEXT, TEXT_OR_NULL, TIME
from luxewin.api.problems import Problem, Unavailable
from raffles.errors import SalesStopped

# Accounts show it too; purchases raise it.
__all__ = ["SpendLimitReached"]


class RaffleNotFound(Problem):
    """The raffle does not exist or is not published."""

    status = 404
    code = "raffle_not_found"
    title = "No such raffle"


class RaffleNotOpen(Problem):
    """The raffle's sale has not begun; `opens_at` says when it does."""

    code = "raffle_not_open"
    title = "Not on sale yet"
    members = {"opens_at": TIME}


class RaffleClosed(Problem):
    """The raffle's sale is over."""

    code = "raffle_closed"
    title = "Sales have ended"
    members = {"phase": TEXT}


class SoldOut(Problem):
    """No ticket is left; held ones may come free, see `held`."""

    code = "sold_out"
    title = "Sold out"
    members = {"held": INTEGER}


class NotEnoughLeft(Problem):
    """Fewer tickets are left than requested; `left` says how many."""

    code = "not_enough_left"
    title = "Not enough tickets left"
    members = {"left": INTEGER}


class LimitReached(Problem):
    """The person would have more than the raffle allows; `limit` and `taken` say how many."""

    code = "limit_reached"
    title = "Limit per person reached"
    members = {"limit": INTEGER, "taken": INTEGER}


class HolderUsed(Problem):
    """The raffle has a purchase of this holder: each purchase needs one of its own."""

    code = "holder_used"
    title = "Holder already used"


class WrongAnswer(Problem):
    """The answer to the raffle's question is wrong."""

    code = "wrong_answer"
    title = "Wrong answer"
    members = {"question": TEXT}


class TooManyAnswers(Problem):
    """The person gave as many wrong answers as a day allows; `try_again_at` says when they can answer again."""

    status = 429
    code = "too_many_answers"
    title = "Too many wrong answers"
    members = {"try_again_at": TIME}


class TooManyLapsedHolds(Problem):
    """Too many of the person's holds lapsed within a day; `try_again_at` says when they can hold tickets again."""

    status = 429
    code = "too_many_lapsed_holds"
    title = "Too many unpaid reservations"
    members = {"try_again_at": TIME}


class NotHeld(Problem):
    """The purchase does not wait for payment: it is paid, at a bank, or its tickets are back on sale already."""

    code = "not_held"
    title = "These tickets are not reserved"


class AmountTooLarge(Problem):
    """The amount is more than one card payment can carry."""

    code = "amount_too_large"
    title = "Amount too large for one payment"
    members = {"most": INTEGER}


class ReferenceUsed(Problem):
    """A letter with this reference was entered for this raffle before."""

    code = "reference_used"
    title = "Reference already used"


class EntrantRefused(Problem):
    """The entrant's account is not active, a safeguard bars them, or they are the member of staff who enters."""

    code = "entrant_refused"
    title = "This person cannot enter"


class NoFreeRoute(Problem):
    """The rules of the raffle offer no entry free of charge."""

    code = "no_free_route"
    title = "This raffle has no free entries"


class WrongDate(Problem):
    """A letter cannot have come in the future, nor before its raffle was published, nor after letters counted."""

    status = 400
    code = "wrong_date"
    title = "This date is not possible"


class NotRefundable(Problem):
    """The purchase is not paid, or its raffle's entries are frozen."""

    code = "not_refundable"
    title = "Cannot be refunded or withdrawn"


class NothingPaid(Problem):
    """There is no payment receipt where nothing was paid: for a free entry, or a purchase that waits for its money."""

    status = 409
    code = "nothing_paid"
    title = "No receipt"


class ProviderUnavailable(Unavailable):
    """Stripe does not answer in time. Nothing is lost: the same request may be sent again."""

    code = "payment_provider_unavailable"
    title = "The payment provider does not answer"


class ProviderFailed(ProviderUnavailable):
    """Stripe answered that it failed itself, and will answer the same under the same idempotency key."""


class ProviderRefused(Problem):
    """Stripe refused for good: repeating the request does not help."""

    status = 502
    code = "payment_provider_refused"
    title = "The payment provider refused"
    members = {"provider_code": TEXT_OR_NULL}


#: What a hold may be refused for, beside its buyer.
HOLD_REFUSED = (
    SalesStopped,
    SpendLimitReached,
    RaffleNotFound,
    RaffleNotOpen,
    RaffleClosed,
    SoldOut,
    NotEnoughLeft,
    LimitReached,
    HolderUsed,
    AmountTooLarge,
    WrongAnswer,
    TooManyAnswers,
    TooManyLapsedHolds,
)
