"""The steps of a draw on its contract, each taken by one transaction, ours or somebody else's.

The contract's own state decides: it is read before anything is signed, and whenever our transaction is not mined yet.
Each function returns once the step is confirmed (CHAIN_CONFIRMATIONS); until then it raises StepWaits or ChainError.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now

from luxewin.clock import database_now
from luxewin.draw_bounds import DEVELOPMENT_CHAIN
from verification import clients
from verification.anchoring.contract_state import (
    POLL,
    agreed_state,
    hash_of,
    is_committed,
    is_ours,
    same,
    since,
)
from verification.anchoring.sending import Planned, send, store_signed, take_step, track
from verification.chain_types import Call, ChainRejected, DrawState, DrawStatus
from verification.contract import MAX_DRAWS
from verification.errors import Contradiction, StepStuck, StepWaits
from verification.models import ChainAttempt, ChainStep, ChainTransaction, Draw, LogLeaf

if TYPE_CHECKING:
    from verification.chain import Chain

Step = ChainStep.Step
State = ChainTransaction.State
# How long a draw waits for others of its round about to be drawn: settled together they cost a third each.
GATHER = timedelta(seconds=5)
SKEW = 60  # seconds by which our clock and the date of a block may differ


@dataclass(frozen=True, slots=True)
class _ContractCall:
    """A step of a draw: whether the contract has it, the event that says so, and the function that signs it."""

    draw: Draw
    step: Step
    event: str
    holds: Callable[[DrawState], bool]
    sign: Callable[["Chain"], None]


def anchor_promise(draw: Draw) -> None:
    """Have the contract bind the draw's number to its manifest, for good: a later block would spoil the draw.

    Raises StepWaits until the block is final, by its depth, and its date has passed; on a development chain it need
    only be confirmed.
    """
    if draw.contract is None:
        return

    def holds(state: DrawState) -> bool:
        if state.status == DrawStatus.UNKNOWN:
            return False
        ours = draw.pk.bytes, draw.sequence, draw.terms["delay_seconds"], draw.commit_by
        theirs = state.raffle, state.sequence, state.delay_seconds, state.commit_by
        return same(draw, "announcement", ours, *theirs)

    deed = _ContractCall(draw, Step.ANNOUNCE, "Announced", holds, lambda chain: _sign_announcements(chain, draw))
    sent = _done(deed)
    if sent.state != State.FINAL and draw.contract.chain_id != DEVELOPMENT_CHAIN:
        raise StepWaits(f"the announcement {sent.hash} is not final yet", Now() + 10 * POLL)
    if (sent.block_time or 0) > database_now().timestamp():
        raise StepWaits("the announcement's block is dated ahead of our clock", Now() + POLL)


def await_commit(draw: Draw) -> None:
    """Raise StepWaits while a transaction that commits the draw is under way, so that its entries need not be read."""
    sent, contract = _live(draw, Step.COMMIT), draw.contract
    if contract is None or sent is None or sent.state not in (State.SIGNED, State.MINED):
        return
    chain = clients.following_chain()
    sent = track(chain, sent)
    # While ours is in no block, the contract may have somebody else's.
    is_awaited = sent.state == State.MINED or (
        sent.state == State.SIGNED and not is_committed(chain.draw_state(contract.address, hash_of(draw)))
    )
    if is_awaited:
        raise _waits(Step.COMMIT, sent)


def commit_counts(draw: Draw) -> bool:
    """Whether the transaction that commits the draw was in a block, deep enough, when it was last looked at."""
    sent = _live(draw, Step.COMMIT)
    return sent is not None and sent.state in ChainTransaction.COUNTS


def anchor_commit(draw: Draw) -> int | None:
    """Commit the published entries and log on the chain; return the block's time in Unix seconds.

    If a reorganisation dropped the commitment, send it again. Return None without a chain.
    """
    contract = draw.contract
    if contract is None:
        return None
    commitment, tickets = bytes.fromhex(draw.commitment), draw.tickets or 0
    wanted = min(tickets, draw.wanted)

    def holds(state: DrawState) -> bool:
        if not is_committed(state):
            return False
        theirs = commitment if is_ours(draw, state) else state.commitment
        return same(draw, "commitment", (commitment, tickets, wanted), theirs, state.tickets, state.wanted)

    def sign(chain: "Chain") -> None:
        _await_chain_time(chain, draw)
        call = chain.prepare_commit(
            contract.address, manifest_hash=hash_of(draw), commitment=commitment, tickets=tickets, wanted=wanted
        )
        _sign_for(chain, call, Step.COMMIT, [draw])

    return _plausible_time(draw, _done(_ContractCall(draw, Step.COMMIT, "Committed", holds, sign)))


def _await_chain_time(chain: "Chain", draw: Draw) -> None:
    """Raise StepWaits until a commitment cannot be dated before the end of the sale or the log's last leaf.

    Blocks' dates do not decrease, so the newest block's date bounds that of the block that takes the commitment in.
    """
    newest, now = chain.block(chain.head()), database_now().timestamp()
    if newest is None:
        raise StepWaits("a node that is behind does not have its newest block", Now() + POLL)
    leaves = LogLeaf.objects.filter(raffle=draw.pk, kind__in=LogLeaf.ENTRY)
    last = leaves.aggregate(at=Max("at"), ticket=Max(F("a") + F("b") - 1))
    is_sold_out = last["ticket"] == draw.raffle.capacity
    bound = max(0 if is_sold_out else draw.raffle.closes_at.timestamp(), last["at"])
    if newest.timestamp < bound:
        raise StepWaits(f"the chain's newest block is dated {int(bound) - newest.timestamp} s too early", Now() + POLL)
    is_off = abs(newest.timestamp - now) > SKEW and chain.chain_id != DEVELOPMENT_CHAIN
    if is_off or newest.timestamp > now + SKEW:
        apart = int(newest.timestamp - now)
        raise StepWaits(f"our clock and the chain's newest block differ by {apart} s", Now() + POLL)


def _plausible_time(draw: Draw, sent: ChainTransaction) -> int:
    """Return the time of the commitment's block, if a node can be believed about it; else raise Contradiction.

    With a time that is too early the round would be known already. The least delay is ten times SKEW.
    """
    attempt = sent.attempts.filter(hash=sent.hash).first()
    signed = attempt.created_at if attempt else draw.raffle.frozen_at
    said = sent.block_time or 0
    if signed and said < signed.timestamp() - SKEW:
        early = int(signed.timestamp() - said)
        raise Contradiction(f"a node dates the commitment {early} s before it was signed")
    if said > database_now().timestamp() + SKEW:
        raise Contradiction(f"a node dates the commitment {int(said - database_now().timestamp())} s into the future")
    return said


def anchor_settlement(draw: Draw) -> list[int]:
    """Have the contract verify the round's signature and draw by itself; return the indices that it picked.

    Anyone may settle before us; our draws that share a round are settled in one call.
    """
    if draw.contract is None:
        raise ValueError("a draw without a chain is not settled on one")

    def holds(state: DrawState) -> bool:
        if state.status == DrawStatus.VOID:
            raise Contradiction(f"the contract has draw {draw.sequence} void, and it was drawn here")
        return state.status == DrawStatus.SETTLED

    deed = _ContractCall(draw, Step.SETTLE, "Settled", holds, lambda chain: _sign_settlement(chain, draw))
    sent, chain = _done(deed), clients.reading_chain()
    # A call for several draws skips one that somebody else settled just before.
    if sent.steps.count() > 1 and _taken_by(chain, deed) != sent:
        raise StepWaits("somebody else settled the draw; that is being confirmed", Now())
    state = agreed_state(chain, draw)
    if state.status != DrawStatus.SETTLED:
        raise StepWaits("a node that is behind does not have the settlement yet", Now() + POLL)
    ours = draw.committed_at, draw.round, draw.tickets
    same(draw, "settlement", ours, state.committed_at, state.round, state.tickets)
    if draw.seed:  # else it is settled before it is drawn here
        same(draw, "seed", (draw.seed,), state.seed.hex())
    return chain.settled_picks(draw.contract.address, hash_of(draw), chain.head(decisive=True), decisive=True)


def anchor_void_declaration(draw: Draw) -> int:
    """Declare on the chain that the round never appeared; return from when it may be made void, in Unix seconds."""
    contract = draw.contract
    if contract is None:
        raise ValueError("a draw without a chain is not declared void on one")

    def sign(chain: "Chain") -> None:
        _sign_for(chain, chain.prepare_declare_void(contract.address, hash_of(draw)), Step.DECLARE_VOID, [draw])

    _done(_ContractCall(draw, Step.DECLARE_VOID, "VoidDeclared", lambda state: state.void_at > 0, sign))
    return clients.reading_chain().draw_state(contract.address, hash_of(draw)).void_at


def anchor_void(draw: Draw) -> None:
    """End a declared draw on the chain without a result. Raises ChainRejected if somebody has settled it."""
    contract = draw.contract
    if contract is None:
        raise ValueError("a draw without a chain is not made void on one")

    def sign(chain: "Chain") -> None:
        _sign_for(chain, chain.prepare_void(contract.address, hash_of(draw)), Step.VOID, [draw])

    _done(_ContractCall(draw, Step.VOID, "Voided", lambda state: state.status == DrawStatus.VOID, sign))


def _done(deed: _ContractCall) -> ChainTransaction:
    """Return the step's transaction once it counts; until then, advance it and raise StepWaits or ChainError."""
    sent = _live(deed.draw, deed.step)
    if sent and sent.state == State.FINAL:
        return sent
    chain = clients.following_chain()
    if sent:
        sent = track(chain, sent)
    if sent is None or sent.state in (State.SIGNED, *ChainTransaction.DEAD):
        if found := _taken_by(chain, deed):
            sent = track(chain, found)
        elif sent is None or sent.state != State.SIGNED:
            deed.sign(clients.required_chain())
            sent = _live(deed.draw, deed.step)
    if sent and sent.state in ChainTransaction.COUNTS:
        return sent
    raise _waits(deed.step, sent)


