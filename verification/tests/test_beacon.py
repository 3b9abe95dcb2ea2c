"""The beacon: times of rounds, signatures, and a client that survives bad relays."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point, G2Point

from luxewin.health import probes
from verification.beacon import (
    DST,
    QUICKNET,
    Beacon,
    BeaconClient,
    BeaconUnavailable,
    RoundNotYet,
    randomness,
)

QUICKNET_FACTS = json.loads((Path(__file__).parent / "data" / "drand-quicknet.json").read_text())
ROUNDS = QUICKNET_FACTS["vectors"]
SIGNATURES = {vector["round"]: bytes.fromhex(vector["signature"]) for vector in ROUNDS}
INFINITY_G1 = b"\xc0" + bytes(47)
INFINITY_G2 = b"\xc0" + bytes(95)
OFF_THE_CURVE = b"\x80" + bytes(46) + b"\x01"  # x = 1: x³ + 4 = 5 is no square
OFF_THE_SUBGROUP = b"\x80" + bytes(46) + b"\x04"  # x = 4 is on the curve, but of another order


def test_quicknet_is_what_the_data_says() -> None:
    named = ("chain_hash", "public_key", "genesis_time", "period", "scheme")
    assert QUICKNET.as_manifest() == {name: QUICKNET_FACTS[name] for name in named}
    assert DST.decode() == QUICKNET_FACTS["dst"]


@pytest.mark.parametrize("vector", ROUNDS, ids=lambda vector: f"round {vector['round']}")
def test_a_real_round_passes(vector: dict) -> None:
    signature = bytes.fromhex(vector["signature"])
    assert QUICKNET.verify(vector["round"], signature)
    assert randomness(signature).hex() == vector["randomness"]


@pytest.mark.parametrize("round_number", [0, -1, 43, 1000, 2**64, 2**64 + 42])
def test_a_wrong_round_fails(round_number: int) -> None:
    assert not QUICKNET.verify(round_number, SIGNATURES[42])


@given(st.integers(0, 48 * 8 - 1))
def test_a_tampered_signature_fails(bit: int) -> None:
    tampered = (int.from_bytes(SIGNATURES[42]) ^ 1 << bit).to_bytes(48)
    assert not QUICKNET.verify(42, tampered)


@pytest.mark.parametrize(
    "signature",
    [b"", SIGNATURES[42][:-1], SIGNATURES[42] + b"\x00", bytes(48), INFINITY_G1, OFF_THE_CURVE, OFF_THE_SUBGROUP],
    ids=["empty", "short", "long", "zeroes", "infinity", "off the curve", "off the subgroup"],
)
def test_what_is_no_signature_fails(signature: bytes) -> None:
    assert not QUICKNET.verify(42, signature)


def test_the_off_subgroup_point_is_on_the_curve() -> None:
    point = G1Point.from_compressed_bytes_unchecked(OFF_THE_SUBGROUP)
    assert not point.is_in_subgroup()


def test_another_key_s_signature_fails() -> None:
    stranger = replace(QUICKNET, public_key=G2Point().to_compressed_bytes())
    assert not stranger.verify(42, SIGNATURES[42])
    message = G1Point.hash_to_curve(sha256((42).to_bytes(8)).digest(), DST)
    assert stranger.verify(42, message.to_compressed_bytes())  # the generator is the key of the secret 1
    assert not QUICKNET.verify(42, message.to_compressed_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": INFINITY_G2},
        {"public_key": b""},
        {"public_key": bytes(96)},
        {"public_key": QUICKNET.public_key[:48]},
        {"chain_hash": bytes(31)},
        {"period": 0},
        {"genesis_time": 0},
        {"scheme": "pedersen-bls-chained"},
    ],
    ids=lambda change: str(change)[:30],
)
def test_a_beacon_that_cannot_be_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=r"beacon|scheme"):
        replace(QUICKNET, **change)


@given(st.integers(0, 2**40), st.integers(1, 10_000), st.integers(1, 2**40))
def test_the_first_round_at_a_time_is_not_before_it_and_the_one_before_is(at: int, period: int, genesis: int) -> None:
    beacon = replace(QUICKNET, genesis_time=genesis, period=period)
    first = beacon.first_round_at(at)
    assert first >= 1
    assert beacon.time_of(first) >= at
    assert first == 1 or beacon.time_of(first - 1) < at


def test_a_round_whose_time_has_not_come_is_not_asked_for() -> None:
    now = time.time()
    last = QUICKNET.first_round_at(int(now)) + 1000
    with pytest.raises(RoundNotYet) as caught:
        BeaconClient(QUICKNET, ["http://127.0.0.1:9"]).fetch(last, now=now)
    assert caught.value.due_at == QUICKNET.time_of(last)


class Relay(ThreadingHTTPServer):
    """Over when the test is: until then, who hangs may hang."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.over = threading.Event()


type Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def relay(answer: Answer) -> Iterator[str]:
    """A real HTTP server on a free port that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the client has gone, as it should
                answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = Relay(Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


def body(content: bytes, status: int = 200, encoding: str | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if encoding:
            handler.send_header("Content-Encoding", encoding)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def good(handler: BaseHTTPRequestHandler) -> None:
    chain, what = handler.path.lstrip("/").split("/", 1)
    assert chain == QUICKNET.chain_hash.hex()
    answers = {f"public/{number}": {"round": number, "signature": value.hex()} for number, value in SIGNATURES.items()}
    answers["info"] = QUICKNET_FACTS
    body(json.dumps(answers[what]).encode())(handler)


def trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"X-Slow: yes\r\n")


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(10_000):
        handler.wfile.write(b" " * 65_536)


BAD_ANSWERS = {
    "another round": body(json.dumps({"signature": SIGNATURES[1000].hex()}).encode()),
    "no hex": body(b'{"signature": "zz"}'),
    "a number": body(b'{"signature": 5}'),
    "nothing": body(b"{}"),
    "a list": body(b"[]"),
    "not JSON": body(b"<html>"),
    "deep JSON": body(b"[" * 60_000),
    "not UTF-8": body(b"\xff\xfe\xfd"),
    "an error": body(b"{}", status=500),
    "a redirect": body(b"{}", status=302),
    "not found": body(b"{}", status=404),
    "false gzip": body(b"{}", encoding="gzip"),
    "an endless answer": endless,
    "no HTTP": lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n") and None,
}
# These never come to an end by themselves: whoever hears the next relay has given them up.
HANGING = {
    "a trickle": trickle,
    "silence": lambda handler: handler.server.over.wait() and None,
}
ROOM = 60.0  # seconds for an answer that comes, on however busy a machine


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_good_relay_is_heard_behind_a_bad_one(bad: Answer) -> None:
    with relay(bad) as bad_url, relay(good) as good_url:
        assert BeaconClient(QUICKNET, [bad_url, good_url], timeout=ROOM).fetch(42) == SIGNATURES[42]


@pytest.mark.parametrize("hanging", HANGING.values(), ids=HANGING.keys())
def test_a_good_relay_is_heard_behind_one_that_hangs(hanging: Answer) -> None:
    with relay(hanging) as bad_url, relay(good) as good_url:
        # The time-out binds the good relay too. On a busy machine it may miss it, but not again and again.
        urls = [bad_url, *[good_url] * 10]
        assert BeaconClient(QUICKNET, urls, timeout=1.0).fetch(42) == SIGNATURES[42]


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_every_relay_is_named_with_its_fault_when_none_is_good(bad: Answer) -> None:
    with relay(bad) as url, pytest.raises(BeaconUnavailable) as caught:
        BeaconClient(QUICKNET, [url, "http://127.0.0.1:1", "nonsense"], timeout=ROOM).fetch(42)
    named = [fault.split(": ")[0] for fault in caught.value.faults]
    assert named == [url.removeprefix("http://"), "127.0.0.1:1", "a relay without a host"]
    assert "no whole answer" not in str(caught.value)
    assert "ConnectError" in str(caught.value)


@pytest.mark.parametrize("hanging", HANGING.values(), ids=HANGING.keys())
def test_a_relay_that_hangs_is_named_with_how_long_it_was_waited_for(hanging: Answer) -> None:
    with relay(hanging) as url, pytest.raises(BeaconUnavailable) as caught:
        BeaconClient(QUICKNET, [url], timeout=0.3).fetch(42)
    assert caught.value.faults == [f"{url.removeprefix('http://')}: no whole answer within 0.3 s"]


def secret(url: str) -> str:
    """The same relay, as one with an account and a key is reached."""
    return url.replace("http://", "http://user:hunter2@") + "/v2/SECRETKEY"


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
@pytest.mark.parametrize("ask", [BeaconClient.ping, lambda client: client.fetch(42)], ids=["ping", "fetch"])
def test_no_fault_tells_the_secrets_of_a_relay_s_address(bad: Answer, ask: Callable[[BeaconClient], object]) -> None:
    with relay(bad) as url:
        urls = [secret(each) for each in (url, "http://127.0.0.1:1", "ftp://127.0.0.1", "http://[127.0.0.1")]
        client = BeaconClient(QUICKNET, urls, timeout=ROOM)
        with pytest.raises(BeaconUnavailable) as caught:
            ask(client)
    assert url.removeprefix("http://") in str(caught.value)
    assert not [word for word in ("user", "hunter2", "v2", "SECRETKEY") if word in str(caught.value)]


def test_health_tells_no_secret_of_a_relay_s_address(settings: Any) -> None:
    settings.BEACON_URLS = [secret("http://127.0.0.1:1")]
    probe = probes.EXAMINER.probes["beacon"]
    probe.examine()
    told = probe.health().detail
    assert "127.0.0.1:1: ConnectError" in told
    assert not [word for word in ("hunter2", "SECRETKEY") if word in told]


@pytest.mark.parametrize("status", [404, 425])
def test_a_round_that_no_relay_has_is_not_yet_there(status: int) -> None:
    with relay(body(b"", status)) as one, relay(body(b"", 404)) as other, pytest.raises(RoundNotYet):
        BeaconClient(QUICKNET, [one, other]).fetch(42)


def test_a_signature_in_capitals_is_the_same_signature() -> None:
    with relay(body(json.dumps({"signature": SIGNATURES[42].hex().upper()}).encode())) as url:
        assert BeaconClient(QUICKNET, [url + "/"]).fetch(42) == SIGNATURES[42]


def test_a_ping_finds_the_chain() -> None:
    with relay(body(b"{}", 500)) as bad, relay(good) as url:
        BeaconClient(QUICKNET, [bad, url]).ping()


def test_a_ping_refuses_another_chain() -> None:
    with relay(body(b'{"public_key": "00"}')) as url, pytest.raises(BeaconUnavailable, match="another public key"):
        BeaconClient(QUICKNET, [url]).ping()


def test_a_client_without_relays_is_refused() -> None:
    with pytest.raises(ValueError, match="relay"):
        BeaconClient(QUICKNET, [])


def test_two_beacons_of_the_same_facts_are_equal() -> None:
    assert Beacon(QUICKNET.chain_hash, QUICKNET.public_key, QUICKNET.genesis_time, QUICKNET.period) == QUICKNET
