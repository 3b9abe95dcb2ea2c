"""What the contract says of a draw. Two nodes must agree on what decides; see `Chain`."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models.functions import Now

from verification import clients, picks
from verification.beacon import BeaconUnavailable, RoundNotYet, randomness
from verification.chain_types import Block, DrawState, DrawStatus
from verification.errors import Contradiction, StepStuck, StepWaits
from verification.models import Draw

if TYPE_CHECKING:
    from verification.chain import Chain

POLL = timedelta(seconds=1)
CLOCKS = 3600  # seconds by which the chain's clock may differ from ours, at the very most


def check_announced(draw: Draw) -> bool:
    """Whether an anchored draw can still be committed, as the contract says; False once it has lapsed for good.

    Raises Contradiction if the contract has a commitment already, StepWaits if a node lacks the announcement, or if
    the draw has lapsed and no final block says so yet.
    """
    if draw.contract is None:
        return True
    chain = clients.reading_chain()
    state = agreed_state(chain, draw)
    if state.status == DrawStatus.UNKNOWN:
        raise StepWaits("a node that is behind does not have the announcement yet", Now() + POLL)
    if is_committed(state):
        raise Contradiction(
            f"the contract has a commitment of draw {draw.sequence} before its entries are fixed: "
            "somebody else signs with the operator's key"
        )
    if state.status != DrawStatus.LAPSED:
        return True
    if not _has_lapsed(chain, draw):
        raise StepWaits("the draw has lapsed on the chain, and no final block says so yet", Now() + 10 * POLL)
    return False


def is_uncommittable(draw: Draw, *, declared: bool) -> bool:
    """Whether an anchored draw with frozen entries can end without a word of the contract's: its money is stuck else.

    True once a final block says that it has lapsed; if a void was `declared` and is due, also while the contract, if
    it is still there, has no commitment or another than ours. Ours ends by its settlement, or by a void on the chain:
    otherwise withholding would be a veto. Needs no operator's key. Raises ChainError, BeaconError.
    """
    if draw.contract is None:
        return False
    chain = clients.reading_chain()
    if not chain.code_at(draw.contract.address, chain.head(decisive=True), decisive=True):
        return declared
    if _has_lapsed(chain, draw):
        return True
    state = agreed_state(chain, draw)
    return declared and not (is_committed(state) and is_ours(draw, state))


def is_void_there(draw: Draw) -> bool:
    """Whether the contract has the draw void, as two nodes say. Raises ChainError."""
    return draw.contract is not None and agreed_state(clients.reading_chain(), draw).status == DrawStatus.VOID


def has_lost_commitment(draw: Draw) -> bool:
    """Whether an anchored draw's commitment, which counted once, is gone from its chain for good.

    A final block says that the draw has lapsed, or has another commitment; or it is dated after ours, and neither the
    draw is announced there nor, perhaps, the contract deployed. One that is announced is committed again, or lapses.
    Raises ChainError, BeaconError.
    """
    if draw.contract is None or draw.committed_at is None:
        return False
    chain = clients.reading_chain()
    final = _final_block(chain)
    state = _state_at(chain, draw, final.number)
    if state is None or state.status == DrawStatus.UNKNOWN:
        return final.timestamp >= draw.committed_at
    return state.status == DrawStatus.LAPSED or (is_committed(state) and not is_ours(draw, state))


def _has_lapsed(chain: "Chain", draw: Draw) -> bool:
    """Whether the contract says, as of a block that is final, that the draw was not committed in time."""
    state = _state_at(chain, draw, _final_block(chain).number)
    return state is not None and state.status == DrawStatus.LAPSED


def _final_block(chain: "Chain") -> Block:
    """Return the newest block that is final, by the nodes' tag or by its depth, as two nodes say."""
    if final := chain.finalized():
        return final
    number = max(0, chain.head(decisive=True) - settings.CHAIN_FINAL_BLOCKS)
    if found := chain.block(number, decisive=True):
        return found
    raise StepWaits(f"a node that is behind does not have block {number}", Now() + POLL)


