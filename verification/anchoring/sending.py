"""Sending and tracking of transactions: one nonce each, and each version stored before it is sent.

Idempotent and safe in parallel: workers coordinate through the rows, and sending the same bytes twice is harmless.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from luxewin.clock import database_now
from verification.chain_types import Call, ChainRejected, ChainTooDear, Fees, Receipt
from verification.models import ChainAccount, ChainAttempt, ChainStep, ChainTransaction, Draw

if TYPE_CHECKING:
    from verification.chain import Chain

log = logging.getLogger(__name__)
State = ChainTransaction.State
REPEAT = timedelta(seconds=15)  # a node may have dropped what it took
GONE = {"block": None, "block_hash": "", "block_time": None, "gas_used": None}

# A call, and the draws' steps that it takes.
Planned = tuple[Call, Sequence[tuple[Draw, str]]]


def store_signed(chain: "Chain", plan: Callable[[], Sequence[Planned]]) -> list[ChainTransaction]:
    """Allot a nonce to each call from `plan`, sign it and store it, in one transaction.

    `plan` runs under the account's lock and leaves out steps that are live, so that only one worker signs a step.
    """
    observed = chain.next_nonce()
    account, _ = ChainAccount.objects.get_or_create(chain_id=chain.chain_id, address=chain.operator)
    stored = []
    with transaction.atomic():
        account = ChainAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        for call, steps in plan():
            signed = chain.sign(call, max(account.next_nonce, observed))
            account.next_nonce = signed.nonce + 1
            sent = ChainTransaction.objects.create(
                account=account,
                nonce=signed.nonce,
                to=call.transaction.get("to", ""),
                data=bytes.fromhex(call.transaction["data"].removeprefix("0x")),
                gas=call.transaction["gas"],
                hash=signed.hash,
            )
            _store_attempt(sent, signed.raw, signed.hash, call.fees)
            for draw, step in steps:
                take_step(draw, step, sent)
            stored.append(sent)
        account.save(update_fields=["next_nonce"])
    return stored


def take_step(draw: Draw, step: str, sent: ChainTransaction) -> None:
    """Record that this transaction takes the draw's step from now on, instead of any earlier one."""
    ChainStep.objects.filter(draw=draw, step=step, live=True).exclude(transaction=sent).update(live=False)
    ChainStep.objects.update_or_create(draw=draw, step=step, transaction=sent, defaults={"live": True})


def track(chain: "Chain", sent: ChainTransaction) -> ChainTransaction:
    """Update the row to what the chain says; if it is in no block, send it, again or with higher fees.

    Raises ChainError. Cost: two requests if it is mined, three or four if not.
    """
    if sent.state in (State.MINED, State.DONE, State.FINAL):
        sent = _check_place(chain, sent)
    if sent.state == State.SIGNED:
        sent = _look_for(chain, sent)
    if sent.state == State.SIGNED and sent.account_id:
        send(chain, sent)
    return sent


def send(chain: "Chain", sent: ChainTransaction) -> None:
    """Send the newest version to a node, again after a while, with higher fees if stuck. Raises ChainError."""
    attempt = _newest(sent)
    if attempt.sent_at and database_now() - attempt.sent_at >= timedelta(seconds=settings.CHAIN_STUCK_SECONDS):
        try:
            attempt = _replacement(chain, sent, attempt) or attempt
        except ChainTooDear:
            # Nodes may have dropped it, and it is good enough once fees fall; until then they may refuse it.
            with suppress(ChainRejected):
                _offer(chain, sent, attempt)
            raise
    _offer(chain, sent, attempt)


def _offer(chain: "Chain", sent: ChainTransaction, attempt: ChainAttempt) -> None:
    """Send this version to a node, unless that was done within REPEAT."""
    if attempt.repeated_at and database_now() - attempt.repeated_at < REPEAT:
        return
    try:
        chain.broadcast(bytes(attempt.raw))
    except ChainRejected:
        # If the nonce is spent, on ours or another's, the next look tells by receipts, not by a node's message.
        if sent.account is None or chain.nonces_used(sent.account.address) <= (sent.nonce or 0):
            raise
    ChainAttempt.objects.filter(pk=attempt.pk, sent_at=None).update(sent_at=Now())
    ChainAttempt.objects.filter(pk=attempt.pk).update(repeated_at=Now())


def _check_place(chain: "Chain", sent: ChainTransaction) -> ChainTransaction:
    """Check that its block is still in the chain, and how deep it is; return the updated row."""
    number = sent.block or 0
    found = chain.block(number)
    if found is None:
        return sent  # this node is behind
    # A node may also have lied about the block's date, or this one does now: two nodes say what it is.
    if (found.hash, found.timestamp) != (sent.block_hash, sent.block_time):
        log.warning("block %s of transaction %s was reorganised away, or has another date", number, sent.hash)
        # As if it had never been sent. Other recent transactions are checked as soon as possible.
        sent.attempts.update(sent_at=None, repeated_at=None)
        ChainTransaction.objects.filter(state__in=(State.MINED, State.DONE)).update(due_at=Now())
        return _note(sent, state=State.SIGNED, **GONE)
    if sent.state == State.FINAL:
        return sent
    state = _depth_state(chain, number)
    # A transaction that counts keeps counting when a node is behind.
    if state in (sent.state, State.MINED):
        return sent
    # One node's word that the block is still there is not enough for the transaction to count.
    return _note(sent, state=state) if chain.block(number, decisive=True) == found else sent


