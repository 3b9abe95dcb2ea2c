"""Draws that cannot be held: declared in public, delayed, then void. Until then the draw is held if it can be."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import User
from luxewin.audit.services import record
from luxewin.clock import database_now
from raffles import services as raffle_services
from verification import clients
from verification.anchoring import anchor_settlement, anchor_void, anchor_void_declaration, is_uncommittable
from verification.chain_types import DrawStatus
from verification.errors import NotVoidable, RoundNotOverdue, StepStuck, StepWaits, VoidDeclared
from verification.models import Draw
from verification.reasons import public_reason
from verification.services.transitions import reach

MAX_REASON = 200  # it also becomes the raffle's reason
AGAIN = timedelta(seconds=5)


def declare_void(raffle_id: UUID, *, reason: str, actor: User) -> Draw:
    """Declare publicly that a draw which cannot be held will be void after another `void_after` seconds.

    Either its round never appeared: `void_after` seconds after that was due. Or it is anchored, its entries are frozen,
    and they cannot be committed: the operator's key is lost or stolen. It cannot be undone, but a commitment or a round
    that appears before the void still counts. Raises NotVoidable, RoundNotOverdue, VoidDeclared, InvalidInput.
    """
    reason = public_reason(reason, MAX_REASON)
    with transaction.atomic():
        draw = Draw.objects.select_for_update(no_key=True, of=("self",)).get(pk=raffle_id)
        _refuse_unless_overdue(draw)
        # By the database's clock, which decides on the delay.
        Draw.objects.filter(pk=draw.pk).update(void_declared_at=Now(), void_reason=reason, due_at=Now())
        draw = Draw.objects.select_related("raffle").get(pk=draw.pk)
        after = {"reason": reason, "void_at": str(draw.void_at)}
        record("draw.void_declared", draw, actor=actor, before={"state": draw.state}, after=after)
    return draw


def _refuse_unless_overdue(draw: Draw) -> None:
    is_uncommitted = draw.state == Draw.State.FROZEN and draw.is_anchored
    if draw.state != Draw.State.COMMITTED and not is_uncommitted:
        raise NotVoidable(
            "Only a draw that waits for its round, or whose entries cannot be committed on the chain, can be declared "
            f"void. This one is {draw.state}."
        )
    if draw.void_at:
        text = f"The draw is already declared void. It can become void from {_text(draw.void_at)}."
        raise VoidDeclared(text, void_at=draw.void_at.isoformat())
    if is_uncommitted:
        return
    due, declarable = _due_and_declarable(draw)
    if database_now() < declarable:
        detail = f"Round {draw.round} was due at {_text(due)}; it can be declared void from {_text(declarable)} on."
        raise RoundNotOverdue(detail, declarable_at=declarable.isoformat())


def _due_and_declarable(draw: Draw) -> tuple[datetime, datetime]:
    due = datetime.fromtimestamp(draw.promised_beacon.time_of(draw.round or 0), UTC)
    return due, due + timedelta(seconds=draw.void_after)


def void_overdue(draw: Draw, void_at: datetime) -> None:
    """Committed → void, and cancel the raffle, for a declared draw whose round relays just failed to give.

    Raises StepWaits until `void_at`, here and, if there is a contract, on it; anyone can settle the contract until it
    has the void.
    """
    if draw.is_anchored:
        void_at = max(void_at, datetime.fromtimestamp(anchor_void_declaration(draw), UTC))
    if database_now() < void_at:
        reason = f"round {draw.round} is overdue; unless it appears before, the draw is void from {_text(void_at)} on"
        raise StepWaits(reason, Now() + AGAIN)
    _void(draw)


def void_uncommitted(draw: Draw, *, lapsed: str) -> bool:
    """Frozen → void, and cancel the raffle, for an anchored draw that can no longer be committed.

    At once if a final block says that it has lapsed, for the reason `lapsed`; else once a declared void is due, unless
    the contract has our commitment. Return False if it is not void (yet). Raises ChainError, BeaconError.
    """
    now = database_now()
    is_late = now.timestamp() > draw.commit_by
    is_due = draw.void_at is not None and now >= draw.void_at
    if not (is_late or is_due) or not is_uncommittable(draw, declared=is_due):
        return False
    with transaction.atomic():
        if reach(draw, Draw.State.VOID):
            raffle_services.void_raffle(draw.pk, reason=draw.void_reason or lapsed)
    return True


def settle_before_void(draw: Draw, signature: bytes) -> bool:
    """Have the contract settle a declared draw before it is drawn here; return False if the void came first and holds.

    After a declaration only the contract decides which came first: winners must be told what it says. The operator can
    also declare the void there directly, so the contract is asked once that is possible. Raises StepWaits until the
    settlement is confirmed, and StepStuck on a void that was not declared here.
    """
    declarable = _due_and_declarable(draw)[1]
    if draw.contract is None or (draw.void_declared_at is None and database_now() < declarable):
        return True
    state = clients.reading_chain().draw_state(draw.contract.address, bytes.fromhex(draw.manifest_hash))
    if state.status == DrawStatus.VOID:
        _follow_void(draw)
        return False
    if draw.void_declared_at is None and not state.void_at:
        return True
    draw.signature = signature.hex()
    anchor_settlement(draw)
    return True


def _follow_void(draw: Draw) -> None:
    """Void a draw that the contract has void, once that was declared here and the delay is over."""
    if draw.void_at is None:
        raise StepStuck("the contract has the draw void, which nobody declared here: see `manage.py void_draw`")
    if database_now() < draw.void_at:
        raise StepWaits(f"the contract has the draw void; here it is from {_text(draw.void_at)} on", draw.void_at)
    _void(draw)


def _void(draw: Draw) -> None:
    if draw.is_anchored:
        anchor_void(draw)
    with transaction.atomic():
        if reach(draw, Draw.State.VOID):
            raffle_services.void_raffle(draw.pk, reason=draw.void_reason)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
