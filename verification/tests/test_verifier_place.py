"""The place of a draw: a local node speaks real JSON-RPC, tells the truth, lies, contradicts another or fails."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from verification import verifier
from verification.contract.encoding import encode_public_key

from .servers import answer, body_of, serving
from .test_verifier import details, names, written
from .verifier_draws import (
    CONTRACT,
    DEVELOPMENT_BEACON,
    QUICKNET,
    Draw,
    development_draw,
    quicknet_draw,
    seconds,
    to_bytes,
    uuid_bytes,
)

ARTEFACT = json.loads((Path(verifier.__file__).parent / "contract" / "draws.json").read_text())
RUNTIME = bytes.fromhex(ARTEFACT["runtime"].removeprefix("0x"))
CHAIN = 42_220
FINAL = 5_000
HASH = "0x" + "be" * 32
STATUS = ["unknown", "announced", "committed", "settled", "void", "lapsed"]


class Node:
    """What a node answers; `words` is the contract's draw, `constants` its getters."""

    def __init__(self, draw: Draw, status: str = "settled", beacon: dict = QUICKNET) -> None:
        promise, bundle = draw.manifest, draw.bundle
        committed = status in {"committed", "settled"}
        self.chain_id, self.number, self.hash, self.code = CHAIN, FINAL, HASH, RUNTIME + bytes(384)
        self.constants = {
            "CHAIN_HASH()": int(beacon["chain_hash"], 16),
            "GENESIS_TIME()": beacon["genesis_time"],
            "PERIOD()": beacon["period"],
            "VOID_AFTER()": promise["void_after_seconds"],
        }
        self.key = encode_public_key(bytes.fromhex(beacon["public_key"]))
        self.words = {
            "status": STATUS.index(status),
            "raffle": int.from_bytes(uuid_bytes(promise["raffle"]) + bytes(16), "big"),
            "sequence": promise["sequence"],
            "delay_seconds": promise["delay_seconds"],
            "commit_by": seconds(promise["closes_at"]) + promise["commit_within_seconds"],
            "announced_at": seconds(promise["opens_at"]),
            "committed_at": (bundle["place"]["committed_at"] or 0) * committed,
            "tickets": bundle["entries"]["tickets"] * committed,
            "wanted": min(bundle["entries"]["tickets"], 4) * committed,
            "round": (bundle["beacon"]["round"] or 0) * committed,
            "commitment": int(bundle["commitment"], 16) * (status == "committed"),
            "seed": int(bundle["seed"] or "0", 16) * (status == "settled"),
            "void_at": 0,
        }
        if status == "unknown":
            self.words = dict.fromkeys(self.words, 0)
        self.manifest_hash = bundle["manifest_hash"]

    def result(self, method: str, parameters: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_getBlockByNumber":
            assert parameters in (["finalized", False], [hex(self.number), False])
            return {"number": hex(self.number), "hash": self.hash, "timestamp": hex(1_700_000_000)}
        assert parameters[1] == hex(self.number)
        if method == "eth_getCode":
            assert parameters[0] == CONTRACT
            return "0x" + self.code.hex()
        assert method == "eth_call"
        assert parameters[0]["to"] == CONTRACT
        return "0x" + b"".join(word.to_bytes(32, "big") for word in self.called(parameters[0]["data"])).hex()

    def called(self, data: str) -> list[int]:
        if data == selector("draws(bytes32)") + self.manifest_hash:
            return list(self.words.values())
        if data == selector("public_key()"):
            return self.key
        return next([value] for name, value in self.constants.items() if data == selector(name))

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        question = json.loads(body_of(request))
        found = {"jsonrpc": "2.0", "id": question["id"], "result": self.result(question["method"], question["params"])}
        answer(request, json.dumps(found).encode())


def selector(signature: str) -> str:
    return "0x" + Web3.keccak(text=signature)[:4].hex()


DRAW = quicknet_draw(chain_id=CHAIN)


def judged_at(draw: Draw, *serve: Callable[[BaseHTTPRequestHandler], None], log: bool = True, **given: Any) -> Any:
    """The report on a draw by nodes that serve so."""
    bundle, entries, log_file = draw.files
    with ExitStack() as stack:
        nodes = [stack.enter_context(serving(each)) for each in serve]
        told = verifier.Given(log=io.BytesIO(log_file) if log else None, nodes=nodes, **given)
        return verifier.verify(bundle, io.BytesIO(entries), told)


def test_the_selectors_are_the_signatures_first_bytes() -> None:
    assert {name: selector(name)[2:] for name in verifier.SELECTORS} == verifier.SELECTORS


def test_the_pinned_code_is_the_artefacts() -> None:
    assert len(RUNTIME) == verifier.RUNTIME_BYTES
    assert sha256(RUNTIME).hexdigest() == verifier.RUNTIME_SHA256


@pytest.mark.parametrize("status", ["committed", "settled"])
def test_a_draw_at_its_place_is_verified(status: str) -> None:
    draw = DRAW if status == "settled" else Draw(DRAW.bundle | {"settlement": None}, DRAW.entries, DRAW.log)
    report = judged_at(draw, Node(draw, status).serve, Node(draw, status).serve)
    assert (report.verdict, report.exit_code) == ("VERIFIED", 0)
    assert "2 of 2 nodes agree at finalized block 5000" in details(report, verifier.OK)


def test_the_command_verifies_a_draw_at_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Node(DRAW).serve) as one, serving(Node(DRAW).serve) as other:
        assert verifier.main([*written(tmp_path, DRAW), "--rpc", one, "--rpc", other]) == 0
        assert verifier.main([*written(tmp_path, DRAW), "--rpc", one, other]) == 0
        assert verifier.main([*written(tmp_path, DRAW)[:2], "--rpc", one]) == 3
    assert "VERIFIED: every check holds" in capsys.readouterr().out


