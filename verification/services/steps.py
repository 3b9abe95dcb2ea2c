"""The steps of a draw after its promise, each idempotent, one after another.

A step gathers what it needs from outside with no transaction open, then writes in one transaction that first checks,
under the draw's lock, that the step is still to be taken. A crash between any two lines leaves a state from which the
same step can be taken again, with the same result.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from luxewin.tasks.queue import enqueue
from purchases.models import Purchase
from raffles import services as raffle_services
from raffles.models import Raffle, TicketCounter
from verification import announcements, doors, picks
from verification.anchoring import anchor_commit, anchor_promise, anchor_settlement
from verification.beacon import BeaconUnavailable, RoundNotYet, randomness
from verification.errors import ProofUnavailable, StepStuck, StepWaits
from verification.models import Draw, Pick
from verification.onchain import ChainError
from verification.services.entries import Proof, Prover, are_unchanged, entries_tree, store_index
from verification.services.moves import reach, stop, wait
from verification.services.outcomes import award_prizes
from verification.services.promises import promised_beacon
from verification.services.repairs import follow_commit
from verification.services.voiding import settle_before_void, void_overdue

log = logging.getLogger(__name__)
PAUSE = timedelta(seconds=5)


def advance_draw(raffle_id: UUID) -> Draw:
    """Takes every step that can be taken now, and notes why the next one cannot. Idempotent, safe in parallel."""
    while True:
        draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle_id)
        step = STEPS.get(draw.state)
        if step is None or (draw.state == Draw.State.DRAWN and not draw.is_anchored):
            return draw
        try:
            step(draw)
        except StepStuck as stuck:
            stop(draw, stuck)
            return Draw.objects.get(pk=raffle_id)
        except StepWaits as waits:
            wait(draw, waits.until, waits.reason)
            return Draw.objects.get(pk=raffle_id)
        except (ChainError, BeaconUnavailable) as error:
            log.error("draw %s stays %s: %s", draw.sequence, draw.state, error)  # noqa: TRY400 no news in the trace
            wait(draw, timezone.now() + PAUSE, str(error))
            return Draw.objects.get(pk=raffle_id)


def announce(draw: Draw) -> None:
    """Promised → announced: the contract has the manifest's hash. If the raffle was cancelled meanwhile, void."""
    anchor_promise(draw)
    with transaction.atomic():
        raffle = Raffle.objects.select_for_update(no_key=True).get(pk=draw.pk)
        reach(draw, Draw.State.VOID if raffle.status == Raffle.Status.CANCELLED else Draw.State.ANNOUNCED)


def freeze(draw: Draw) -> None:
    """Announced → frozen, once the sale is closed and no payment is under way; or the raffle is cancelled.

    Below `min_tickets`, or with no ticket at all, everyone is refunded as promised. From here on no purchase of this
    raffle can be paid or refunded.
    """
    with transaction.atomic():
        raffle = Raffle.objects.select_for_update(no_key=True).get(pk=draw.pk)
        counter = TicketCounter.objects.get(pk=draw.pk)
        if raffle.status == Raffle.Status.CANCELLED:
            return
        if raffle.closed_at is None:
            raise StepWaits("the sale is not over", timezone.now() + PAUSE)
        pending = Purchase.objects.holding().filter(raffle=raffle).count()
        if counter.selling or counter.held or pending:
            raise StepWaits(f"{pending} payments are still under way", timezone.now() + timedelta(seconds=1))
        tickets = Purchase.objects.paid().filter(raffle=raffle).totals()["tickets"]
        if tickets < max(raffle.min_tickets, 1):
            reason = f"{tickets} tickets were sold, fewer than the {max(raffle.min_tickets, 1)} promised for a draw."
            raffle_services.cancel_raffle(raffle.pk, reason=reason)
            return
        if reach(draw, Draw.State.FROZEN):
            raffle_services.mark_frozen(raffle.pk)


