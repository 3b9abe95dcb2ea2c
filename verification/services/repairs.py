"""Repairs after a reorganisation of the chain. A draw follows its commitment, until people were told of its result."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from luxewin.audit.services import record
from raffles import services as raffle_services
from verification import anchoring, clients
from verification.chain_types import ChainError
from verification.errors import Contradiction, StepStuck, StepWaits
from verification.models import Award, ChainStep, ChainTransaction, Draw, UndoneDecision
from verification.services.transitions import is_as_read, stop, wait

log = logging.getLogger(__name__)
Step, State = ChainStep.Step, Draw.State
SOON, LATER = timedelta(seconds=15), timedelta(seconds=60)
SELDOM = timedelta(days=1)  # how often a final transaction is checked, for ever


def follow_commit(draw: Draw) -> None:
    """Check that the chain still has the commitment where the draw says it is.

    If it moved, time and round follow, and StepWaits is raised until the new round. A decision by another round is
    undone in public, unless people were told of it: then nothing changes, and Contradiction is raised.
    """
    if not draw.is_anchored:
        return
    before = {"committed_at": draw.committed_at, "round": draw.round}
    committed_at = anchoring.anchor_commit(draw)
    if committed_at is None or committed_at == draw.committed_at:
        return
    source = draw.promised_beacon
    number = source.first_round_at(committed_at + draw.terms["delay_seconds"])
    moved = f"a reorganisation moved the commitment from {draw.committed_at} to {committed_at}"
    if draw.state == State.SETTLED and number != draw.round:
        told = f"the draw was decided by round {draw.round} before, and people were told"
        raise Contradiction(f"{moved}, whose round is {number}; {told}")
    anchoring.check_round(draw, committed_at, number)
    due = datetime.fromtimestamp(source.time_of(number), UTC)
    after = {"committed_at": committed_at, "round": number}
    with transaction.atomic():
        if is_as_read(draw):
            if draw.seed and number != draw.round:
                _undo_decision(draw, after)
            Draw.objects.filter(pk=draw.pk).update(**after, due_at=due)
            record("draw.commitment_moved", draw, before=before, after=after)
            log.warning("draw %s: %s", draw.sequence, moved)
    raise StepWaits(f"{moved}: the round is {number} now", due)


def _undo_decision(draw: Draw, moved_to: dict[str, int]) -> None:
    """Drawn → committed, in the caller's transaction, which has locked the draw: the contract draws by another round.

    Nobody was told of the picks. They stay public, as an undone decision.
    """
    picks = list(draw.picks.values("position", "ticket"))
    decided = {name: getattr(draw, name) for name in ("committed_at", "round", "signature", "seed")}
    UndoneDecision.objects.create(draw=draw, picks=picks, **decided)
    nothing = {"signature": "", "randomness": "", "seed": "", "trouble": "", "contradiction": "", "claimed_until": None}
    Draw.objects.filter(pk=draw.pk).update(state=State.COMMITTED, **moved_to, **nothing)
    Award.objects.filter(pick__draw=draw).delete()
    draw.picks.all().delete()
    raffle_services.mark_undrawn(draw.pk)
    record("draw.decision_undone", draw, before=decided | {"picks": picks}, after={"state": State.COMMITTED})


# By step: the states in which nothing else repeats it, and the function that does.
_AFTER: dict[str, tuple[set[str], Callable[[Draw], object]]] = {
    Step.ANNOUNCE: (set(State.values) - {State.PROMISED}, anchoring.anchor_promise),
    Step.COMMIT: ({State.COMMITTED, State.DRAWN, State.SETTLED}, follow_commit),
    Step.SETTLE: ({State.SETTLED}, anchoring.anchor_settlement),
    Step.VOID: ({State.VOID}, anchoring.anchor_void),
}


def reconcile_transaction(transaction_id: int) -> None:
    """Update a transaction to what the chain says, and repair the draws whose step it took."""
    chain = clients.chain()
    if chain is None:
        return
    row = ChainTransaction.objects.filter(pk=transaction_id)
    sent = row.select_related("account").get()
    try:
        sent = anchoring.track(chain, sent)
        _repair(sent)
    except ChainError as error:
        log.warning("transaction %s: %s", sent.hash, error)
    pauses: dict[str, timedelta] = {ChainTransaction.State.DONE: LATER, ChainTransaction.State.FINAL: SELDOM}
    pause = pauses.get(sent.state, SOON)
    row.update(due_at=Now() + pause, claimed_until=None)


def _repair(sent: ChainTransaction) -> None:
    for taken in sent.steps.filter(live=True).select_related("draw__raffle", "draw__contract"):
        draw = taken.draw
        states, again = _AFTER.get(taken.step, (set(), follow_commit))
        stands = sent.state in ChainTransaction.COUNTS and (
            taken.step != Step.COMMIT or sent.block_time == draw.committed_at
        )
        if stands or draw.state not in states:
            if stands and draw.contradiction and draw.state == State.SETTLED:
                wait(draw, Now(), "")
            continue
        try:
            again(draw)
        except StepStuck as stuck:
            stop(draw, stuck)
        except StepWaits as waits:
            log.info("draw %s, %s again: %s", draw.sequence, taken.step, waits.reason)