def test_a_named_beacon_is_verified_and_a_development_chain_is_not() -> None:
    draw = development_draw(chain_id=CHAIN)
    node = Node(draw, beacon=DEVELOPMENT_BEACON)
    assert judged_at(draw, node.serve).verdict == "CONSISTENT"
    assert judged_at(draw, node.serve, beacon=to_bytes(DEVELOPMENT_BEACON)).verdict == "VERIFIED"
    draw = development_draw(chain_id=31337)
    node = Node(draw, beacon=DEVELOPMENT_BEACON)
    node.chain_id = 31337
    report = judged_at(draw, node.serve, beacon=to_bytes(DEVELOPMENT_BEACON))
    assert (report.verdict, names(report, verifier.UNCHECKED)) == ("CONSISTENT", set())


WORDS = [name for name in Node(DRAW).words if name not in {"commitment", "void_at", "status"}]


@pytest.mark.parametrize("word", WORDS)
def test_a_contract_that_tells_of_another_draw_is_not_verified(word: str) -> None:
    node = Node(DRAW)
    node.words[word] += 10**9
    report = judged_at(DRAW, node.serve)
    assert (names(report), report.exit_code) == ({"place of the draw"}, 1)
    assert word in details(report)


def test_a_contract_with_another_commitment_is_not_verified() -> None:
    draw = Draw(DRAW.bundle | {"settlement": None}, DRAW.entries, DRAW.log)
    node = Node(draw, "committed")
    node.words["commitment"] += 1
    report = judged_at(draw, node.serve)
    assert names(report) == {"place of the draw"}
    assert "the contract's commitment is" in details(report)


@pytest.mark.parametrize("status", ["unknown", "announced", "committed", "void", "lapsed"])
def test_a_contract_with_another_status_than_the_bundle_tells_of_is_not_verified(status: str) -> None:
    report = judged_at(DRAW, Node(DRAW, status).serve)
    assert names(report) == {"place of the draw"}


@pytest.mark.parametrize("constant", Node(DRAW).constants)
def test_a_contract_of_another_beacon_or_void_delay_is_not_verified(constant: str) -> None:
    node = Node(DRAW)
    node.constants[constant] += 1
    report = judged_at(DRAW, node.serve)
    assert names(report) == {"contract"}
    assert f"the contract's {constant} is" in details(report)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("key", [0] * 8, "public_key() is not the manifest's"),
        ("key", [], "public_key() is not the manifest's"),
        ("chain_id", 1, "the chain id is 1, expected 42220"),
        ("code", b"", "there is no code at"),
        ("code", RUNTIME[:-1], "is not the pinned runtime code"),
        ("code", b"\0" + RUNTIME, "is not the pinned runtime code"),
    ],
)
def test_another_key_chain_or_code_is_not_verified(member: str, value: Any, words: str) -> None:
    node = Node(DRAW)
    setattr(node, member, value)
    report = judged_at(DRAW, node.serve)
    assert (names(report), report.exit_code) == ({"contract"}, 1)
    assert words in details(report)


@pytest.mark.parametrize("member", ["number", "hash", "chain_id", "code", "words", "constants", "key"])
def test_nodes_that_contradict_each_other_leave_the_place_unchecked(member: str) -> None:
    liar = Node(DRAW)
    old = getattr(liar, member)
    other = {
        "number": FINAL + 1,
        "hash": "0x" + "00" * 32,
        "chain_id": 1,
        "code": b"\0",
        "words": dict.fromkeys(liar.words, 1),
        "constants": dict.fromkeys(liar.constants, 1),
        "key": [0] * 8,
    }[member]
    assert other != old
    setattr(liar, member, other)
    if member == "number":
        lag_result = liar.result
        liar.result = lambda method, parameters: (  # type: ignore[method-assign]
            {"number": hex(FINAL + (parameters[0] == "finalized")), "hash": "0x" + "00" * 32}
            if method == "eth_getBlockByNumber"
            else Node(DRAW).result(method, parameters)
        )
        assert lag_result
    report = judged_at(DRAW, Node(DRAW).serve, liar.serve)
    assert (report.verdict, names(report)) == ("CONSISTENT", set())
    assert "nodes contradict each other" in details(report, verifier.UNCHECKED)