def _waits(step: str, sent: ChainTransaction | None) -> StepWaits:
    # If many blocks are needed, nothing changes within a second, and nodes limit requests.
    pause = POLL * max(1, min(10, settings.CHAIN_CONFIRMATIONS // 2))
    return StepWaits(_reason(step, sent), Now() + pause)


def _live(draw: Draw, step: str) -> ChainTransaction | None:
    taken = ChainStep.objects.filter(draw=draw, step=step, live=True)
    found = taken.select_related("transaction__account").first()
    return found.transaction if found else None


def _taken_by(chain: "Chain", deed: _ContractCall) -> ChainTransaction | None:
    """Find the transaction, ours or not, that took the step on the contract; None if the contract lacks the step."""
    draw, contract = deed.draw, deed.draw.contract
    if contract is None or not deed.holds(chain.draw_state(contract.address, hash_of(draw))):
        return None
    # One node's word is not enough for the step to count as taken.
    if not deed.holds(agreed_state(chain, draw)):
        raise StepWaits(f"a node that is behind does not have the {deed.step} yet", Now() + POLL)
    taken_by = chain.transaction_of(contract.address, deed.event, hash_of(draw), not_before=since(draw))
    if taken_by is None:
        raise StepWaits(f"the contract has the {deed.step}, and no node shows its event yet", Now() + POLL)
    with transaction.atomic():
        if ours := ChainAttempt.objects.filter(hash=taken_by).select_related("transaction").first():
            sent = ours.transaction
        else:
            sent, _ = ChainTransaction.objects.get_or_create(hash=taken_by)
        # Given up too early because a node was behind: the chain has it.
        ChainTransaction.objects.filter(pk=sent.pk, state=State.LOST).update(state=State.SIGNED)
        take_step(draw, deed.step, sent)
    return ChainTransaction.objects.select_related("account").get(pk=sent.pk)


def _sign_for(chain: "Chain", call: Call, step: Step, draws: list[Draw]) -> None:
    """Sign and send one transaction for a step of these draws, unless one of them has another by now."""

    def plan() -> list[Planned]:
        return [] if _have_live(step).filter(draw__in=draws).exists() else [(call, [(draw, step) for draw in draws])]

    _store_and_send(chain, plan)


def _store_and_send(chain: "Chain", plan: Callable[[], Sequence[Planned]]) -> None:
    """Sign, store and send in nonce order; what no node takes now is sent when it is next looked at."""
    for sent in store_signed(chain, plan):
        send(chain, sent)


def _sign_announcements(chain: "Chain", draw: Draw) -> None:
    """Announce all waiting draws, with consecutive nonces in the order of their draw numbers.

    The contract takes the numbers in order; so none waits for another's block.
    """
    contract = draw.contract
    if contract is None:
        return
    next_number = chain.next_sequence(contract.address)
    if next_number > draw.sequence:
        raise StepStuck(f"the contract is past the number {draw.sequence}, which it has under another manifest")
    # Not only promised draws: a reorganisation may have undone the announcement of one in a later state.
    missing = Draw.objects.filter(contract=contract, sequence__gte=next_number)

    def waiting() -> list[Draw]:
        announced = _have_live(Step.ANNOUNCE).values("draw")
        return list(missing.exclude(pk__in=announced).select_related("raffle", "contract").order_by("sequence"))

    # Only the number that the contract takes next can be simulated; the others cost the same.
    before = ChainTransaction.objects.filter(steps__step=Step.ANNOUNCE, steps__live=True, to=contract.address)
    gas = before.filter(state__in=(State.SIGNED, State.MINED, State.DONE)).values_list("gas", flat=True).last()
    like = chain.call_of(contract.address, b"", gas, chain.fees()) if gas else None
    calls: dict[object, Call] = {}
    for each in waiting():
        like = _announcement(chain, each, None if each.sequence == next_number else like)
        calls[each.pk] = like

    def plan() -> list[Planned]:
        return [(calls[each.pk], [(each, Step.ANNOUNCE)]) for each in waiting() if each.pk in calls]

    _store_and_send(chain, plan)


def _announcement(chain: "Chain", draw: Draw, like: Call | None) -> Call:
    address = draw.contract.address if draw.contract else ""
    terms = {"sequence": draw.sequence, "delay_seconds": draw.terms["delay_seconds"], "commit_by": draw.commit_by}
    return chain.prepare_announce(address, raffle=draw.pk, manifest_hash=hash_of(draw), **terms, like=like)


def _sign_settlement(chain: "Chain", draw: Draw) -> None:
    contract = draw.contract
    if contract is None:
        return
    of_the_round = Draw.objects.filter(contract=contract, round=draw.round)
    drawn_at = draw.raffle.drawn_at
    if drawn_at and database_now() < drawn_at + GATHER and of_the_round.filter(state=Draw.State.COMMITTED).exists():
        raise StepWaits("others of this round are being drawn; they are settled together", Now() + POLL)
    signature = bytes.fromhex(draw.signature)
    open_ones = of_the_round.filter(state=Draw.State.DRAWN).exclude(pk__in=_have_live(Step.SETTLE).values("draw"))
    together = [draw, *open_ones.exclude(pk=draw.pk)[: MAX_DRAWS - 1]]
    if len(together) > 1:
        try:
            hashes = [hash_of(each) for each in together]
            call = chain.prepare_settle_many(contract.address, hashes, signature=signature)
        except ChainRejected:
            together = [draw]  # another cannot be settled, but this one need not wait for it
    if len(together) == 1:
        call = chain.prepare_settle(contract.address, hash_of(draw), signature=signature)
    _sign_for(chain, call, Step.SETTLE, together)


def _have_live(step: Step) -> QuerySet[ChainStep]:
    """Select steps that a transaction is taking or has taken."""
    return ChainStep.objects.filter(step=step, live=True).exclude(transaction__state__in=ChainTransaction.DEAD)


def _reason(step: str, sent: ChainTransaction | None) -> str:
    if sent is None:
        return f"another worker is signing the {step}"
    if sent.state == State.MINED:
        return f"{step} {sent.hash} is in block {sent.block}, fewer than {settings.CHAIN_CONFIRMATIONS} deep"
    if sent.state in ChainTransaction.DEAD:
        return f"{step} {sent.hash} is {sent.state}; it is looked at again"
    return f"{step} {sent.hash} is not mined yet"
