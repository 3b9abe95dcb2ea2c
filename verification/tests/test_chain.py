"""The door to the chain: what it does twice without harm, and what it says of nodes that fail."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from uuid import uuid4

import pytest
from django.conf import settings
from eth_account import Account

from verification.chain import Chain, client
from verification.chain_types import (
    GWEI,
    CallReverts,
    ChainRejected,
    ChainTooDear,
    ChainUnavailable,
    DrawStatus,
    Fees,
    FundsMissing,
    SignedCall,
    TransactionRefused,
)

from .on_chain import FAR_OFF, DevBeacon, chain_id, deploy, deployed, funded_chain, mined, new_hash, rpc, rpc_url, send
from .servers import answer, body_of, losing_answers, lying, serving


@pytest.fixture(scope="module")
def chain() -> Chain:
    return funded_chain()


@pytest.fixture(scope="module")
def contract(chain: Chain) -> str:
    return deployed(chain, DevBeacon.make())


def announcement(chain: Chain, contract: str, nonce: int | None = None) -> SignedCall:
    call = chain.prepare_announce(contract, **terms(chain, contract))
    return chain.sign(call, chain.next_nonce() if nonce is None else nonce)


def terms(chain: Chain, contract: str) -> dict:
    """What an announcement that the contract takes next fixes."""
    return {
        "raffle": uuid4(),
        "manifest_hash": new_hash(),
        "sequence": chain.next_sequence(contract),
        "delay_seconds": 30,
        "commit_by": FAR_OFF,
    }


@contextmanager
def node(body: bytes | None, status: int = 200, pause: float = 0) -> Iterator[str]:
    """A node that gives the same answer to all; None is silence for as long as the test lasts, a pause comes between
    any two bytes."""
    over = threading.Event()

    def serve(request: BaseHTTPRequestHandler) -> None:
        body_of(request)
        if body is None:
            over.wait()
        elif not pause:
            answer(request, body, status)
        else:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            for number in range(len(body)):
                request.wfile.write(body[number : number + 1])
                time.sleep(pause)

    with serving(serve) as url:
        try:
            yield url
        finally:
            over.set()


def error(code: int, message: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": message}}).encode()


BAD_NODES = {
    "silence": {"body": None},
    "a trickle": {"body": b'{"jsonrpc":"2.0","id":0,"result":"0x1"}', "pause": 0.1},
    "no JSON": {"body": b"<html>"},
    "a list": {"body": b"[]"},
    "nothing": {"body": b""},
    "no result": {"body": b'{"jsonrpc":"2.0","id":0}'},
    "null": {"body": b'{"jsonrpc":"2.0","id":0,"result":null}'},
    "words": {"body": b'{"jsonrpc":"2.0","id":0,"result":"many"}'},
    "an error page": {"body": b"oops", "status": 502},
    "too many requests": {"body": b"slow down", "status": 429},
    "limit exceeded": {"body": error(-32005, "limit exceeded")},
    "behind": {"body": error(-32000, "header not found")},
}


@pytest.mark.parametrize("bad", BAD_NODES.values(), ids=BAD_NODES.keys())
def test_a_bad_node_alone_is_unavailable_and_not_waited_for(bad: dict) -> None:
    # The silent one would never answer, and the trickle, waited for, would be an answer.
    with node(**bad) as url, pytest.raises(ChainUnavailable, match=url.removeprefix("http://")):
        Chain([url], 1, None, timeout=0.5).ping()


@pytest.mark.parametrize("bad", BAD_NODES.values(), ids=BAD_NODES.keys())
def test_a_good_node_behind_a_bad_one_answers(bad: dict) -> None:
    with node(**bad) as url:
        # The time-out binds the good node too. On a busy machine it may miss it, but not again and again.
        Chain([url, *[rpc_url()] * 10], chain_id(), None, timeout=0.5).ping()


def test_every_node_is_named_without_its_secrets() -> None:
    with pytest.raises(ChainUnavailable) as caught:
        Chain(["http://user:word@127.0.0.1:1/v3/secret", "http://127.0.0.1:2?key=secret"], 1, None).head()
    assert "127.0.0.1:1: ConnectionError; 127.0.0.1:2: ConnectionError" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_a_node_that_accepts_and_never_reads_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ChainUnavailable, match="Timeout"):
        Chain([f"http://127.0.0.1:{server.getsockname()[1]}"], 1, None, timeout=0.3).head()


def test_a_node_of_another_chain_is_refused() -> None:
    with pytest.raises(ChainUnavailable, match=f"serves the chain {chain_id()}, not {chain_id() + 1}"):
        Chain([rpc_url()], chain_id() + 1, None).ping()


def test_a_node_of_another_chain_is_passed_over_and_given_nothing(chain: Chain, contract: str) -> None:
    asked = []

    def serve(request: BaseHTTPRequestHandler) -> None:
        asked.append(json.loads(body_of(request))["method"])
        answer(request, json.dumps({"jsonrpc": "2.0", "id": 0, "result": "0x7"}).encode())

    call = announcement(chain, contract)
    with serving(serve) as foreign:
        both = Chain([foreign, rpc_url()], chain_id(), None)
        both.broadcast(call.raw)
        assert both.head() >= 0
        with pytest.raises(ChainUnavailable, match=f"serves the chain 7, not {chain_id()}"):
            Chain([foreign], chain_id(), None).broadcast(call.raw)
    assert set(asked) == {"eth_chainId"}
    assert mined(chain, call.hash).succeeded


def test_a_node_is_asked_for_its_chain_once_and_again_after_it_failed() -> None:
    asked, healthy = [], True

    def serve(request: BaseHTTPRequestHandler) -> None:
        asked.append(json.loads(body_of(request))["method"])
        result = {"result": "0x7"} if healthy else {"error": {"code": -32000, "message": "busy"}}
        answer(request, json.dumps({"jsonrpc": "2.0", "id": 0} | result).encode())

    with serving(serve) as url:
        chain = Chain([url], 7, None)
        chain.head()
        chain.head()
        assert asked == ["eth_chainId", "eth_blockNumber", "eth_blockNumber"]
        healthy = False
        with pytest.raises(ChainUnavailable, match="busy"):
            chain.head()
        healthy = True
        asked.clear()
        chain.head()
    assert asked == ["eth_chainId", "eth_blockNumber"]


def test_a_node_that_failed_is_asked_last_for_a_while() -> None:
    asked = []

    def serve(request: BaseHTTPRequestHandler) -> None:
        asked.append(body_of(request))
        request.close_connection = True

    with serving(serve) as failing:
        chain = Chain([failing, rpc_url()], chain_id(), None)
        for _ in range(3):
            chain.head()
    assert len(asked) == 1


def test_a_chain_without_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match="node"):
        Chain([], 1, None)


def test_without_a_key_the_chain_can_be_read_but_not_written(contract: str) -> None:
    reader = Chain([rpc_url()], chain_id(), None)
    assert reader.code_at(contract)
    assert reader.draw_state(contract, new_hash()).status is DrawStatus.UNKNOWN
    for write in (reader.next_nonce, lambda: reader.operator, lambda: announcement(reader, contract, nonce=0)):
        with pytest.raises(ChainRejected, match="no operator's key"):
            write()


def test_the_deployed_address_has_code_once_mined(chain: Chain) -> None:
    dev = DevBeacon.make()
    contract, transaction = deploy(chain, dev.beacon, known_round=7, known_signature=dev.sign(7), first_sequence=5)
    assert mined(chain, transaction).succeeded
    assert chain.code_at(contract)
    assert chain.code_at(contract.lower())
    assert not chain.code_at(Account.create().address)
    assert chain.next_sequence(contract) == 5


def test_a_receipt_tells_where_and_when(chain: Chain, contract: str) -> None:
    receipt = send(chain, announcement(chain, contract))
    block = rpc("eth_getBlockByNumber", hex(receipt.block_number), False)
    assert receipt.succeeded
    assert (receipt.block_hash, receipt.block_timestamp) == (block["hash"], int(block["timestamp"], 16))
    assert 21_000 < receipt.gas_used < 100_000
    assert chain.head() >= receipt.block_number


def test_signing_sends_nothing(chain: Chain, contract: str) -> None:
    nonce = chain.next_nonce()
    call = announcement(chain, contract)
    assert call.nonce == nonce == chain.next_nonce()
    assert chain.receipt(call.hash) is None


def test_signing_asks_nobody_and_gives_the_same_bytes_each_time(chain: Chain, contract: str) -> None:
    call = chain.prepare_announce(contract, **terms(chain, contract))
    key = chain._signer().key.hex()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        alone = Chain([f"http://127.0.0.1:{listening.getsockname()[1]}"], chain_id(), key, timeout=0.2)
        signed = alone.sign(call, 7)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert signed == alone.sign(call, 7) == chain.sign(call, 7)
    assert (signed.nonce, Account.recover_transaction(signed.raw)) == (7, chain.operator)
    assert "nonce" not in call.transaction


def test_another_nonce_is_another_transaction(chain: Chain, contract: str) -> None:
    call = chain.prepare_announce(contract, **terms(chain, contract))
    assert chain.sign(call, 7).hash != chain.sign(call, 8).hash


def test_a_transaction_may_be_broadcast_again_before_and_after_it_is_mined(chain: Chain, contract: str) -> None:
    before = chain.next_sequence(contract)
    call = announcement(chain, contract)
    for _ in range(2):
        chain.broadcast(call.raw)
    first = mined(chain, call.hash)
    chain.broadcast(call.raw)
    assert chain.receipt(call.hash) == first
    assert chain.next_sequence(contract) == before + 1


def test_another_transaction_with_a_used_nonce_is_rejected(chain: Chain, contract: str) -> None:
    call = announcement(chain, contract)
    assert send(chain, call).succeeded
    with pytest.raises(ChainRejected, match=r"(?i)nonce"):
        chain.broadcast(announcement(chain, contract, nonce=call.nonce).raw)


def test_a_transaction_that_the_node_cannot_read_is_rejected(chain: Chain) -> None:
    with pytest.raises(ChainRejected):
        chain.broadcast(b"\x02nonsense")


@pytest.mark.parametrize("code", [-32603, -32005, -32002])
def test_a_node_that_will_not_take_it_now_leaves_it_to_the_next(chain: Chain, contract: str, code: int) -> None:
    call = announcement(chain, contract)
    with node(error(code, "not now")) as url:
        with pytest.raises(ChainUnavailable, match="not now"):
            Chain([url], chain_id(), None).broadcast(call.raw)
        Chain([url, rpc_url()], chain_id(), None).broadcast(call.raw)
    assert mined(chain, call.hash).succeeded


def test_a_lost_answer_leaves_the_transaction_to_be_broadcast_again(chain: Chain, contract: str) -> None:
    call = announcement(chain, contract)
    with node(None) as url, pytest.raises(ChainUnavailable):
        Chain([url], chain_id(), None, timeout=0.3).broadcast(call.raw)
    assert send(chain, call).succeeded


def test_a_node_that_takes_it_and_loses_the_answer_is_no_loss(chain: Chain, contract: str) -> None:
    call = announcement(chain, contract)
    with losing_answers(rpc_url(), "eth_sendRawTransaction") as url, pytest.raises(ChainUnavailable):
        Chain([url], chain_id(), None).broadcast(call.raw)
    assert mined(chain, call.hash).succeeded
    chain.broadcast(call.raw)


def test_a_refusal_gives_the_contract_s_reason_and_asks_no_other_node(contract: str) -> None:
    stranger = funded_chain()
    with pytest.raises(ChainRejected) as caught:
        announcement(stranger, contract, nonce=0)
    assert caught.value.reason == "not the operator"


def test_an_operator_without_funds_is_told_so(contract: str) -> None:
    poor = Chain([rpc_url()], chain_id(), Account.create().key.hex())
    dev = DevBeacon.make()
    with pytest.raises(FundsMissing, match=r"(?i)fund|balance") as caught:
        deploy(poor, dev.beacon, known_round=1, known_signature=dev.sign(1), first_sequence=1)
    assert caught.value.lasting


@pytest.mark.parametrize(
    "message",
    [
        "insufficient funds for gas * price + value: balance 0, tx cost 42, overshot 42",
        "Insufficient funds for gas * price + value",
        "InsufficientFunds, Account balance 0 cannot cover",
        "Upfront cost exceeds account balance",
        "transaction sender doesn't have enough funds to send tx: not enough balance",
    ],
)
def test_nodes_say_in_their_own_words_that_the_account_is_empty(chain: Chain, contract: str, message: str) -> None:
    call = announcement(chain, contract)
    with (
        lying(
            rpc_url(),
            eth_sendRawTransaction=lambda _: {"error": {"code": -32000, "message": message}},
            eth_getTransactionByHash=lambda _: None,
        ) as url,
        pytest.raises(FundsMissing) as caught,
    ):
        Chain([url], chain_id(), None).broadcast(call.raw)
    assert caught.value.reason == message
    mined(chain, call.hash)  # the node behind took it, and the next test begins without it


def test_what_lasts_and_what_passes_are_told_apart(chain: Chain, contract: str) -> None:
    with pytest.raises(CallReverts) as refused:
        announcement(funded_chain(), contract, nonce=0)
    assert refused.value.lasting
    call = announcement(chain, contract)
    for message in ("txpool is full", "replacement transaction underpriced", "nonce too low"):
        with (
            lying(
                rpc_url(),
                eth_sendRawTransaction=lambda _, message=message: {"error": {"code": -32000, "message": message}},
                eth_getTransactionByHash=lambda _: None,
            ) as url,
            pytest.raises(TransactionRefused, match=message) as passing,
        ):
            Chain([url], chain_id(), None).broadcast(call.raw)
        assert not passing.value.lasting
    mined(chain, call.hash)  # the node behind took it, and the next test begins without it
    assert not ChainUnavailable.lasting
    assert not ChainTooDear.lasting
    assert ChainRejected.lasting


def test_an_address_without_the_contract_is_rejected(chain: Chain) -> None:
    with pytest.raises(ChainRejected, match="no draw contract"):
        chain.draw_state(Account.create().address, new_hash())


def test_a_mined_transaction_that_reverted_did_not_succeed(chain: Chain, contract: str) -> None:
    first, second = announcement(chain, contract), announcement(chain, contract, nonce=chain.next_nonce() + 1)
    assert send(chain, first).succeeded
    assert not send(chain, second).succeeded  # the same sequence, taken by the first in between
    assert chain.receipt(second.hash).gas_used > 21_000


def test_fees_follow_the_base_fee_up_to_the_cap(chain: Chain) -> None:
    market = chain.fees()
    assert market.most == 2 * market.base + market.tip
    capped = Chain([rpc_url()], chain_id(), None, max_fee=market.base + market.tip + 1)
    assert capped.fees().most == capped.max_fee
    with pytest.raises(ChainTooDear, match="CHAIN_MAX_FEE_GWEI"):
        Chain([rpc_url()], chain_id(), None, max_fee=1).fees()


def test_there_is_always_a_cap(chain: Chain) -> None:
    assert chain.max_fee == round(settings.CHAIN_MAX_FEE_GWEI * GWEI) == 200 * GWEI
    with pytest.raises(ValueError, match="not positive"):
        Chain([rpc_url()], chain_id(), None, max_fee=0)


@pytest.mark.parametrize(("former", "now"), [((800, 80), (100, 10)), ((8, 1), (1000, 100)), ((0, 0), (0, 0))])
def test_a_replacement_pays_an_eighth_more_and_at_least_the_market(former: tuple, now: tuple) -> None:
    raised = Fees(*now).raised_over(Fees(*former))
    for ours, before, market in ((raised.most, former[0], now[0]), (raised.tip, former[1], now[1])):
        assert ours > before
        assert 8 * ours >= 9 * before
        assert ours >= market


def test_an_event_leads_to_its_transaction(chain: Chain, contract: str, monkeypatch: pytest.MonkeyPatch) -> None:
    announced = terms(chain, contract)
    manifest_hash = announced["manifest_hash"]
    signed = chain.sign(chain.prepare_announce(contract, **announced), chain.next_nonce())
    send(chain, signed)
    send(chain, announcement(chain, contract))
    for span in (10_000, 1):  # in one question, and block by block
        monkeypatch.setattr(client, "_LOG_SPAN", span)
        assert chain.transaction_of(contract, "Announced", manifest_hash, not_before=0) == signed.hash
    assert chain.transaction_of(contract, "Committed", manifest_hash, not_before=int(time.time())) is None


def test_a_wrong_argument_is_the_caller_s_fault_and_no_node_s(chain: Chain, contract: str) -> None:
    with pytest.raises(Exception, match=r"(?i)argument|found") as caught:
        chain.draw_state(contract, b"not 32 bytes long, but rather longer")
    assert not isinstance(caught.value, ChainUnavailable)


def test_a_transaction_that_nobody_sent_has_no_receipt(chain: Chain) -> None:
    assert chain.receipt("0x" + new_hash().hex()) is None
