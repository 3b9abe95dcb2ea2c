"""What draws refuse, and why a step waits."""

from datetime import datetime, timedelta

from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from luxewin.api.problems import Problem, Unavailable


class StepWaits(Exception):
    """The next step of a draw cannot be taken yet; says why and when to try again.

    `until` is a time that others set (a round, a delay on the chain), or an expression of the database's clock.
    """

    def __init__(self, reason: str, until: datetime | Combinable) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class StepStuck(StepWaits):
    """The next step cannot be taken, and waiting does not help: an operator must look."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; an operator must look", Now() + timedelta(seconds=60))


class SignatureRefused(Exception):
    """What was handed in does not decide the draw; says why."""


class ContractMissing(Unavailable):
    """A chain is configured, but no draw contract of ours is on it: a promise could not be anchored."""

    code = "contract_missing"
    title = "The draw contract is not deployed"


class NotDrawnYet(Problem):
    """The bundle comes into being with the draw; `state` says how far it is."""

    code = "not_drawn_yet"
    title = "Not drawn yet"


class NotFrozenYet(Problem):
    """The entries come into being when they are frozen."""

    code = "not_frozen_yet"
    title = "Entries are not fixed yet"


class DrawVoid(Problem):
    """There is no draw: what was sold is refunded, and with that the entries are no more."""

    code = "draw_void"
    title = "The draw is void"


class CommitmentMoves(Unavailable):
    """The commitment is not in a block of the chain at the moment, so that nobody could look it up there."""

    code = "commitment_moves"
    title = "The entries are being published again"
    retry_after = 15


class ProofUnavailable(Unavailable):
    """The books and what was kept of the tree do not lead to the committed root: nothing is given rather than that."""

    code = "proof_unavailable"
    title = "The proof is unavailable"


class AlreadyForfeited(Problem):
    """A pick forfeits once; `outcome` says how it did."""

    code = "already_forfeited"
    title = "Already disqualified or unclaimed"


class AlreadyClaimed(Problem):
    """The prize was handed over: from then on it stays where it is."""

    code = "already_claimed"
    title = "Prize already handed over"


class HoldsNoPrize(Problem):
    """An alternate that has not stepped up has nothing to claim."""

    code = "holds_no_prize"
    title = "This pick has no prize"


class NotVoidable(Problem):
    """Only a draw that is committed and not drawn can be declared void."""

    code = "not_voidable"
    title = "Cannot be declared void"


class RoundNotOverdue(Problem):
    """The beacon may be late; `declarable_at` says from when on it counts as stopped."""

    code = "round_not_overdue"
    title = "The random number is not overdue"


class VoidDeclared(Problem):
    """It was declared before; `void_at` says from when on it can be void."""

    code = "void_declared"
    title = "Already declared void"