def test_a_node_that_lags_is_asked_at_the_block_that_both_know() -> None:
    ahead = Node(DRAW)

    def result(method: str, parameters: list[Any]) -> Any:
        if parameters[:1] == ["finalized"]:
            return {"number": hex(FINAL + 40), "hash": "0x" + "aa" * 32}
        return Node(DRAW).result(method, parameters)

    ahead.result = result  # type: ignore[method-assign]
    assert judged_at(DRAW, ahead.serve, Node(DRAW).serve).verdict == "VERIFIED"


def result_instead(method: str, value: Any) -> Callable[[BaseHTTPRequestHandler], None]:
    """A node with another result for one method."""
    node = Node(DRAW)
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
    "a block without number": result_instead("eth_getBlockByNumber", {"hash": HASH}),
    "a block without hash": result_instead("eth_getBlockByNumber", {"number": "0x1", "hash": None}),
    "a block of a list": result_instead("eth_getBlockByNumber", []),
    "a huge block": result_instead("eth_getBlockByNumber", {"number": "0x" + "f" * 5000, "hash": HASH}),
    "a number as chain id": result_instead("eth_chainId", CHAIN),
    "no code at all": result_instead("eth_getCode", None),
    "odd code": result_instead("eth_getCode", "0xzz"),
    "an odd call": result_instead("eth_call", {"data": "0x"}),
}


@pytest.mark.parametrize("serve", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("beside", [0, 1], ids=["alone", "beside an honest node"])
def test_a_node_that_fails_leaves_the_place_unchecked(serve: Callable, beside: int) -> None:
    report = judged_at(DRAW, serve, *[Node(DRAW).serve] * beside)
    assert (report.verdict, names(report)) == ("CONSISTENT", set())
    assert "place" in names(report, verifier.UNCHECKED)


@pytest.mark.parametrize("result", ["0x", "0x00", "0x" + "00" * 32 * 14])
def test_a_contract_that_answers_with_other_words_is_not_verified(result: str) -> None:
    assert judged_at(DRAW, result_instead("eth_call", result)).exit_code == 1


def test_nobody_at_the_address_leaves_the_place_unchecked() -> None:
    with serving(Node(DRAW).serve) as url:
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
    report = judged_at(DRAW, Node(DRAW).serve, log=False)
    assert names(report, verifier.UNCHECKED) == {"log", "announced first"}


def test_an_announcement_after_the_first_leaf_is_not_verified() -> None:
    node = Node(DRAW)
    node.words["announced_at"] = DRAW.log[0].at
    assert judged_at(DRAW, node.serve).verdict == "VERIFIED"
    node.words["announced_at"] += 1
    assert "announced_at is" in details(judged_at(DRAW, node.serve))


@pytest.mark.parametrize(
    ("status", "step", "words"),
    [("unknown", "announce", "announced in block"), ("announced", "commit", "committed in block")],
)
def test_what_is_not_final_yet_is_not_checked(status: str, step: str, words: str) -> None:
    place = DRAW.bundle["place"] | {step: {"transaction": "0x" + "00" * 32, "block": FINAL + 1}}
    draw = Draw(DRAW.bundle | {"place": place}, DRAW.entries, DRAW.log)
    report = judged_at(draw, Node(draw, status).serve)
    assert (report.verdict, names(report)) == ("CONSISTENT", set())
    assert words in details(report, verifier.UNCHECKED)


@pytest.mark.parametrize(("stage", "status"), [("published", "announced"), ("committed", "committed")])
def test_a_draw_that_has_not_been_held_is_consistent_at_its_place(stage: str, status: str) -> None:
    draw = quicknet_draw(chain_id=CHAIN, made={"stage": stage})
    report = judged_at(draw, Node(draw, status).serve)
    assert (report.verdict, names(report, verifier.UNCHECKED)) == ("CONSISTENT", {"draw"})


def test_a_foreign_commitment_is_named_before_the_round() -> None:
    draw = quicknet_draw(chain_id=CHAIN, made={"stage": "published"})
    node = Node(quicknet_draw(chain_id=CHAIN), "committed")
    node.words["commitment"] += 1
    assert names(judged_at(draw, node.serve)) == {"place of the draw"}
