"""Writes of draws: the promise at publication, then one idempotent step after another.

A step gathers what it needs from outside with no transaction open, then writes in one transaction that first checks,
under the draw's lock, that the step is still to be taken. A crash between any two lines leaves a state from which the
same step can be taken again, with the same result.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from luxewin.api.problems import InvalidInput
from luxewin.audit.services import Actor, record
from luxewin.tasks.queue import enqueue
from purchases.models import Purchase
from raffles import services as raffle_services
from raffles.models import Raffle, TicketCounter
from verification import announcements, doors, manifest, merkle, picks
from verification.anchoring import anchor_commit, anchor_promise, anchor_settlement, current_contract
from verification.beacon import Beacon, BeaconUnavailable, RoundNotYet, randomness
from verification.contract import MAX_PICKS
from verification.errors import StepWaits
from verification.models import Draw, DrawSequence, Pick
from verification.onchain import ChainError

log = logging.getLogger(__name__)
PAUSE = timedelta(seconds=5)


def promise_draw(raffle: Raffle, *, actor: Actor | None = None) -> Draw:
    """The manifest of a raffle being published, in the caller's transaction, under the next number without a gap.

    Raises InvalidInput, naming every fault, on terms that cannot be promised; ContractMissing.
    """
    DrawSequence.objects.get_or_create(pk=1)
    DrawSequence.objects.filter(pk=1).update(last=F("last") + 1)
    sequence = DrawSequence.objects.get(pk=1).last
    canonical = _manifest_of(raffle, sequence)
    draw = Draw.objects.create(
        raffle=raffle,
        sequence=sequence,
        manifest=canonical.decode(),
        manifest_hash=manifest.manifest_hash(canonical).hex(),
        contract=current_contract(),
    )
    record("draw.promised", draw, actor=actor, after={"manifest_hash": draw.manifest_hash, "sequence": sequence})
    return draw


def _manifest_of(raffle: Raffle, sequence: int) -> bytes:
    """The canonical manifest of the raffle's terms. Raises InvalidInput."""
    prizes = list(raffle.prizes.values_list("name", flat=True))
    faults = []
    if len(prizes) + raffle.alternates > MAX_PICKS:
        faults.append(f"alternates and prizes together are more than {MAX_PICKS}, which is all that one draw can pick")
    try:
        promise = manifest.build(
            raffle=raffle.pk,
            title=raffle.title,
            prizes=prizes,
            alternates=raffle.alternates,
            ticket_price=raffle.ticket_price,
            currency=raffle.currency,
            capacity=raffle.capacity,
            max_per_person=raffle.max_per_person,
            min_tickets=raffle.min_tickets,
            opens_at=raffle.opens_at,
            closes_at=raffle.closes_at,
            delay_seconds=raffle.delay_seconds,
            beacon=doors.beacon().as_manifest(),
            sequence=sequence,
        )
    except manifest.ManifestError as error:
        faults += error.faults
    if faults:
        # A fault begins with the name of its field.
        errors = [{"field": fault.partition(" ")[0], "code": "not_promisable", "detail": fault} for fault in faults]
        raise InvalidInput(errors)
    return manifest.canonical(promise)


def advance_draw(raffle_id: UUID) -> Draw:
    """Takes every step that can be taken now, and notes why the next one cannot. Idempotent, safe in parallel."""
    while True:
        draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle_id)
        step = STEPS.get(draw.state)
        if step is None or (draw.state == Draw.State.DRAWN and not draw.is_anchored):
            return draw
        try:
            step(draw)
        except StepWaits as wait:
            _wait(draw, wait.until, wait.reason)
            return Draw.objects.get(pk=raffle_id)
        except (ChainError, BeaconUnavailable) as error:
            log.error("draw %s stays %s: %s", draw.sequence, draw.state, error)  # noqa: TRY400 no news in the trace
            _wait(draw, timezone.now() + PAUSE, str(error))
            return Draw.objects.get(pk=raffle_id)