def _state_at(chain: "Chain", draw: Draw, number: int) -> DrawState | None:
    """Read the draw from the contract as of this block; None where the contract is younger than the block."""
    address = draw.contract.address if draw.contract else ""
    if not chain.code_at(address, number, decisive=True):
        return None
    return chain.draw_state(address, hash_of(draw), number, decisive=True)


def is_ours(draw: Draw, state: DrawState) -> bool:
    """Whether the contract's commitment is the frozen one. Raises BeaconError.

    Once settled, the seed stands in its place: it follows from the commitment and the round's signature.
    """
    commitment = bytes.fromhex(draw.commitment)
    if state.status != DrawStatus.SETTLED:
        return state.commitment == commitment
    source = draw.promised_beacon
    seed = picks.seed(
        chain_hash=source.chain_hash,
        round=state.round,
        randomness=randomness(_signature_of(draw, state.round)),
        manifest_hash=hash_of(draw),
        commitment=commitment,
        tickets=draw.tickets or 0,
    )
    return seed == state.seed


def _signature_of(draw: Draw, number: int) -> bytes:
    """Fetch the signature of a round that the contract has settled, from a relay or from that transaction."""
    source = draw.promised_beacon
    try:
        return clients.client_of(source).fetch(number)
    except (RoundNotYet, BeaconUnavailable):
        signature = settled_with(draw)
        if signature is None or not source.verify(number, signature):
            raise
        return signature


def check_round(draw: Draw, committed_at: int, number: int) -> None:
    """Compare time and round of a confirmed commitment with the contract's own, on which two nodes must agree.

    Raises Contradiction if they differ: a node lies, or the contract draws with another beacon than the manifest names.
    """
    if draw.contract is None:
        return
    state = agreed_state(clients.reading_chain(), draw)
    if not is_committed(state):
        raise StepWaits("a node that is behind does not have the commitment yet", Now() + POLL)
    same(draw, "moment or round", (committed_at, number), state.committed_at, state.round)


def settled_with(draw: Draw) -> bytes | None:
    """Return the unverified signature with which anyone settled the draw on its contract; None if it is not settled.

    Raises StepStuck if the transaction does not show it.
    """
    contract = draw.contract
    if contract is None:
        return None
    chain = clients.reading_chain()
    if chain.draw_state(contract.address, hash_of(draw)).status != DrawStatus.SETTLED:
        return None
    taken_by = chain.transaction_of(contract.address, "Settled", hash_of(draw), not_before=since(draw))
    if taken_by is None:
        raise StepWaits("the contract is settled, and no node shows its event yet", Now() + POLL)
    signature = chain.signature_in(taken_by)
    if signature is None:
        raise StepStuck(
            f"the contract was settled by {taken_by}, which does not show the signature of round {draw.round}: "
            "hand it in with `manage.py draw_raffle ID --signature HEX`"
        )
    return signature


def agreed_state(chain: "Chain", draw: Draw) -> DrawState:
    """Read the draw from the contract in the newest block that two nodes have; they must agree on it."""
    address = draw.contract.address if draw.contract else ""
    return chain.draw_state(address, hash_of(draw), chain.head(decisive=True), decisive=True)


def is_committed(state: DrawState) -> bool:
    return state.status in (DrawStatus.COMMITTED, DrawStatus.SETTLED, DrawStatus.VOID)


def same(draw: Draw, what: str, ours: tuple[object, ...], *theirs: object) -> bool:
    if ours == theirs:
        return True
    ours_text, theirs_text = (", ".join(_text(each) for each in values) for values in (ours, theirs))
    raise Contradiction(
        f"the contract has another {what} of draw {draw.sequence} ({theirs_text}) than ours ({ours_text})"
    )


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def since(draw: Draw) -> int:
    """Return a time, in Unix seconds, before which the contract has no event of the draw."""
    return int(draw.raffle.created_at.timestamp()) - CLOCKS


def hash_of(draw: Draw) -> bytes:
    return bytes.fromhex(draw.manifest_hash)