def commit(draw: Draw) -> None:
    """Frozen → committed: the root is public, and the round follows from when it was."""
    tree = entries_tree(draw)
    root = tree.root
    committed_at = anchor_commit(draw, root=root, tickets=tree.tickets, wanted=_wanted(draw, tree.tickets))
    number = promised_beacon(draw).first_round_at(committed_at + draw.raffle.delay_seconds)
    facts = {"root": root.hex(), "tickets": tree.tickets, "entries": tree.count, "committed_at": committed_at}
    with transaction.atomic():
        if reach(draw, Draw.State.COMMITTED, **facts, round=number, due_at=_time_of(draw, number)):
            store_index(draw, tree)


def decide(draw: Draw) -> None:
    """Committed → drawn: the round appeared; seed and picks follow from it. If it never does, → void once declared."""
    follow_commit(draw)
    source = promised_beacon(draw)
    try:
        signature = doors.client_of(source).fetch(draw.round or 0)
    except (RoundNotYet, BeaconUnavailable) as missing:
        if draw.void_at:
            void_overdue(draw, draw.void_at)
            return
        if isinstance(missing, BeaconUnavailable):
            raise
        due = max(datetime.fromtimestamp(missing.due_at, UTC), timezone.now() + timedelta(seconds=1))
        raise StepWaits(str(missing), due) from missing
    if not settle_before_void(draw, signature):
        return
    if not are_unchanged(draw):
        raise StepStuck("the entries are no longer those that were committed")
    tickets = draw.tickets or 0
    seed = picks.seed(
        chain_hash=source.chain_hash,
        round=draw.round or 0,
        randomness=randomness(signature),
        manifest_hash=bytes.fromhex(draw.manifest_hash),
        root=bytes.fromhex(draw.root),
        tickets=tickets,
    )
    indices = picks.pick_indices(seed, tickets, _wanted(draw, tickets))
    proofs = _proofs(draw, indices)
    facts = {"signature": signature.hex(), "randomness": randomness(signature).hex(), "seed": seed.hex()}
    with transaction.atomic():
        if reach(draw, Draw.State.DRAWN, **facts):
            _write_picks(draw, indices, proofs)
            award_prizes(draw)
            raffle_services.mark_drawn(draw.pk)
            announcements.tell_winners(draw)
            enqueue(announcements.tell_others, str(draw.pk))


def settle(draw: Draw) -> None:
    """Drawn → settled: the contract verified the signature itself and computed the same picks."""
    follow_commit(draw)
    on_chain = anchor_settlement(draw)
    ours = list(draw.picks.values_list("index", flat=True))
    if on_chain != ours:
        raise StepWaits(
            f"the contract picked {on_chain}, we picked {ours}; an operator must look", timezone.now() + PAUSE * 12
        )
    with transaction.atomic():
        reach(draw, Draw.State.SETTLED)


STEPS: dict[str, Callable[[Draw], None]] = {
    Draw.State.PROMISED: announce,
    Draw.State.ANNOUNCED: freeze,
    Draw.State.FROZEN: commit,
    Draw.State.COMMITTED: decide,
    Draw.State.DRAWN: settle,
}


def _wanted(draw: Draw, tickets: int) -> int:
    return min(tickets, draw.raffle.prizes.count() + draw.raffle.alternates)


def _time_of(draw: Draw, number: int) -> datetime:
    return datetime.fromtimestamp(promised_beacon(draw).time_of(number), UTC)


def _proofs(draw: Draw, indices: list[int]) -> list[Proof]:
    try:
        prover = Prover(draw)
        return [prover.of_index(index) for index in indices]
    except ProofUnavailable as error:
        raise StepStuck("the index of the entries does not lead to the committed root") from error


def _write_picks(draw: Draw, indices: list[int], proofs: list[Proof]) -> None:
    prizes = dict(draw.raffle.prizes.values_list("position", "id"))
    found = Purchase.objects.filter(entry_id__in=[proof.entry.entry_id for proof in proofs])
    purchase_of = dict(found.values_list("entry_id", "id"))
    Pick.objects.bulk_create(
        Pick(
            draw=draw,
            position=position,
            prize_id=prizes.get(position),
            index=index,
            ticket=proof.entry.first_ticket + index - proof.tickets_before,
            purchase_id=purchase_of[proof.entry.entry_id],
            path=proof.path,
        )
        for position, (index, proof) in enumerate(zip(indices, proofs, strict=True), start=1)
    )