def _wait(draw: Draw, until: datetime, reason: str) -> None:
    # Another worker may have moved it on meanwhile: then the reason is not true any more.
    rows = Draw.objects.filter(pk=draw.pk, state=draw.state)
    rows.update(due_at=until, trouble=reason[:300], claimed_until=None)


def _reach(draw: Draw, state: Draw.State, **facts: object) -> bool:
    """Moves the draw on in the caller's transaction; False if another worker did it before."""
    fresh = Draw.objects.select_for_update(no_key=True, of=("self",)).get(pk=draw.pk)
    if fresh.state != draw.state:
        return False
    values = {"state": state, "trouble": "", "claimed_until": None, "due_at": timezone.now()} | facts
    Draw.objects.filter(pk=draw.pk).update(**values)
    after = {name: str(value) for name, value in ({"state": state} | facts).items()}
    record(f"draw.{state}", draw, before={"state": draw.state}, after=after)
    return True


def announce(draw: Draw) -> None:
    """Promised → announced: the contract has the manifest's hash. If the raffle was cancelled meanwhile, void."""
    anchor_promise(draw)
    with transaction.atomic():
        raffle = Raffle.objects.select_for_update(no_key=True).get(pk=draw.pk)
        if _reach(draw, Draw.State.VOID if raffle.status == Raffle.Status.CANCELLED else Draw.State.ANNOUNCED):
            _call_up_next(draw)


def _call_up_next(draw: Draw) -> None:
    """The contract takes the numbers one after the other: whoever waited for this one is next."""
    from verification.tasks import advance_draw as task

    later = Draw.objects.filter(contract=draw.contract_id, sequence__gt=draw.sequence, state=Draw.State.PROMISED)
    if draw.contract_id and (following := later.order_by("sequence").first()):
        enqueue(task, str(following.pk))


def void_draw(raffle: Raffle) -> None:
    """The raffle is being cancelled, in the caller's transaction, its row locked: no draw is held.

    An anchored draw that is not announced yet is announced first: the contract takes the numbers one after the other,
    and those after this one wait for it.
    """
    draws = Draw.objects.filter(raffle=raffle)
    draws.exclude(state=Draw.State.PROMISED, contract__isnull=False).update(state=Draw.State.VOID, claimed_until=None)


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
        if _reach(draw, Draw.State.FROZEN):
            raffle_services.mark_frozen(raffle.pk)


def commit(draw: Draw) -> None:
    """Frozen → committed: the root is public, and the round follows from when it was."""
    tree = entries_tree(draw)
    root = tree.root
    committed_at = anchor_commit(draw, root=root, tickets=tree.tickets, wanted=_wanted(draw, tree.tickets))
    number = promised_beacon(draw).first_round_at(committed_at + draw.raffle.delay_seconds)
    facts = {"root": root.hex(), "tickets": tree.tickets, "entries": tree.count, "committed_at": committed_at}
    with transaction.atomic():
        _reach(draw, Draw.State.COMMITTED, **facts, round=number, due_at=_time_of(draw, number))


def decide(draw: Draw) -> None:
    """Committed → drawn: the round appeared; seed and picks follow from it."""
    source = promised_beacon(draw)
    try:
        signature = doors.client_of(source).fetch(draw.round or 0)
    except RoundNotYet as not_yet:
        due = max(datetime.fromtimestamp(not_yet.due_at, UTC), timezone.now() + timedelta(seconds=1))
        raise StepWaits(str(not_yet), due) from not_yet
    tree = entries_tree(draw)
    if tree.root.hex() != draw.root:
        raise StepWaits(
            "the entries are no longer those that were committed; an operator must look", timezone.now() + PAUSE * 12
        )
    seed = picks.seed(
        chain_hash=source.chain_hash,
        round=draw.round or 0,
        randomness=randomness(signature),
        manifest_hash=bytes.fromhex(draw.manifest_hash),
        root=tree.root,
        tickets=tree.tickets,
    )
    indices = picks.pick_indices(seed, tree.tickets, _wanted(draw, tree.tickets))
    facts = {"signature": signature.hex(), "randomness": randomness(signature).hex(), "seed": seed.hex()}
    with transaction.atomic():
        if _reach(draw, Draw.State.DRAWN, **facts):
            _write_picks(draw, tree, indices)
            raffle_services.mark_drawn(draw.pk)
            announcements.tell_winners(draw)
            enqueue(announcements.tell_others, str(draw.pk))


