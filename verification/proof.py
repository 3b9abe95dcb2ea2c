"""Proof: the bundle, the entries file and the buyer's path, as the protocol has them (hex without 0x)."""

import csv
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from purchases.models import Purchase
from verification.manifest import PROTOCOL
from verification.models import ChainTransaction, Draw, Pick

FROZEN_STATES = (Draw.State.FROZEN, Draw.State.COMMITTED, Draw.State.DRAWN, Draw.State.SETTLED)
DRAWN_STATES = (Draw.State.DRAWN, Draw.State.SETTLED)


def bundle(draw: Draw) -> dict[str, Any]:
    """Everything that a verifier needs beside the entries file, of a drawn draw. Cost: the queries of `for_display`."""
    from verification.services import promised_beacon

    source = promised_beacon(draw)
    return {
        "protocol": PROTOCOL,
        "raffle": str(draw.raffle_id),
        "manifest": draw.manifest,
        "manifest_hash": draw.manifest_hash,
        "entries": {"root": draw.root, "tickets": draw.tickets, "count": draw.entries, "url": entries_url(draw)},
        "commitment": _commitment(draw),
        "beacon": source.as_manifest()
        | {"round": draw.round, "signature": draw.signature, "randomness": draw.randomness},
        "seed": draw.seed,
        "picks": [_pick(pick) for pick in draw.picks.all()],
        "settlement": _place(draw, ChainTransaction.Step.SETTLE),
    }


def entries_url(draw: Draw) -> str:
    """Where the entries file is served."""
    return f"{settings.PUBLIC_URL}/api/v1/verification/{draw.raffle_id}/entries.csv"


def entries_csv(draw: Draw) -> Iterator[str]:
    """The entries file, line by line: memory stays flat for any number of entries."""
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow(("entry_id", "first_ticket", "count"))
    for entry in Purchase.objects.filter(raffle=draw.raffle_id).entries():
        yield writer.writerow(entry)


class _Echo:
    """What csv writes to: it gives each line back."""

    def write(self, line: str) -> str:
        return line


def _commitment(draw: Draw) -> dict[str, Any]:
    place = _place(draw, ChainTransaction.Step.COMMIT) or {"transaction": None, "block": None}
    contract = draw.contract
    return {
        "anchored": draw.is_anchored,
        "committed_at": draw.committed_at,
        "chain_id": contract.chain_id if contract else None,
        "contract": _bare(contract.address) if contract else None,
    } | place


def _place(draw: Draw, step: str) -> dict[str, Any] | None:
    for sent in draw.transactions.all():
        if sent.step == step and sent.block is not None:
            return {"transaction": _bare(sent.hash), "block": sent.block}
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
