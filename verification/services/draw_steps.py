"""The idempotent steps of a draw after its promise, in order.

A step first collects what it needs from the chain and the beacon, without a transaction. Then it writes in one
transaction, which first checks, under the draw's lock, that the step is still to be taken. After a crash at any point,
the same step can be taken again with the same result.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Greatest, Now

from luxewin.audit.services import record
from luxewin.clock import database_now
from purchases.models import Purchase
from raffles import services as raffle_services
from raffles.models import Raffle, TicketCounter
from verification import announcements, picks
from verification.anchoring import (
    anchor_commit,
    anchor_promise,
    anchor_settlement,
    await_commit,
    check_announced,
    check_round,
)
from verification.beacon import BeaconError, BeaconUnavailable, RoundNotYet, randomness
from verification.chain_types import ChainError, ChainRejected
from verification.errors import Contradiction, ProofUnavailable, StepStuck, StepWaits
from verification.merkle import EntriesError
from verification.models import Draw, Pick, UntoldDraw
from verification.services.log import finish as finish_log
from verification.services.log import sequence, unlogged
from verification.services.outcomes import award_prizes
from verification.services.paths import Proof, Prover, are_unchanged, entries_tree, store_index
from verification.services.repairs import follow_commit, follow_void
from verification.services.round_signatures import check_signature, round_signature
from verification.services.transitions import is_as_read, reach, stop, wait
from verification.services.voiding import settle_before_void, void_overdue, void_uncommitted

log = logging.getLogger(__name__)
PAUSE = timedelta(seconds=5)
TOO_EARLY = "too early"  # the contract's reason when only its clock is behind ours
LAPSED = "The entries were not fixed in public before the time that the rules set, so there is no draw."


def advance_draw(raffle_id: UUID) -> Draw:
    """Take every step that can be taken now, and note why the next one cannot. Idempotent, safe in parallel."""
    while True:
        draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle_id)
        step = STEPS.get(draw.state)
        if step is None or (draw.state == Draw.State.DRAWN and not draw.is_anchored):
            return draw
        if not _take(step, draw):
            return Draw.objects.get(pk=raffle_id)


def decide_with(raffle_id: UUID, signature: bytes) -> Draw:
    """Decide a draw with its round's signature, which anyone may submit, and continue like `advance_draw`.

    Raises SignatureRefused unless the draw waits for its round and this is that round's signature.
    """
    draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle_id)
    check_signature(draw, signature)
    is_taken = _take(partial(decide, signature=signature), draw)
    return advance_draw(raffle_id) if is_taken else Draw.objects.get(pk=raffle_id)


def _take(step: Callable[[Draw], None], draw: Draw) -> bool:
    """Take the step; if it cannot be taken now, note that and return False."""
    try:
        step(draw)
    except StepStuck as stuck:
        stop(draw, stuck)
    except StepWaits as waits:
        wait(draw, waits.until, waits.reason)
    except ChainRejected as refused:
        fault = f"the chain refuses the step: {refused.reason}"
        if refused.lasting and refused.reason != TOO_EARLY:
            stop(draw, StepStuck(fault))
        else:
            wait(draw, Now() + PAUSE, fault)
    except (ChainError, BeaconError) as error:
        log.error("draw %s stays %s: %s", draw.sequence, draw.state, error)  # noqa: TRY400 no news in the trace
        wait(draw, Now() + PAUSE, str(error))
    else:
        return True
    return False


def announce(draw: Draw) -> None:
    """Promised → announced, once the contract has the manifest's hash; → void if the raffle was cancelled meanwhile.

    Only now the sale begins, so that no entry can be older than the announcement.
    """
    try:
        anchor_promise(draw)
    except StepStuck:
        # Another's announcement has the number: nothing waits for this one any more.
        if draw.raffle.status != Raffle.Status.CANCELLED:
            raise
    with transaction.atomic():
        raffle = Raffle.objects.select_for_update(no_key=True).get(pk=draw.pk)
        is_cancelled = raffle.status == Raffle.Status.CANCELLED
        if reach(draw, Draw.State.VOID if is_cancelled else Draw.State.ANNOUNCED):
            raffle_services.open_sale(raffle.pk)


def freeze(draw: Draw) -> None:
    """Announced → frozen, once the sale is closed and no payment is under way; or cancel the raffle.

    Below `min_tickets`, without any ticket, or after the draw has lapsed, everyone is refunded as promised. The
    contract is asked first: entries that cannot be committed are not frozen. After this, no purchase of the raffle
    can be paid or refunded.
    """
    is_lapsed = draw.raffle.closed_at is not None and not check_announced(draw)
    if draw.raffle.closed_at is not None:
        sequence(draw.pk)  # so that little is left for the transaction, in which others wait for the raffle
    with transaction.atomic():
        raffle = Raffle.objects.select_for_update(no_key=True).get(pk=draw.pk)
        counter = TicketCounter.objects.get(pk=draw.pk)
        if raffle.status == Raffle.Status.CANCELLED:
            return
        if raffle.closed_at is None:
            raise StepWaits("the sale is not over", Now() + PAUSE)
        if is_lapsed:
            raffle_services.cancel_raffle(raffle.pk, reason=LAPSED)
            return
        pending = Purchase.objects.holding().filter(raffle=raffle).count()
        if unsettled := _unsettled(counter, pending):
            raise StepWaits(unsettled, Now() + timedelta(seconds=1))
        tickets = Purchase.objects.paid().filter(raffle=raffle).totals()["tickets"]
        if tickets < max(raffle.min_tickets, 1):
            reason = f"{tickets} tickets were sold, fewer than the {max(raffle.min_tickets, 1)} promised for a draw."
            raffle_services.cancel_raffle(raffle.pk, reason=reason)
            return
        if reach(draw, Draw.State.FROZEN):
            raffle_services.mark_frozen(raffle.pk)
            finish_log(raffle.pk)


def commit(draw: Draw) -> None:
    """Frozen → committed: first all files are public, then the commitment; the time of that fixes the round.

    → void, if the draw lapsed or cannot be committed and that was declared.
    """
    delay, source = draw.terms["delay_seconds"], draw.promised_beacon
    try:
        await_commit(draw)
        if not draw.is_published:
            publish(draw)
            draw = Draw.objects.select_related("raffle", "contract").get(pk=draw.pk)
            if draw.state != Draw.State.FROZEN:
                return  # another worker committed it meanwhile
        anchored_at = anchor_commit(draw)
    except (StepWaits, ChainError):
        if not void_uncommitted(draw, lapsed=LAPSED):
            raise
        return
    if anchored_at is not None:
        check_round(draw, anchored_at, source.first_round_at(anchored_at + delay))
    with transaction.atomic():
        if not is_as_read(draw):
            return
        # Without a chain this is the commitment: read the time as late as possible.
        committed_at = int(database_now().timestamp()) if anchored_at is None else anchored_at
        number = source.first_round_at(committed_at + delay)
        reach(draw, Draw.State.COMMITTED, committed_at=committed_at, round=number, due_at=_time_of(draw, number))


def publish(draw: Draw) -> None:
    """Make entries, log and bundle of a frozen draw public. Cost: about two hashes per entry, one per leaf.

    Raises StepStuck if the entries make no tree, or are not those that the log enters and does not withdraw.
    """
    building = entries_tree(draw)
    log_size, log_root = finish_log(draw.pk)
    differing = unlogged(draw.pk, log_size)
    try:
        tree = building.result()
    except EntriesError as error:
        raise StepStuck(f"the entries make no tree: {error}") from error
    if differing:
        raise StepStuck(f"the log enters other entries than those that are paid; {differing} differ")
    committed = picks.commitment(root=tree.root, tickets=tree.tickets, log_root=log_root, log_size=log_size)
    facts: dict[str, Any] = {"root": tree.root.hex(), "tickets": tree.tickets, "entries": tree.count}
    facts |= {"log_root": log_root.hex(), "log_size": log_size, "commitment": committed.hex()}
    with transaction.atomic():
        if is_as_read(draw):
            store_index(draw, tree)
            Draw.objects.filter(pk=draw.pk).update(**facts)
            record("draw.published", draw, after=facts)


def decide(draw: Draw, signature: bytes | None = None) -> None:
    """Committed → drawn: the round appeared, which fixes seed and picks. If it never does, → void once declared.

    `signature` is the round's, verified; without one it is fetched.
    """
    follow_commit(draw)
    try:
        signature = signature or round_signature(draw)
    except (RoundNotYet, BeaconUnavailable) as missing:
        if draw.void_at:
            void_overdue(draw, draw.void_at)
            return
        if isinstance(missing, BeaconUnavailable):
            raise
        due = Greatest(Value(datetime.fromtimestamp(missing.due_at, UTC)), Now() + timedelta(seconds=1))
        raise StepWaits(str(missing), due) from missing
    if not settle_before_void(draw, signature):
        return
    if not are_unchanged(draw):
        raise StepStuck("the entries are no longer those that were committed")
    seed, indices = _seed_and_indices(draw, signature)
    proofs = _proofs(draw, indices)
    facts: dict[str, Any] = {
        "signature": signature.hex(),
        "randomness": randomness(signature).hex(),
        "seed": seed.hex(),
    }
    with transaction.atomic():
        if reach(draw, Draw.State.DRAWN, **facts):
            _write_picks(draw, indices, proofs)
            award_prizes(draw)
            raffle_services.mark_drawn(draw.pk)
            if not draw.is_anchored:
                _tell(draw)


def settle(draw: Draw) -> None:
    """Drawn → settled: the contract verified the signature itself and computed the same. Only now people are told."""
    follow_commit(draw)
    follow_void(draw)
    on_chain = anchor_settlement(draw)
    ours = list(draw.picks.values_list("index", flat=True))
    if on_chain != ours:
        raise Contradiction(f"the contract picked {on_chain}, we picked {ours}")
    with transaction.atomic():
        if reach(draw, Draw.State.SETTLED):
            _tell(draw)


def _tell(draw: Draw) -> None:
    """Tell winners now and everybody else soon, in the transaction that makes the result certain."""
    announcements.tell_winners(draw)
    UntoldDraw.objects.create(draw=draw)


STEPS: dict[str, Callable[[Draw], None]] = {
    Draw.State.PROMISED: announce,
    Draw.State.ANNOUNCED: freeze,
    Draw.State.FROZEN: commit,
    Draw.State.COMMITTED: decide,
    Draw.State.DRAWN: settle,
}


def _unsettled(counter: TicketCounter, pending: int) -> str:
    """Return why the entries cannot be fixed yet; empty if they can."""
    if pending:
        return f"{pending} payments are still under way"
    if counter.held:
        return f"{counter.held} tickets are still held, though no payment is under way"
    return "the counter still sells, though the sale is over" if counter.selling else ""


def _seed_and_indices(draw: Draw, signature: bytes) -> tuple[bytes, list[int]]:
    tickets = draw.tickets or 0
    seed = picks.seed(
        chain_hash=draw.promised_beacon.chain_hash,
        round=draw.round or 0,
        randomness=randomness(signature),
        manifest_hash=bytes.fromhex(draw.manifest_hash),
        commitment=bytes.fromhex(draw.commitment),
        tickets=tickets,
    )
    return seed, picks.pick_indices(seed, tickets, draw.wanted)


def _time_of(draw: Draw, number: int) -> datetime:
    return datetime.fromtimestamp(draw.promised_beacon.time_of(number), UTC)


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
