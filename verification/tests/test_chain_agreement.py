"""What decides is believed only if two nodes say it; and how a contract is compared with ours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from verification.beacon import QUICKNET
from verification.chain import Chain, nodes
from verification.chain_types import Block, CallReverts, ChainRejected, ChainUnavailable, DrawStatus
from verification.contract import VOID_AFTER

from .on_chain import (
    NOBODY,
    DevBeacon,
    announce,
    chain_id,
    commit,
    funded_chain,
    mine_at,
    mined,
    new_hash,
    rpc,
    rpc_url,
    settle,
    terms_of,
    transact,
)
from .servers import lying

CLOSED = "http://127.0.0.1:1"


def among(*urls: str) -> Chain:
    """A chain that reads from these nodes."""
    return Chain(urls, chain_id(), None)


def shifted(block: dict[str, Any]) -> dict[str, Any]:
    """The same block, five minutes earlier."""
    return block | {"timestamp": hex(int(block["timestamp"], 16) - 300)}


def later(number: str) -> str:
    """A number of a block, a hundred blocks on."""
    return hex(int(number, 16) + 100)


def fails(code: int, message: str) -> Callable[[Any], dict[str, Any]]:
    return lambda _: {"error": {"code": code, "message": message}}


def test_one_node_decides_alone(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    assert chain.draw_state(contract, manifest_hash, decisive=True).status is DrawStatus.ANNOUNCED
    # Two addresses of one host and port are one node.
    assert among(rpc_url(), rpc_url() + "/").head(decisive=True) == chain.head()
    with pytest.raises(ChainUnavailable, match="no node of the chain answered"):
        among(CLOSED).block(1, decisive=True)


def test_a_node_that_lies_about_a_block_s_time_decides_nothing(chain: Chain, contract: str) -> None:
    receipt = transact(chain, contract, "announce", *terms_of(contract))
    with lying(rpc_url(), eth_getBlockByNumber=shifted, eth_getBlockByHash=shifted) as liar:
        for both in (among(liar, rpc_url()), among(rpc_url(), liar)):
            with pytest.raises(ChainUnavailable, match="nodes disagree") as caught:
                both.block(receipt.block_number, decisive=True)
            for url, moment in ((liar, receipt.block_timestamp - 300), (rpc_url(), receipt.block_timestamp)):
                assert url.removeprefix("http://") in str(caught.value)
                assert str(moment) in str(caught.value)
        # Asked for no decision, the first is believed.
        found = among(liar, rpc_url()).block(receipt.block_number)
        assert found == Block(receipt.block_number, receipt.block_hash, receipt.block_timestamp - 300)


def test_a_node_that_lies_about_a_receipt_s_time_decides_nothing(chain: Chain, contract: str) -> None:
    call = chain.prepare_announce(contract, **announcement(chain, contract))
    signed = chain.sign(call, chain.next_nonce())
    chain.broadcast(signed.raw)
    honest = mined(chain, signed.hash)
    with lying(rpc_url(), eth_getBlockByHash=shifted) as liar:
        with pytest.raises(ChainUnavailable, match="nodes disagree"):
            among(liar, rpc_url()).receipt(signed.hash, decisive=True)
        # A third node outvotes it.
        with lying(rpc_url()) as third:
            assert among(liar, rpc_url(), third).receipt(signed.hash, decisive=True) == honest


def announcement(chain: Chain, contract: str) -> dict[str, Any]:
    raffle, manifest_hash, sequence, delay_seconds, commit_by = terms_of(contract)
    facts = {"manifest_hash": manifest_hash, "sequence": sequence}
    return facts | {"raffle": UUID(bytes=raffle), "delay_seconds": delay_seconds, "commit_by": commit_by}


def test_a_node_that_lies_about_a_draw_decides_nothing(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    before = chain.draw_state(contract, manifest_hash)
    at = chain.head()

    def settled(result: str) -> str:
        return "0x" + DrawStatus.SETTLED.to_bytes(32).hex() + result[66:]

    with lying(rpc_url(), eth_call=settled) as liar:
        assert among(liar).draw_state(contract, manifest_hash).status is DrawStatus.SETTLED
        both = among(liar, rpc_url())
        with pytest.raises(ChainUnavailable, match="nodes disagree"):
            both.draw_state(contract, manifest_hash, at, decisive=True)
    assert among(rpc_url()).draw_state(contract, manifest_hash, at, decisive=True) == before
    settle(chain, contract, manifest_hash, dev.sign(before.round))
    with (
        lying(rpc_url(), eth_call=lambda result: result[:-1] + ("e" if result.endswith("f") else "f")) as liar,
        pytest.raises(ChainUnavailable, match="nodes disagree"),
    ):
        among(liar, rpc_url()).settled_picks(contract, manifest_hash, decisive=True)
    assert chain.draw_state(contract, manifest_hash, at, decisive=True) == before


def test_a_refusal_is_an_answer_that_two_nodes_may_agree_on(chain: Chain, contract: str) -> None:
    with lying(rpc_url()) as second, pytest.raises(CallReverts, match="not settled"):
        among(rpc_url(), second).settled_picks(contract, new_hash(), decisive=True)
    with (
        lying(rpc_url(), eth_call=fails(3, "execution reverted: other")) as liar,
        pytest.raises(ChainUnavailable, match=r"nodes disagree.*refused, not settled"),
    ):
        among(rpc_url(), liar).settled_picks(contract, new_hash(), decisive=True)


def test_one_of_two_nodes_does_not_decide_while_the_other_is_silent(chain: Chain) -> None:
    two = among(CLOSED, rpc_url())
    with pytest.raises(ChainUnavailable, match=r"two nodes must agree, and one answered.*127.0.0.1:1: ConnectionError"):
        two.block(1, decisive=True)
    with pytest.raises(ChainUnavailable, match="two nodes must answer"):
        two.head(decisive=True)
    assert two.head() == chain.head()


def test_two_chains_that_split_decide_nothing(chain: Chain, still_node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Both serve the same chain id, and their blocks differ, from the first that each makes; the first is made here.
    mine_at(chain.block(chain.head()).timestamp + 1)
    with monkeypatch.context() as environment:
        environment.setenv("CHAIN_RPC_URL", still_node)
        rpc("evm_mine")
    number = min(chain.head(), among(still_node).head())
    assert number > 0
    two = among(rpc_url(), still_node)
    with pytest.raises(ChainUnavailable, match="nodes disagree"):
        two.block(number, decisive=True)


def test_a_tie_decides_nothing(chain: Chain) -> None:
    mine_at(chain.block(chain.head()).timestamp + 1)
    with (
        lying(rpc_url()) as honest,
        lying(rpc_url(), eth_getBlockByNumber=shifted) as liar,
        lying(rpc_url(), eth_getBlockByNumber=shifted) as second_liar,
        pytest.raises(ChainUnavailable, match="nodes disagree"),
    ):
        among(liar, second_liar, rpc_url(), honest).block(chain.head(), decisive=True)


def test_a_node_that_failed_lately_is_not_waited_for_if_the_others_agree(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lying(rpc_url()) as second:
        three = among(CLOSED, rpc_url(), second)
        three.block(0, decisive=True)
        asked = []
        put = nodes.Nodes._put
        monkeypatch.setattr(
            nodes.Nodes, "_put", lambda self, node, question: asked.append(node.name) or put(self, node, question)
        )
        three.block(0, decisive=True)
    assert "127.0.0.1:1" not in asked


def test_the_tip_is_as_high_as_two_nodes_have_it(chain: Chain) -> None:
    with lying(rpc_url(), eth_blockNumber=later) as liar, lying(rpc_url()) as third:
        assert among(liar).head() == chain.head() + 100
        assert among(liar, rpc_url()).head(decisive=True) == chain.head()
        assert among(rpc_url(), liar, third).head(decisive=True) == chain.head()


def test_the_final_block_is_one_that_two_nodes_call_final(chain: Chain) -> None:
    def tip(block: dict[str, Any]) -> dict[str, Any]:
        return block | {"number": hex(chain.head())}

    final = chain.finalized()
    assert final == chain.block(final.number)
    with lying(rpc_url(), eth_getBlockByNumber=tip) as liar:
        assert among(rpc_url()).finalized() == final
        with pytest.raises(ChainUnavailable, match="nodes disagree"):
            among(liar, rpc_url()).finalized()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: None,
        fails(-32602, "invalid argument 0: hex string without 0x prefix"),
        fails(-39001, "unknown block"),
        fails(-32000, "finalized block not found"),
    ],
    ids=["null", "invalid params", "unknown block", "not found"],
)
def test_a_node_without_the_tag_has_no_final_block(chain: Chain, answer: Callable[[Any], Any]) -> None:
    with (
        lying(rpc_url(), eth_getBlockByNumber=answer) as without,
        lying(rpc_url(), eth_getBlockByNumber=answer) as also,
    ):
        assert among(without).finalized() is None
        assert among(without, also).finalized() is None
        with pytest.raises(ChainUnavailable, match="two nodes must answer"):
            among(without, rpc_url()).finalized()


def test_a_node_in_trouble_is_not_one_without_the_tag() -> None:
    with (
        lying(rpc_url(), eth_getBlockByNumber=fails(-32603, "internal error")) as busy,
        pytest.raises(ChainUnavailable, match="internal error"),
    ):
        among(busy).finalized()


def test_our_contract_has_no_faults(chain: Chain, contract: str, dev: DevBeacon) -> None:
    assert chain.contract_faults(contract, dev.beacon, VOID_AFTER, operator=chain.operator) == []
    found = chain.constants_of(contract)
    assert (found.chain_hash, found.public_key, found.void_after, found.operator) == (
        dev.beacon.chain_hash,
        dev.beacon.public_key,
        VOID_AFTER,
        chain.operator,
    )


def test_what_makes_it_another_contract_is_named(chain: Chain, contract: str, dev: DevBeacon) -> None:
    def named(beacon: Any = dev.beacon, void_after: int = VOID_AFTER, operator: str = chain.operator) -> list[str]:
        return chain.contract_faults(contract, beacon, void_after, operator=operator)

    assert named(void_after=3) == ["the contract's void after is 604800, and ours is 3"]
    assert named(operator=NOBODY) == [f"the contract's operator is {chain.operator}, and ours is {NOBODY}"]
    (fault,) = named(beacon=replace(dev.beacon, genesis_time=1))
    assert "genesis time is 1700000000" in fault
    assert len(named(beacon=QUICKNET)) == 3  # the period is the same
    assert f"public key is {dev.beacon.public_key.hex()}" in " ".join(named(beacon=QUICKNET))


def test_other_code_is_not_asked_for_its_constants(chain: Chain, contract: str, dev: DevBeacon) -> None:
    (fault,) = chain.contract_faults(NOBODY, dev.beacon, VOID_AFTER, operator=chain.operator)
    assert f"the code at {NOBODY} is not the draw contract's" in fault
    with lying(rpc_url(), eth_getCode=lambda code: code[:-2] + "00") as liar:
        assert "void after" in " ".join(
            among(liar).contract_faults(contract, dev.beacon, VOID_AFTER, operator=chain.operator)
        )
    with lying(rpc_url(), eth_getCode=lambda code: "0x00" + code[4:]) as liar:
        with pytest.raises(ChainRejected, match="is not the draw contract's"):
            among(liar).constants_of(contract)
        with pytest.raises(ChainUnavailable, match="nodes disagree"):
            among(liar, rpc_url()).constants_of(contract, decisive=True)


def test_code_is_read_as_of_a_block(chain: Chain, contract: str) -> None:
    assert chain.code_at(contract, "latest", decisive=True) == chain.code_at(contract)
    assert chain.code_at(contract, 0) == b""


def test_an_operator_of_another_key_is_named(contract: str, dev: DevBeacon) -> None:
    stranger = funded_chain()
    (fault,) = stranger.contract_faults(contract, dev.beacon, VOID_AFTER, operator=stranger.operator)
    assert f"ours is {stranger.operator}" in fault
