"""The promise of a draw at publication, and its end when the raffle is cancelled."""

from django.conf import settings
from django.db.models import F

from luxewin.api.problems import InvalidInput
from luxewin.audit.services import Actor, record
from raffles import services as raffle_services
from raffles.models import Raffle
from verification import clients, manifest, receipt_keys
from verification.anchoring import contract_for
from verification.models import Contract, Draw, DrawSequence
from verification.services.transitions import reach


def promise_draw(raffle: Raffle, *, actor: Actor | None = None) -> Draw:
    """Fix the manifest of a raffle being published, in the caller's transaction, under the next draw number.

    Raises InvalidInput, naming every fault, on terms that cannot be promised; ContractMissing, ReceiptKeyMissing.
    """
    DrawSequence.objects.get_or_create(pk=1)
    DrawSequence.objects.filter(pk=1).update(last=F("last") + 1)
    sequence = DrawSequence.objects.get(pk=1).last
    contract = contract_for(sequence)
    canonical = _manifest_of(raffle, sequence, contract)
    draw = Draw.objects.create(
        raffle=raffle,
        sequence=sequence,
        manifest=canonical.decode(),
        manifest_hash=manifest.manifest_hash(canonical).hex(),
        contract=contract,
        void_after=settings.DRAW_VOID_SECONDS,
        receipt_key=receipt_keys.signing_key(),
    )
    after = {"state": draw.state, "manifest_hash": draw.manifest_hash, "sequence": sequence}
    record("draw.promised", draw, actor=actor, after=after)
    if contract is None:
        raffle_services.open_sale(raffle.pk)
    return draw


def _manifest_of(raffle: Raffle, sequence: int, contract: Contract | None) -> bytes:
    """Return the canonical manifest of the raffle's terms. Raises InvalidInput."""
    route, until = raffle.free_route_instructions, raffle.free_route_until
    try:
        promise = manifest.build(
            operator=settings.OPERATOR_NAME,
            raffle=raffle.pk,
            sequence=sequence,
            title=raffle.title,
            prizes=[
                manifest.Prize(prize.name, prize.retail_value, prize.cash_alternative) for prize in raffle.prizes.all()
            ],
            alternates=raffle.alternates,
            ticket_price=raffle.ticket_price,
            currency=raffle.currency,
            capacity=raffle.capacity,
            max_per_person=raffle.max_per_person,
            min_tickets=raffle.min_tickets,
            opens_at=raffle.opens_at,
            closes_at=raffle.closes_at,
            conditions=raffle.conditions,
            free_route=manifest.FreeRoute(route, until) if until else None,
            claim_seconds=raffle.claim_seconds,
            delay_seconds=raffle.delay_seconds,
            commit_within_seconds=raffle.commit_within_seconds,
            void_after_seconds=settings.DRAW_VOID_SECONDS,
            beacon=clients.beacon().as_manifest(),
            anchor=manifest.Anchor(contract.chain_id, contract.address) if contract else None,
            receipt_key=receipt_keys.signing_key(),
        )
    except manifest.ManifestError as error:
        # A fault begins with the name of its field.
        faults = [(fault.partition(" ")[0], fault) for fault in error.faults]
        raise InvalidInput(
            [{"field": field, "code": "not_promisable", "detail": fault} for field, fault in faults]
        ) from error
    return manifest.canonical(promise)


def end_with_raffle(raffle: Raffle, *, actor: Actor | None = None) -> None:
    """Void the draw of a raffle being cancelled, in the caller's transaction, with the raffle's row locked.

    An anchored draw that is not announced yet is announced first: the contract takes the numbers in order, and later
    ones wait for this one.
    """
    draw = Draw.objects.filter(raffle=raffle).exclude(state=Draw.State.VOID).first()
    if draw and not (draw.is_anchored and draw.state == Draw.State.PROMISED):
        reach(draw, Draw.State.VOID, actor=actor)
