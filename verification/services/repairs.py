"""Repairs after a reorganisation of the chain. Of a draw, only the time of its commitment follows the chain."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from luxewin.audit.services import record
from verification import anchoring, clients
from verification.chain_types import ChainError
from verification.errors import Contradiction, StepStuck, StepWaits
from verification.models import ChainStep, ChainTransaction, Draw
from verification.services.transitions import stop, wait

log = logging.getLogger(__name__)
Step, State = ChainStep.Step, Draw.State
SOON, LATER = timedelta(seconds=15), timedelta(seconds=60)
SELDOM = timedelta(days=1)  # how often a final transaction is checked, for ever


def follow_commit(draw: Draw) -> None:
    """Check that the chain still has the commitment where the draw says it is.

    If it moved, an undecided draw is updated, and StepWaits raised until its new round; a decided draw never changes,
    and StepStuck is raised.
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
    if draw.seed:
        raise Contradiction(f"{moved}, whose round is {number}; the draw was decided by round {draw.round} before")
    anchoring.check_round(draw, committed_at, number)
    due = datetime.fromtimestamp(source.time_of(number), UTC)
    after = {"committed_at": committed_at, "round": number}
    with transaction.atomic():
        undecided = Draw.objects.filter(pk=draw.pk, state=State.COMMITTED, committed_at=draw.committed_at)
        if undecided.update(**after, due_at=due):
            record("draw.commitment_moved", draw, before=before, after=after)
            log.warning("draw %s: %s", draw.sequence, moved)
    raise StepWaits(f"{moved}: the round is {number} now", due)


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
