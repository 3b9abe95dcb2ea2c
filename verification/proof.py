"""Proof: the bundle of a draw whose files are public, as the protocol defines it (hex without 0x)."""

from typing import Any

from django.conf import settings

from verification.errors import CommitmentMoves
from verification.manifest import PROTOCOL
from verification.models import ChainStep, ChainTransaction, Draw, Pick

Step = ChainStep.Step


def bundle(draw: Draw) -> dict[str, Any]:
    """Return all that a verifier of a published draw needs besides entries and log; null is what does not exist yet.

    Raises CommitmentMoves while the commitment of an anchored draw is in no block. Cost: the queries of `for_display`.
    """
    return {
        "protocol": PROTOCOL,
        "raffle": str(draw.raffle_id),
        "manifest": draw.manifest,
        "manifest_hash": draw.manifest_hash,
        "entries": {
            "root": draw.root,
            "tickets": draw.tickets,
            "count": draw.entries,
            "url": f"{_url(draw)}/entries.csv",
        },
        "log": {"root": draw.log_root, "size": draw.log_size, "url": f"{_url(draw)}/log"},
        "commitment": draw.commitment,
        "place": _place(draw),
        "beacon": {"round": draw.round, "signature": draw.signature or None, "randomness": draw.randomness or None},
        "seed": draw.seed or None,
        "picks": [_pick(pick) for pick in draw.picks.all()],
        "settlement": _block(draw, Step.SETTLE),
    }


def is_final(draw: Draw) -> bool:
    """Whether the bundle can never change: the draw is over, and all its blocks are too deep to be reorganised."""
    return draw.is_over and all(step.transaction.state == ChainTransaction.State.FINAL for step in draw.steps.all())


def _url(draw: Draw) -> str:
    return f"{settings.PUBLIC_URL}/api/v1/verification/{draw.raffle_id}"


def _place(draw: Draw) -> dict[str, Any]:
    commit = _block(draw, Step.COMMIT)
    if draw.is_anchored and draw.committed_at is not None and commit is None:
        raise CommitmentMoves("The chain was reorganised. The commitment is being published again. Try again soon.")
    return {"committed_at": draw.committed_at, "announce": _block(draw, Step.ANNOUNCE), "commit": commit}


def _block(draw: Draw, step: str) -> dict[str, Any] | None:
    for taken in draw.steps.all():
        if taken.step == step and taken.live and taken.transaction.block is not None:
            return {"transaction": taken.transaction.hash.lower(), "block": taken.transaction.block}
    return None


def _pick(pick: Pick) -> dict[str, Any]:
    return {
        "position": pick.position,
        "role": pick.role,
        "prize": pick.prize and pick.prize.position,
        "index": pick.index,
        "ticket": pick.ticket,
        "entry_id": str(pick.purchase.entry_id),
        "first_ticket": pick.purchase.first_ticket,
        "count": pick.purchase.quantity,
        "holder": bytes(pick.purchase.holder).hex(),
        "path": pick.path,
    }
