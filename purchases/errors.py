"""What purchases refuse, and what to do next."""

from accounts.errors import SpendLimitReached
from luxewin.api.problems import Problem, Unavailable

# Shown by accounts too, and refused here.
__all__ = ["SpendLimitReached"]


class RaffleNotFound(Problem):
    """No such raffle, or not published."""

    status = 404
    code = "raffle_not_found"
    title = "No such raffle"


class RaffleNotOpen(Problem):
    """Its sale has not begun; `opens_at` says when."""

    code = "raffle_not_open"
    title = "Not on sale yet"


class RaffleClosed(Problem):
    """Its sale is over."""

    code = "raffle_closed"
    title = "Sales have ended"


class SoldOut(Problem):
    """No ticket is left; held ones may come free, see `held`."""

    code = "sold_out"
    title = "Sold out"


class NotEnoughLeft(Problem):
    """Fewer are left than asked for; `left` says how many."""

    code = "not_enough_left"
    title = "Not enough tickets left"


class LimitReached(Problem):
    """The person would have more than the raffle allows; `limit` and `taken` say how many."""

    code = "limit_reached"
    title = "Limit per person reached"


class WrongAnswer(Problem):
    """Not the answer to the raffle's question."""

    code = "wrong_answer"
    title = "Wrong answer"


class TooManyAnswers(Problem):
    """The person answered a raffle's question wrongly as often as a day allows; `try_again_at` says until when."""

    status = 429
    code = "too_many_answers"
    title = "Too many wrong answers"


class TooManyLapsedHolds(Problem):
    """The person let too many holds run out within a day; `try_again_at` says from when on they can hold tickets."""

    status = 429
    code = "too_many_lapsed_holds"
    title = "Too many unpaid reservations"


class NotHeld(Problem):
    """No tickets that wait to be paid: they are paid, or a bank works on it, or they are given back already."""

    code = "not_held"
    title = "These tickets are not reserved"


class AmountTooLarge(Problem):
    """More than one card payment can carry."""

    code = "amount_too_large"
    title = "Amount too large for one payment"


class ReferenceUsed(Problem):
    """A letter with this reference was entered for this raffle before."""

    code = "reference_used"
    title = "Reference already used"


class EntrantRefused(Problem):
    """Nobody can be entered whose account is not active or whom a safeguard bars, nor can staff enter themselves."""

    code = "entrant_refused"
    title = "This person cannot enter"


class WrongDate(Problem):
    """A letter cannot have come in the future, nor before its raffle was published."""

    status = 400
    code = "wrong_date"
    title = "This date is not possible"


class NotRefundable(Problem):
    """Not paid, or its raffle's entries are frozen."""

    code = "not_refundable"
    title = "Cannot be refunded or withdrawn"


class ProviderUnavailable(Unavailable):
    """Stripe does not answer, or not in time. Nothing is lost: the same request may be sent again."""

    code = "payment_provider_unavailable"
    title = "The payment provider does not answer"


class ProviderFailed(ProviderUnavailable):
    """Stripe answered that something went wrong on its side, and will answer the same under the same key."""


class ProviderRefused(Problem):
    """Stripe answered with a refusal that repeating will not change."""

    status = 502
    code = "payment_provider_refused"
    title = "The payment provider refused"
