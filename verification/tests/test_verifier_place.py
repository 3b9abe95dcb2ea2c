"""The place of a draw: a local node speaks real JSON-RPC, tells the truth, lies, contradicts another or fails."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from verification import verifier

from .node_server import BLOCK_HASH, FINAL, RUNTIME, Node, selector
from .servers import answer, body_of, serving
from .test_verifier import details, names, written
from .verifier_draws import (
    DEVELOPMENT_BEACON,
    Draw,
    development_draw,
    quicknet_draw,
    to_bytes,
)

CHAIN = 42_220
DRAW = quicknet_draw(chain_id=CHAIN)


def judged_at(draw: Draw, *serve: Callable[[BaseHTTPRequestHandler], None], log: bool = True, **given: Any) -> Any:
    """The report on a draw by nodes that serve so."""
    bundle, entries, log_file = draw.files
    with ExitStack() as stack:
        nodes = [stack.enter_context(serving(each)) for each in serve]
        told = verifier.Given(log=io.BytesIO(log_file) if log else None, nodes=nodes, **given)
        return verifier.verify(bundle, io.BytesIO(entries), told)


def test_the_selectors_are_the_signatures_first_bytes() -> None:
    assert {name: selector(name) for name in verifier.SELECTORS} == verifier.SELECTORS


def test_the_pinned_code_is_the_artefacts() -> None:
    assert len(RUNTIME) == verifier.RUNTIME_BYTES
    assert sha256(RUNTIME).hexdigest() == verifier.RUNTIME_SHA256


@pytest.mark.parametrize("status", ["committed", "settled"])
def test_a_draw_at_its_place_is_verified(status: str) -> None:
    draw = DRAW if status == "settled" else Draw(DRAW.bundle | {"settlement": None}, DRAW.entries, DRAW.log)
    report = judged_at(draw, Node.honest(draw, status).serve, Node.honest(draw, status).serve)
    assert (report.verdict, report.exit_code) == ("VERIFIED", 0)
    assert "2 of 2 nodes agree at finalized block 5000" in details(report, verifier.OK)


def test_the_command_verifies_a_draw_at_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Node.honest(DRAW).serve) as one, serving(Node.honest(DRAW).serve) as other:
        assert verifier.main([*written(tmp_path, DRAW), "--rpc", one, "--rpc", other]) == 0
        assert verifier.main([*written(tmp_path, DRAW), "--rpc", one, other]) == 0
        assert verifier.main([*written(tmp_path, DRAW)[:2], "--rpc", one]) == 3
    assert "VERIFIED: every check holds" in capsys.readouterr().out


def test_a_named_beacon_is_verified_and_a_development_chain_is_not() -> None:
    draw = development_draw(chain_id=CHAIN)
    node = Node.honest(draw)
    assert judged_at(draw, node.serve).verdict == "CONSISTENT"
    assert judged_at(draw, node.serve, beacon=to_bytes(DEVELOPMENT_BEACON)).verdict == "VERIFIED"
    draw = development_draw(chain_id=31337)
    node = Node.honest(draw)
    report = judged_at(draw, node.serve, beacon=to_bytes(DEVELOPMENT_BEACON))
    assert (report.verdict, names(report, verifier.UNCHECKED)) == ("CONSISTENT", set())


WORDS = [name for name in Node.honest(DRAW).draw if name not in {"void_at", "status"}]


@pytest.mark.parametrize("word", WORDS)
def test_a_contract_that_tells_of_another_draw_is_not_verified(word: str) -> None:
    node = Node.honest(DRAW)
    node.draw[word] += 10**9
    report = judged_at(DRAW, node.serve)
    assert (names(report), report.exit_code) == ({"place of the draw"}, 1)
    assert word in details(report)


def test_a_contract_with_another_commitment_is_not_verified() -> None:
    draw = Draw(DRAW.bundle | {"settlement": None}, DRAW.entries, DRAW.log)
    node = Node.honest(draw, "committed")
    node.draw["commitment"] += 1
    report = judged_at(draw, node.serve)
    assert names(report) == {"place of the draw"}
    assert "the contract's commitment is" in details(report)


@pytest.mark.parametrize("status", ["unknown", "announced", "committed", "void", "lapsed"])
def test_a_contract_with_another_status_than_the_bundle_tells_of_is_not_verified(status: str) -> None:
    report = judged_at(DRAW, Node.honest(DRAW, status).serve)
    assert names(report) == {"place of the draw"}


@pytest.mark.parametrize("key", [[0] * 8, []])
def test_a_contract_of_another_key_is_not_verified(key: list[int]) -> None:
    node = Node.honest(DRAW)
    node.constants["public_key()"] = key
    report = judged_at(DRAW, node.serve)
    assert (names(report), report.exit_code) == ({"contract"}, 1)
    assert "public_key() is not the manifest's" in details(report)


@pytest.mark.parametrize("constant", [name for name in Node.honest(DRAW).constants if name != "public_key()"])
def test_a_contract_of_another_beacon_or_void_delay_is_not_verified(constant: str) -> None:
    node = Node.honest(DRAW)
    node.constants[constant][0] += 1
    report = judged_at(DRAW, node.serve)
    assert names(report) == {"contract"}
    assert f"the contract's {constant} is" in details(report)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("chain_id", 1, "the chain id is 1, expected 42220"),
        ("code", b"", "there is no code at"),
        ("code", RUNTIME[:-1], "is not the pinned runtime code"),
        ("code", b"\0" + RUNTIME, "is not the pinned runtime code"),
    ],
)
def test_another_chain_or_code_is_not_verified(member: str, value: Any, words: str) -> None:
    node = Node.honest(DRAW)
    setattr(node, member, value)
    report = judged_at(DRAW, node.serve)
    assert (names(report), report.exit_code) == ({"contract"}, 1)
    assert words in details(report)


OTHERWISE = {
    "another block of that number": {"block_hash": "0x" + "00" * 32},
    "another block of that number, and a newer one": {"block_hash": "0x" + "00" * 32, "finalized": FINAL + 1},
    "another chain": {"chain_id": 1},
    "other code": {"code": b"\0"},
    "another draw": {"draw": dict.fromkeys(Node.honest(DRAW).draw, 1)},
    "other constants": {"constants": Node.honest(DRAW).constants | {"PERIOD()": [1]}},
    "another key": {"constants": Node.honest(DRAW).constants | {"public_key()": [0] * 8}},
}


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_nodes_that_contradict_each_other_leave_the_place_unchecked(otherwise: dict[str, Any]) -> None:
    liar = replace(Node.honest(DRAW), **otherwise)
    report = judged_at(DRAW, Node.honest(DRAW).serve, liar.serve)
    assert (report.verdict, names(report)) == ("CONSISTENT", set())
    assert "nodes contradict each other" in details(report, verifier.UNCHECKED)


def test_a_node_that_lags_is_asked_at_the_block_that_both_know() -> None:
    ahead = replace(Node.honest(DRAW), finalized=FINAL + 40)
    assert judged_at(DRAW, ahead.serve, Node.honest(DRAW).serve).verdict == "VERIFIED"


def result_instead(method: str, value: Any) -> Callable[[BaseHTTPRequestHandler], None]:
    """A node with another result for one method."""
    node = Node.honest(DRAW)
    honest = node.result
    node.result = lambda asked, parameters: value if asked == method else honest(asked, parameters)  # type: ignore[method-assign]
    return node.serve


def body_instead(body: bytes, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    def serve(request: BaseHTTPRequestHandler) -> None:
        body_of(request)
        answer(request, body, status)

    return serve


def cut(request: BaseHTTPRequestHandler) -> None:
    body_of(request)
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"jsonrpc": "2.0", "id": 1, "resu')
    request.close_connection = True


def sent_elsewhere(request: BaseHTTPRequestHandler) -> None:
    """To a server of another protocol, which urllib by itself would ask."""
    body_of(request)
    request.send_response(302)
    request.send_header("Location", "ftp://127.0.0.1/answer.json")
    request.send_header("Content-Length", "0")
    request.end_headers()


def hung_up(request: BaseHTTPRequestHandler) -> None:
    body_of(request)
    request.close_connection = True


ERROR = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit exceeded"}}
FAILING = {
    "429": body_instead(b"slow down", 429),
    "503": body_instead(b"{}", 503),
    "404": body_instead(b"", 404),
    "a page": body_instead(b"<html>"),
    "nothing": body_instead(b""),
    "not UTF-8": body_instead(b"\xff\xfe\xfd"),
    "deep": body_instead(b"[" * 100_000),
    "a list": body_instead(b"[]"),
    "no result": body_instead(b'{"jsonrpc": "2.0", "id": 1}'),
    "an error": body_instead(to_bytes(ERROR)),
    "two megabytes": body_instead(b" " * 2_000_000 + b"{}"),
    "cut": cut,
    "a redirect": sent_elsewhere,
    "hung up": hung_up,
    "no finalized": result_instead("eth_getBlockByNumber", None),
    "a block without number": result_instead("eth_getBlockByNumber", {"hash": BLOCK_HASH}),
    "a block without hash": result_instead("eth_getBlockByNumber", {"number": "0x1", "hash": None}),
    "a block of a list": result_instead("eth_getBlockByNumber", []),
    "a huge block": result_instead("eth_getBlockByNumber", {"number": "0x" + "f" * 5000, "hash": BLOCK_HASH}),
    "a number as chain id": result_instead("eth_chainId", CHAIN),
    "no code at all": result_instead("eth_getCode", None),
    "odd code": result_instead("eth_getCode", "0xzz"),
    "an odd call": result_instead("eth_call", {"data": "0x"}),
}


@pytest.mark.parametrize("serve", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("beside", [0, 1], ids=["alone", "beside an honest node"])
def test_a_node_that_fails_leaves_the_place_unchecked(serve: Callable, beside: int) -> None:
    report = judged_at(DRAW, serve, *[Node.honest(DRAW).serve] * beside)
    assert (report.verdict, names(report)) == ("CONSISTENT", set())
    assert "place" in names(report, verifier.UNCHECKED)


@pytest.mark.parametrize("result", ["0x", "0x00", "0x" + "00" * 32 * 14])
def test_a_contract_that_answers_with_other_words_is_not_verified(result: str) -> None:
    assert judged_at(DRAW, result_instead("eth_call", result)).exit_code == 1


def test_nobody_at_the_address_leaves_the_place_unchecked() -> None:
    with serving(Node.honest(DRAW).serve) as url:
        pass
    bundle, entries, log = DRAW.files
    for node in (url, "http://[::1", "http://nobody.invalid/", "http://127.0.0.1:99999"):
        given = verifier.Given(log=io.BytesIO(log), nodes=[node])
        report = verifier.verify(bundle, io.BytesIO(entries), given)
        assert (report.verdict, names(report, verifier.UNCHECKED) >= {"place"}) == ("CONSISTENT", True)
        assert "does not answer eth_getBlockByNumber" in details(report, verifier.UNCHECKED)


@pytest.mark.parametrize("node", ["file:///etc/hostname", "ftp://127.0.0.1/answer.json"])
def test_nodes_are_asked_over_the_web_alone(node: str) -> None:
    with pytest.raises(verifier.NotChecked, match="unknown url type"):
        verifier.ask(node, "eth_chainId")


def test_a_node_that_dribbles_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "CALL_SECONDS", 0.2)
    done = threading.Event()

    def dribble(request: BaseHTTPRequestHandler) -> None:
        body_of(request)
        request.send_response(200)
        request.end_headers()
        while not done.wait(0.05):
            request.wfile.write(b" ")

    with leaving(done):
        report = judged_at(DRAW, dribble)
        done.set()
    assert "takes longer than" in details(report, verifier.UNCHECKED)


@contextmanager
def leaving(done: threading.Event) -> Iterator[None]:
    try:
        yield
    finally:
        done.set()


def test_without_the_log_it_is_not_known_whether_the_draw_was_announced_first() -> None:
    report = judged_at(DRAW, Node.honest(DRAW).serve, log=False)
    assert names(report, verifier.UNCHECKED) == {"log", "announced first"}


def test_an_announcement_after_the_first_leaf_is_not_verified() -> None:
    node = Node.honest(DRAW)
    node.draw["announced_at"] = DRAW.log[0].at
    assert judged_at(DRAW, node.serve).verdict == "VERIFIED"
    node.draw["announced_at"] += 1
    assert "announced_at is" in details(judged_at(DRAW, node.serve))


@pytest.mark.parametrize(
    ("status", "step", "words"),
    [("unknown", "announce", "announced in block"), ("announced", "commit", "committed in block")],
)
def test_what_is_not_final_yet_is_not_checked(status: str, step: str, words: str) -> None:
    place = DRAW.bundle["place"] | {step: {"transaction": "0x" + "00" * 32, "block": FINAL + 1}}
    draw = Draw(DRAW.bundle | {"place": place}, DRAW.entries, DRAW.log)
    report = judged_at(draw, Node.honest(draw, status).serve)
    assert (report.verdict, names(report)) == ("CONSISTENT", set())
    assert words in details(report, verifier.UNCHECKED)


@pytest.mark.parametrize(("stage", "status"), [("published", "announced"), ("committed", "committed")])
def test_a_draw_that_has_not_been_held_is_consistent_at_its_place(stage: str, status: str) -> None:
    draw = quicknet_draw(chain_id=CHAIN, made={"stage": stage})
    report = judged_at(draw, Node.honest(draw, status).serve)
    assert (report.verdict, names(report, verifier.UNCHECKED)) == ("CONSISTENT", {"draw"})


def test_a_foreign_commitment_is_named_before_the_round() -> None:
    draw = quicknet_draw(chain_id=CHAIN, made={"stage": "published"})
    node = Node.honest(quicknet_draw(chain_id=CHAIN), "committed")
    node.draw["commitment"] += 1
    assert names(judged_at(draw, node.serve)) == {"place of the draw"}
