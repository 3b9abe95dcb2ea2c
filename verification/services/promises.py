"""The promise of a draw at publication, and its end when the raffle is cancelled."""

from django.conf import settings
from django.db.models import F

from luxewin.api.problems import InvalidInput
from luxewin.audit.services import Actor, record
from raffles.models import Raffle
from verification import clients, manifest, receipt_keys
from verification.anchoring import contract_for
from verification.contract import MAX_PICKS
from verification.models import Draw, DrawSequence
from verification.services.transitions import reach


def promise_draw(raffle: Raffle, *, actor: Actor | None = None) -> Draw:
    """Fix the manifest of a raffle being published, in the caller's transaction, under the next draw number.

    Raises InvalidInput, naming every fault, on terms that cannot be promised; ContractMissing, ReceiptKeyMissing.
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
        receipt_key=receipt_keys.signing_key(),
        contract=contract_for(sequence),
        void_after=settings.DRAW_VOID_SECONDS,
    )
    after = {"state": draw.state, "manifest_hash": draw.manifest_hash, "sequence": sequence}
    record("draw.promised", draw, actor=actor, after=after)
    return draw


def _manifest_of(raffle: Raffle, sequence: int) -> bytes:
    """Return the canonical manifest of the raffle's terms. Raises InvalidInput."""
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
            beacon=clients.beacon().as_manifest(),
            sequence=sequence,
        )
    except manifest.ManifestError as error:
        faults += error.faults
    if faults:
        # A fault begins with the name of its field.
        errors = [{"field": fault.partition(" ")[0], "code": "not_promisable", "detail": fault} for fault in faults]
        raise InvalidInput(errors)
    return manifest.canonical(promise)


def end_with_raffle(raffle: Raffle, *, actor: Actor | None = None) -> None:
    """Void the draw of a raffle being cancelled, in the caller's transaction, with the raffle's row locked.

    An anchored draw that is not announced yet is announced first: the contract takes the numbers in order, and later
    ones wait for this one.
    """
    draw = Draw.objects.filter(raffle=raffle).exclude(state=Draw.State.VOID).first()
    if draw and not (draw.is_anchored and draw.state == Draw.State.PROMISED):
        reach(draw, Draw.State.VOID, actor=actor)