def _look_for(chain: "Chain", sent: ChainTransaction) -> ChainTransaction:
    """Check if one of its versions is in a block, or its nonce spent on another for good; return the updated row."""
    if found := _receipt(chain, sent):
        return _note_receipt(chain, sent, *found)
    if sent.account is None:
        return _note(sent, state=State.LOST)
    settled = chain.head(decisive=True) - settings.CHAIN_CONFIRMATIONS + 1
    spent = settled >= 0 and chain.nonces_used(sent.account.address, settled, decisive=True) > (sent.nonce or 0)
    if not spent:
        return sent
    # Ours may have been mined since we looked.
    if found := _receipt(chain, sent):
        return _note_receipt(chain, sent, *found)
    log.warning("nonce %s of %s is spent on another transaction than ours", sent.nonce, sent.account.address)
    return _note(sent, state=State.LOST)


def _receipt(chain: "Chain", sent: ChainTransaction) -> tuple[str, Receipt] | None:
    hashes = list(sent.attempts.order_by("-id").values_list("hash", flat=True)) or [sent.hash]
    for each in hashes:
        if receipt := chain.receipt(each, decisive=True):
            return each, receipt
    return None


def _note_receipt(chain: "Chain", sent: ChainTransaction, mined: str, receipt: Receipt) -> ChainTransaction:
    state = _depth_state(chain, receipt.block_number)
    if not receipt.succeeded:
        if state == State.MINED:
            return sent  # it may still succeed in another block
        state = State.REVERTED
    place = {"block": receipt.block_number, "block_hash": receipt.block_hash, "block_time": receipt.block_timestamp}
    return _note(sent, state=state, hash=mined, gas_used=receipt.gas_used, **place)


def _depth_state(chain: "Chain", block: int) -> State:
    """Return how far a transaction in this block counts, by the tip that two nodes have reached.

    It is final only if the nodes call its block `finalized` too, where they know that tag.
    """
    depth = chain.head(decisive=True) - block + 1
    if depth < settings.CHAIN_CONFIRMATIONS:
        return State.MINED
    if depth < max(settings.CHAIN_FINAL_BLOCKS, settings.CHAIN_CONFIRMATIONS):
        return State.DONE
    final = chain.finalized()
    return State.FINAL if final is None or final.number >= block else State.DONE


def _note(sent: ChainTransaction, **facts: object) -> ChainTransaction:
    """Store what was found, unless another worker has written since; return the row as it is now."""
    as_seen = ChainTransaction.objects.filter(pk=sent.pk, state=sent.state, block_hash=sent.block_hash)
    as_seen.update(**facts)
    return ChainTransaction.objects.select_related("account").get(pk=sent.pk)


def _replacement(chain: "Chain", sent: ChainTransaction, former: ChainAttempt) -> ChainAttempt | None:
    """Sign and store the same call and nonce with higher fees; return None if this transaction is not the stuck one.

    Raises ChainTooDear at the cap.
    """
    account, nonce = sent.account, sent.nonce or 0
    if account is None or account.address != chain.operator:
        return None  # another key's: only the same bytes can be sent again
    used = chain.nonces_used(account.address)
    if used > nonce:
        return None
    if used < nonce:
        _revive(account, used)
    market, offered = chain.fees(), Fees(former.max_fee, former.tip)
    if used != nonce and offered.most >= market.base + market.tip:
        return None
    raised = market.raised_over(offered)
    if raised.most > chain.max_fee:
        raise ChainTooDear(raised.most, chain.max_fee)
    signed = chain.sign(chain.call_of(sent.to, bytes(sent.data), sent.gas or 0, raised), nonce)
    with transaction.atomic():
        ChainTransaction.objects.select_for_update(no_key=True, of=("self",)).get(pk=sent.pk)
        if (newest := _newest(sent)).pk != former.pk:
            return newest
        ChainTransaction.objects.filter(pk=sent.pk, state=State.SIGNED).update(hash=signed.hash)
        log.warning("transaction %s is stuck: %s replaces it, at %s wei", former.hash, signed.hash, raised.most)
        return _store_attempt(sent, signed.raw, signed.hash, raised)


def _revive(account: ChainAccount, nonce: int) -> None:
    """Send transactions given up at this nonce again, which a reorganisation has made free."""
    given_up = ChainTransaction.objects.filter(account=account, nonce=nonce, state__in=ChainTransaction.DEAD)
    if given_up.update(state=State.SIGNED, **GONE):
        log.warning("nonce %s of %s is free again after a reorganisation", nonce, account.address)


def _newest(sent: ChainTransaction) -> ChainAttempt:
    return sent.attempts.order_by("-id")[0]


def _store_attempt(sent: ChainTransaction, raw: bytes, transaction_hash: str, fees: Fees) -> ChainAttempt:
    return ChainAttempt.objects.create(
        transaction=sent, raw=raw, hash=transaction_hash, max_fee=fees.most, tip=fees.tip
    )
