"""Problems that draws answer with, and reasons why a step waits."""

from datetime import datetime, timedelta

from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from luxewin.api.json_schemas import INTEGER, TEXT, TIME
from luxewin.api.problems import Problem, Unavailable


class StepWaits(Exception):
    """The next step of a draw cannot be taken yet; says why and when to try again.

    `until` is a time set elsewhere (by a round, a delay on the chain), or an expression of the database's clock.
    """

    def __init__(self, reason: str, until: datetime | Combinable) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class StepStuck(StepWaits):
    """The next step cannot be taken, and waiting does not help: an operator must act."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; an operator must look", Now() + timedelta(seconds=60))


class Contradiction(StepStuck):
    """The chain and this installation contradict each other about a draw: it stops, and its page says so."""


class SignatureRefused(Exception):
    """The submitted signature does not decide the draw; says why."""


class ContractMissing(Unavailable):
    """A chain is configured, but has no usable draw contract of ours: a promise could not be anchored."""

    code = "contract_missing"
    title = "The draw contract is not deployed"


class NotDrawnYet(Problem):
    """The bundle exists only once the draw is held; `state` says how far it is."""

    code = "not_drawn_yet"
    title = "Not drawn yet"


class NotFrozenYet(Problem):
    """The entries exist only once they are frozen."""

    code = "not_frozen_yet"
    title = "Entries are not fixed yet"
    members = {"state": TEXT}


class DrawVoid(Problem):
    """There is no draw: its purchases are refunded, so it has no entries any more."""

    code = "draw_void"
    title = "The draw is void"


class CommitmentMoves(Unavailable):
    """The commitment is in no block of the chain at the moment, so it cannot be looked up there."""

    code = "commitment_moves"
    title = "The entries are being published again"
    retry_after = 15


class ProofUnavailable(Unavailable):
    """Entries and stored index do not lead to the committed root: no proof is given rather than a wrong one."""

    code = "proof_unavailable"
    title = "The proof is unavailable"


class ReceiptKeyMissing(Unavailable):
    """No key signs receipts, so no raffle can be published; RECEIPT_KEYS is for the operator to set."""

    code = "receipt_key_missing"
    title = "Receipts cannot be signed"


class LeafNotFound(Problem):
    """The log has no such leaf yet, or not among its first `size` leaves."""

    status = 404
    code = "leaf_not_found"
    title = "Not in the log"


class AlreadyForfeited(Problem):
    """The pick was forfeited before, which happens once; `outcome` says how."""

    code = "already_forfeited"
    title = "Already disqualified or unclaimed"


class AlreadyClaimed(Problem):
    """The prize was handed over, which is final."""

    code = "already_claimed"
    title = "Prize already handed over"


class ClaimTimeRuns(Problem):
    """The holder of a prize may still come forward; `until` says how long, as the rules of the raffle do."""

    code = "claim_time_runs"
    title = "Time to claim is not over"


class PrizeAccepted(Problem):
    """The holder of the prize has accepted it, so it is not unclaimed."""

    code = "prize_accepted"
    title = "Prize accepted"


class ClaimTimeOver(Problem):
    """The time to accept a prize ended at `until`, as the rules of the raffle say."""

    code = "claim_time_over"
    title = "Time to claim is over"
    members = {"until": TIME}


class PrizeDispatched(Problem):
    """The prize is on its way or was handed over, so where it goes cannot be changed any more."""

    code = "prize_dispatched"
    title = "Prize dispatched"


class NoDocumentsWanted(Problem):
    """Staff have not asked for documents, or have looked at them; ones that nobody needs are not kept."""

    code = "no_documents_wanted"
    title = "No documents wanted"


class TooManyDocuments(Problem):
    """As many documents as a claim can have, `limit`, were sent."""

    code = "too_many_documents"
    title = "Too many documents"
    members = {"limit": INTEGER}


class WrongClaimStatus(Problem):
    """The claim's status does not allow this step; `claim_status` says what it is."""

    code = "wrong_claim_status"
    title = "Not at this point"


class HoldsNoPrize(Problem):
    """An alternate that has not stepped up has nothing to claim."""

    code = "holds_no_prize"
    title = "This pick has no prize"


class NotVoidable(Problem):
    """Only a draw that is committed and not drawn can be declared void."""

    code = "not_voidable"
    title = "Cannot be declared void"


class RoundNotOverdue(Problem):
    """The beacon may be late; `declarable_at` says when it counts as stopped."""

    code = "round_not_overdue"
    title = "The random number is not overdue"


class VoidDeclared(Problem):
    """The void was declared before; `void_at` says when the draw can become void."""

    code = "void_declared"
    title = "Already declared void"
