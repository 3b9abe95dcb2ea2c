"""Proof: the bundle of a drawn draw, as the protocol defines it (hex without 0x)."""

from typing import Any

from django.conf import settings

from verification.errors import CommitmentMoves
from verification.manifest import PROTOCOL
from verification.models import ChainStep, Draw, Pick


def bundle(draw: Draw) -> dict[str, Any]:
    """Return all that a verifier of a drawn draw needs besides the entries file. Cost: the queries of `for_display`.

    Raises CommitmentMoves while the commitment of an anchored draw is in no block.
    """
    return {
        "protocol": PROTOCOL,
        "raffle": str(draw.raffle_id),
        "manifest": draw.manifest,
        "manifest_hash": draw.manifest_hash,
        "entries": {"root": draw.root, "tickets": draw.tickets, "count": draw.entries, "url": entries_url(draw)},
        "commitment": _commitment(draw),
        "beacon": draw.promised_beacon.as_manifest()
        | {"round": draw.round, "signature": draw.signature, "randomness": draw.randomness},
        "seed": draw.seed,
        "picks": [_pick(pick) for pick in draw.picks.all()],
        "settlement": _place(draw, ChainStep.Step.SETTLE),
    }


def entries_url(draw: Draw) -> str:
    """Return the URL of the entries file."""
    return f"{settings.PUBLIC_URL}/api/v1/verification/{draw.raffle_id}/entries.csv"


def _commitment(draw: Draw) -> dict[str, Any]:
    place = _place(draw, ChainStep.Step.COMMIT)
    if draw.is_anchored and place is None:
        raise CommitmentMoves("The chain was reorganised. The entries are being published again. Try again soon.")
    contract = draw.contract
    return {
        "anchored": draw.is_anchored,
        "committed_at": draw.committed_at,
        "chain_id": contract.chain_id if contract else None,
        "contract": _bare(contract.address) if contract else None,
    } | (place or {"transaction": None, "block": None})


def _place(draw: Draw, step: str) -> dict[str, Any] | None:
    for taken in draw.steps.all():
        if taken.step == step and taken.live and taken.transaction.block is not None:
            return {"transaction": _bare(taken.transaction.hash), "block": taken.transaction.block}
    return None


def _bare(text: str) -> str:
    return text.lower().removeprefix("0x")


def _pick(pick: Pick) -> dict[str, Any]:
    return {
        "position": pick.position,
        "role": pick.role,
        "prize": pick.prize.name if pick.prize else None,
        "index": pick.index,
        "ticket": pick.ticket,
        "entry_id": str(pick.purchase.entry_id),
        "first_ticket": pick.purchase.first_ticket,
        "count": pick.purchase.quantity,
        "path": pick.path,
    }
