"""Anchoring: the steps of a draw on its chain, as stored transactions that are sent at most once each.

Without a chain the same functions answer from the clock. No function here may be called inside a transaction.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from verification import doors
from verification.errors import ContractMissing, StepWaits
from verification.models import ChainAccount, ChainTransaction, Contract, Draw, DrawSequence
from verification.onchain import Call, ChainRejected, ChainUnavailable, DrawStatus, Receipt

if TYPE_CHECKING:
    from verification.chain import Chain

Step = ChainTransaction.Step
POLL = timedelta(seconds=1)


def current_contract() -> Contract | None:
    """The contract of draws promised now: CHAIN_CONTRACT, or the newest that was deployed; None without a chain.

    Asks nobody: a draw is promised whether its chain answers or not. Raises ContractMissing if nothing was deployed.
    """
    if not settings.CHAIN_RPC_URLS:
        return None
    if contract := _known_contract():
        return contract
    raise ContractMissing("Run `manage.py deploy_contract` first, so that this raffle's draw can be anchored.")


def deploy_contract() -> Contract:
    """Deploys the draw contract for the configured beacon and waits until it is mined, unless there is one."""
    chain = _configured_chain()
    known = _known_contract()
    if known and chain.has_code(known.address):
        return known
    beacon = doors.beacon()
    # Numbers have no gap, whichever contract counts them.
    first = (DrawSequence.objects.values_list("last", flat=True).first() or 0) + 1
    known_round = max(1, beacon.first_round_at(int(time.time())) - 2)
    signature = doors.client_of(beacon).fetch(known_round)
    address, transaction_hash = chain.deploy(
        beacon, known_round=known_round, known_signature=signature, first_sequence=first
    )
    _wait_for(chain, transaction_hash)
    return Contract.objects.create(chain_id=chain.chain_id, address=address, transaction=transaction_hash)


def _known_contract() -> Contract | None:
    if settings.CHAIN_CONTRACT:
        contract, _ = Contract.objects.get_or_create(chain_id=settings.CHAIN_ID, address=settings.CHAIN_CONTRACT)
        return contract
    return Contract.objects.filter(chain_id=settings.CHAIN_ID).order_by("-pk").first()


def anchor_promise(draw: Draw) -> None:
    """The contract binds the draw's number to its manifest. Raises StepWaits until that is mined, or ChainError."""
    if contract := draw.contract:
        # The contract takes the numbers one after the other.
        earlier = Draw.objects.filter(contract=contract, sequence__lt=draw.sequence, state=Draw.State.PROMISED)
        if earlier.exists():
            raise StepWaits("an earlier draw is not announced yet", timezone.now() + POLL)
        _anchored(
            draw,
            Step.ANNOUNCE,
            lambda chain: chain.prepare_announce(
                contract.address, _hash(draw), sequence=draw.sequence, delay_seconds=draw.raffle.delay_seconds
            ),
        )


def anchor_commit(draw: Draw, *, root: bytes, tickets: int, wanted: int) -> int:
    """Publishes the root; returns when, in Unix seconds: the block's time, or now without a chain."""
    contract = draw.contract
    if contract is None:
        return int(time.time())
    return _anchored(
        draw,
        Step.COMMIT,
        lambda chain: chain.prepare_commit(contract.address, _hash(draw), root=root, tickets=tickets, wanted=wanted),
    )


def anchor_settlement(draw: Draw) -> list[int]:
    """Has the contract verify the round's signature and draw by itself; returns the indices that it picked.

    Anyone may have settled it before us: then only the picks are read.
    """
    contract = draw.contract
    if contract is None:
        raise ValueError("a draw without a chain is not settled on one")
    chain = _configured_chain()
    if chain.draw_state(contract.address, _hash(draw)).status == DrawStatus.SETTLED:
        _note_settlement(chain, draw)
    else:
        signature = bytes.fromhex(draw.signature)
        _anchored(
            draw, Step.SETTLE, lambda chain: chain.prepare_settle(contract.address, _hash(draw), signature=signature)
        )
    return chain.settled_picks(contract.address, _hash(draw))


def _note_settlement(chain: "Chain", draw: Draw) -> None:
    """Keeps the receipt of our settlement; if another's came first, ours was reverted, or was never made."""
    mine = ChainTransaction.objects.filter(draw=draw, step=Step.SETTLE, block=None).first()
    receipt = mine and chain.receipt(mine.hash)
    if mine and receipt and receipt.succeeded:
        _store_receipt(mine, receipt)


def _anchored(draw: Draw, step: str, prepare: Callable[["Chain"], Call]) -> int:
    """Sees to it that the step's transaction is mined; returns its block's time. Raises StepWaits until it is."""
    chain = _configured_chain()
    stored = ChainTransaction.objects.filter(draw=draw, step=step).first() or _sign_and_store(
        chain, draw, step, prepare
    )
    if stored.block is not None:
        return stored.block_time or 0
    receipt = chain.receipt(stored.hash)
    if receipt is None:
        chain.broadcast(bytes(stored.raw))
        ChainTransaction.objects.filter(pk=stored.pk, sent_at=None).update(sent_at=timezone.now())
        raise StepWaits(f"{step} {stored.hash} is not mined yet", timezone.now() + POLL)
    if not receipt.succeeded:
        raise ChainRejected(f"{step} {stored.hash} was mined and reverted; an operator must look")
    _store_receipt(stored, receipt)
    return receipt.block_timestamp


def _sign_and_store(chain: "Chain", draw: Draw, step: str, prepare: Callable[["Chain"], Call]) -> ChainTransaction:
    """The network is asked first, then a nonce is allotted and the signed bytes are stored in one transaction."""
    call, observed = prepare(chain), chain.next_nonce()
    account, _ = ChainAccount.objects.get_or_create(chain_id=chain.chain_id, address=chain.operator)
    with transaction.atomic():
        account = ChainAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        if existing := ChainTransaction.objects.filter(draw=draw, step=step).first():
            return existing
        signed = chain.sign(call, max(account.next_nonce, observed))
        account.next_nonce = signed.nonce + 1
        account.save(update_fields=["next_nonce"])
        return ChainTransaction.objects.create(
            draw=draw, step=step, nonce=signed.nonce, raw=signed.raw, hash=signed.hash
        )


def _store_receipt(stored: ChainTransaction, receipt: Receipt) -> None:
    ChainTransaction.objects.filter(pk=stored.pk).update(
        block=receipt.block_number,
        block_hash=receipt.block_hash,
        block_time=receipt.block_timestamp,
        gas_used=receipt.gas_used,
    )


def _configured_chain() -> "Chain":
    chain = doors.chain()
    if chain is None:
        raise ChainUnavailable("CHAIN_RPC_URL is not set, and this draw is promised on a chain")
    return chain


def _wait_for(chain: "Chain", transaction_hash: str, seconds: int = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        receipt = chain.receipt(transaction_hash)
        if receipt is not None:
            if receipt.succeeded:
                return
            raise ChainRejected(f"the deployment {transaction_hash} reverted: the chain may lack the BLS precompiles")
        time.sleep(0.3)
    raise ChainUnavailable(f"the deployment {transaction_hash} was not mined within {seconds} s")


def _hash(draw: Draw) -> bytes:
    return bytes.fromhex(draw.manifest_hash)