def settle(draw: Draw) -> None:
    """Drawn → settled: the contract verified the signature itself and computed the same picks."""
    on_chain = anchor_settlement(draw)
    ours = list(draw.picks.values_list("index", flat=True))
    if on_chain != ours:
        raise StepWaits(
            f"the contract picked {on_chain}, we picked {ours}; an operator must look", timezone.now() + PAUSE * 12
        )
    with transaction.atomic():
        _reach(draw, Draw.State.SETTLED)


STEPS: dict[str, Callable[[Draw], None]] = {
    Draw.State.PROMISED: announce,
    Draw.State.ANNOUNCED: freeze,
    Draw.State.FROZEN: commit,
    Draw.State.COMMITTED: decide,
    Draw.State.DRAWN: settle,
}


def promised_beacon(draw: Draw) -> Beacon:
    """The beacon that the manifest names, whatever is configured today."""
    promise = manifest.parse(draw.manifest)["beacon"]
    return Beacon(
        chain_hash=bytes.fromhex(promise["chain_hash"]),
        public_key=bytes.fromhex(promise["public_key"]),
        genesis_time=promise["genesis_time"],
        period=promise["period"],
        scheme=promise["scheme"],
    )


def entries_tree(draw: Draw) -> merkle.Tree:
    """The tree over the raffle's paid purchases. Cost: one streamed query and about two hashes an entry."""
    return merkle.Tree(merkle.Entry(*row) for row in Purchase.objects.filter(raffle=draw.pk).entries())


def prove_entry(draw: Draw, purchase: Purchase) -> dict[str, Any]:
    """The path of one paid purchase against the committed root. Cost: the whole tree is built."""
    tree = entries_tree(draw)
    before = Purchase.objects.paid().filter(raffle=draw.pk, first_ticket__lt=purchase.first_ticket).count()
    entry = tree.entry(before)
    return {
        "raffle": draw.pk,
        "entry_id": entry.entry_id,
        "first_ticket": entry.first_ticket,
        "count": entry.count,
        "tickets_before": tree.tickets_before(before),
        "root": draw.root,
        "tickets": draw.tickets,
        "path": path_as_json(tree.path(before)),
    }


def path_as_json(path: list[merkle.Step]) -> list[dict[str, Any]]:
    """A path as bundles and answers have it."""
    return [{"side": step.side, "sum": step.sum, "hash": step.hash.hex()} for step in path]


def _wanted(draw: Draw, tickets: int) -> int:
    return min(tickets, draw.raffle.prizes.count() + draw.raffle.alternates)


def _time_of(draw: Draw, number: int) -> datetime:
    return datetime.fromtimestamp(promised_beacon(draw).time_of(number), UTC)


def _write_picks(draw: Draw, tree: merkle.Tree, indices: list[int]) -> None:
    prizes = dict(draw.raffle.prizes.values_list("position", "id"))
    places = [tree.locate(index) for index in indices]
    found = Purchase.objects.filter(entry_id__in=[tree.entry(place).entry_id for place in places])
    purchase_of = dict(found.values_list("entry_id", "id"))
    rows = []
    for position, (index, place) in enumerate(zip(indices, places, strict=True), start=1):
        entry = tree.entry(place)
        rows.append(
            Pick(
                draw=draw,
                position=position,
                prize_id=prizes.get(position),
                index=index,
                ticket=entry.first_ticket + index - tree.tickets_before(place),
                purchase_id=purchase_of[entry.entry_id],
                path=path_as_json(tree.path(place)),
            )
        )
    Pick.objects.bulk_create(rows)
