"""A node that lies, about dates, the tip, or what the contract says: nothing is decided on its word."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from accounts.models import Notification
from purchases.tests.stage import seated
from verification import services
from verification.chain_types import DrawStatus
from verification.models import ChainStep, Draw

from .drawing import closed
from .mining import Mine, decided
from .servers import lying

State = Draw.State


def dated(seconds: int) -> Callable[[Any], Any]:
    """Says of a block that it is so many seconds older or younger."""
    return lambda block: block and block | {"timestamp": hex(int(block["timestamp"], 16) + seconds)}


def saying(status: DrawStatus) -> Callable[[Any], Any]:
    """Says of a draw that it is in another status."""
    return lambda words: words and f"0x{status:064x}{words[66:]}"


@contextmanager
def told(mine: Mine, *, beside: bool = False, **lies: Callable[[Any], Any]) -> Iterator[None]:
    """Our node lies; `beside`: the real one is asked too, after it."""
    urls = mine.settings.CHAIN_RPC_URLS
    with lying(urls[0], **lies) as liar:
        mine.setting(CHAIN_RPC_URLS=[liar, *(urls if beside else [])])
        yield
        mine.setting(CHAIN_RPC_URLS=urls)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-300, "s before it was signed"), (3600, "s into the future"), (-30, "the contract has another moment or round")],
)
def test_a_commitment_s_date_that_cannot_be_decides_nothing(frozen, mine, client, mona, seconds, said):
    raffle = frozen(delay_seconds=3600)
    mine.blocks(2)
    with told(mine, eth_getBlockByHash=dated(seconds)):
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.committed_at, draw.round) == (State.FROZEN, None, None)
    assert said in client.get(f"/api/v1/verification/{raffle.pk}").json()["contradiction"]
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]
    # Once the node tells the truth, the draw goes on.
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.contradiction) == (State.COMMITTED, "")


def test_where_nodes_date_the_commitment_differently_the_draw_waits(frozen, mine):
    raffle = frozen(delay_seconds=3600)
    mine.blocks(2)
    with told(mine, beside=True, eth_getBlockByHash=dated(-300)):
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.committed_at) == (State.FROZEN, None)
    assert "nodes disagree" in draw.trouble
    assert services.advance_draw(raffle.pk).state == State.COMMITTED


def test_a_tip_that_one_node_makes_up_confirms_nothing(frozen, mine):
    raffle = frozen(delay_seconds=3600)
    mine.blocks()
    with told(mine, beside=True, eth_blockNumber=lambda number: hex(int(number, 16) + 100)):
        for _ in range(2):
            draw = services.advance_draw(raffle.pk)
    assert draw.state == State.FROZEN
    assert draw.trouble.endswith("fewer than 2 deep")
    mine.blocks()
    assert services.advance_draw(raffle.pk).state == State.COMMITTED


def test_a_block_that_only_one_node_still_has_confirms_nothing(frozen, mine):
    raffle = frozen(delay_seconds=3600)
    mine.blocks()
    services.advance_draw(raffle.pk)
    former = mine.chain.block(ChainStep.objects.get(step="commit").transaction.block)
    mine.reorganise(mine.chain.head() - former.number + 1)
    mine.blocks(2)

    def as_before(block: Any) -> Any:
        return block and (block | {"hash": former.hash} if int(block["number"], 16) >= former.number else block)

    with told(mine, beside=True, eth_getBlockByNumber=as_before):
        draw = services.advance_draw(raffle.pk)
    assert draw.state == State.FROZEN
    # Where the honest node is asked first, it says that the block is gone.
    assert "nodes disagree" in draw.trouble or draw.trouble.endswith("is not mined yet")


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside an honest one"])
def test_a_node_that_calls_a_draw_lapsed_cancels_no_raffle(mine, selling, alice, beside):
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    seated(alice, raffle, 5)
    closed(raffle)
    with told(mine, beside=beside, eth_call=saying(DrawStatus.LAPSED)):
        draw = services.advance_draw(raffle.pk)
    raffle.refresh_from_db()
    assert (draw.state, raffle.status) == (State.ANNOUNCED, "published")
    assert ("nodes disagree" if beside else "no final block says so") in draw.trouble


def test_a_settlement_that_one_node_makes_up_tells_no_winner(frozen, mine):
    raffle = frozen(delay_seconds=1)
    mine.commit(raffle)
    decided(raffle)
    event = {"transactionHash": ChainStep.objects.get(step="commit").transaction.hash}
    lies = {"eth_call": saying(DrawStatus.SETTLED), "eth_getLogs": lambda logs: logs or [template() | event]}
    with told(mine, beside=True, **lies):
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, Notification.objects.mails().filter(kind="draw_won").exists()) == (State.DRAWN, False)
    assert "nodes disagree" in draw.trouble


def test_an_announcement_that_one_node_makes_up_opens_no_sale(mine, selling):
    raffle = selling()
    draw = Draw.objects.select_related("contract").get()
    ours = [DrawStatus.ANNOUNCED, draw.pk.int << 128, draw.sequence, draw.terms["delay_seconds"], draw.commit_by, 1]
    words = "0x" + "".join(f"{each:064x}" for each in [*ours, *[0] * 7])
    event = {"transactionHash": draw.contract.transaction}
    lies = {"eth_call": lambda _: words, "eth_getLogs": lambda logs: logs or [template() | event]}
    with told(mine, beside=True, **lies):
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, ChainStep.objects.exists()) == (State.PROMISED, False)
    assert "nodes disagree" in draw.trouble
    with told(mine, **lies):  # alone it is believed: production warns of a single node
        assert services.advance_draw(raffle.pk).state == State.ANNOUNCED


def template() -> dict[str, Any]:
    """An event as nodes give it."""
    zero = "0x" + "00" * 32
    numbers = {"blockNumber": "0x1", "transactionIndex": "0x0", "logIndex": "0x0"}
    return {"address": "0x" + "00" * 20, "topics": [], "data": "0x", "blockHash": zero, "removed": False} | numbers
