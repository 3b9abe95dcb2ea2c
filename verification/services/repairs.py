"""Repairs after a reorganisation of the chain. A draw follows its commitment, until people were told of its result."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts.alerts import alert_staff
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
# What a draw no longer has once its commitment is another, or gone.
NOTHING: dict[str, Any] = {
    "signature": "",
    "randomness": "",
    "seed": "",
    "trouble": "",
    "contradiction": "",
    "claimed_until": None,
    "due_at": Now(),
}


def follow_commit(draw: Draw) -> None:
    """Check that the chain still has the commitment where the draw says it is.

    If it moved, time and round follow, and StepWaits is raised until the new round. If it is gone for good, the draw is
    frozen again, and StepWaits is raised. A decision by another round, or of what is gone, is undone in public, unless
    people were told of it: then nothing changes, and Contradiction is raised. Staff are told of what was undone, and of
    a commitment that is in no block.
    """
    if not draw.is_anchored:
        return
    before = {"committed_at": draw.committed_at, "round": draw.round}
    try:
        committed_at = anchoring.anchor_commit(draw)
    except (StepWaits, ChainError) as missing:
        if not anchoring.commit_counts(draw):
            _follow_loss(draw, missing)
        raise
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
                _undo_decision(draw, State.COMMITTED, after)
            Draw.objects.filter(pk=draw.pk).update(**after, due_at=due)
            record("draw.commitment_moved", draw, before=before, after=after)
            log.warning("draw %s: %s", draw.sequence, moved)
    raise StepWaits(f"{moved}: the round is {number} now", due)


def _follow_loss(draw: Draw, missing: Exception) -> None:
    """Tell staff that the commitment is in no block; if it is gone for good, freeze the draw again.

    Raises StepWaits then. The public rules apply as before the commitment: it is made anew while there is time, or the
    draw is void. A settled draw stays as people were told.
    """
    facts = {"raffle": draw.raffle.title, "sequence": draw.sequence, "state": draw.state, "reason": str(missing)}
    alert_staff("commitment_gone", about=f"{draw.pk}:{draw.committed_at}", **facts)
    if draw.state not in (State.COMMITTED, State.DRAWN) or not anchoring.has_lost_commitment(draw):
        return
    lost: dict[str, None] = {"committed_at": None, "round": None}
    with transaction.atomic():
        if is_as_read(draw):
            if draw.seed:
                _undo_decision(draw, State.FROZEN, lost)
            else:
                Draw.objects.filter(pk=draw.pk).update(state=State.FROZEN, **lost, **NOTHING)
            before = {"state": draw.state, "committed_at": draw.committed_at, "round": draw.round}
            record("draw.commitment_lost", draw, before=before, after={"state": State.FROZEN})
            log.warning("draw %s: its commitment of %s is gone for good", draw.sequence, draw.committed_at)
    raise StepWaits("the chain has lost the commitment for good", Now()) from missing


def follow_void(draw: Draw) -> None:
    """Drawn → committed, if the contract has the draw void: there nobody settled it, and nobody was told here.

    Raises StepWaits then, also until the void is confirmed. What follows is as for a void that comes before the round.
    """
    if not anchoring.is_void_there(draw):
        return
    anchoring.anchor_void(draw)
    with transaction.atomic():
        if is_as_read(draw):
            _undo_decision(draw, State.COMMITTED, {})
    raise StepWaits("the contract has the draw void, which was drawn here", Now())


def _undo_decision(draw: Draw, state: Draw.State, moved_to: Mapping[str, int | None]) -> None:
    """Drawn → `state`, in the caller's transaction, which has locked the draw: the contract draws by another round.

    Or by none: it has the draw void, or lost the commitment, and then the draw is frozen again. Nobody was told of the
    picks. They stay public, as an undone decision. Staff are told.
    """
    picks = list(draw.picks.values("position", "ticket"))
    decided = {name: getattr(draw, name) for name in ("committed_at", "round", "signature", "seed")}
    UndoneDecision.objects.create(draw=draw, picks=picks, **decided)
    Draw.objects.filter(pk=draw.pk).update(state=state, **moved_to, **NOTHING)
    Award.objects.filter(pick__draw=draw).delete()
    draw.picks.all().delete()
    raffle_services.mark_undrawn(draw.pk)
    record("draw.decision_undone", draw, before=decided | {"picks": picks}, after={"state": state})
    facts = {"raffle": draw.raffle.title, "sequence": draw.sequence, "round": draw.round}
    facts |= {"state": state, "now": moved_to.get("round")}
    alert_staff("decision_undone", about=f"{draw.pk}:{draw.committed_at}", **facts)


# By step: the states in which nothing else repeats it, and the function that does.
_AFTER: dict[str, tuple[set[str], Callable[[Draw], object]]] = {
    Step.ANNOUNCE: (set(State.values) - {State.PROMISED}, anchoring.anchor_promise),
    Step.COMMIT: ({State.COMMITTED, State.DRAWN, State.SETTLED}, follow_commit),
    Step.SETTLE: ({State.SETTLED}, anchoring.anchor_settlement),
    Step.VOID: ({State.VOID}, anchoring.anchor_void),
}


def reconcile_transaction(transaction_id: int) -> None:
    """Update a transaction to what the chain says, and repair the draws whose step it took."""
    row = ChainTransaction.objects.filter(pk=transaction_id)
    sent = row.select_related("account").get()
    try:
        sent = anchoring.track(clients.following_chain(), sent)
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
