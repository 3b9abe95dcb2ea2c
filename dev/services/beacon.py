"""The dev beacon, which speaks drand's HTTP interface with its own key.

Scheme `bls-unchained-g1-rfc9380`: the signature of round R is hash_to_curve(SHA-256(u64be(R))) on G1 times the key, the
public key is on G2. A real drand key is shared among many parties; this one is in a file, whose readers know all
future rounds. Run alone: `python -m dev.services.beacon --port 8080 --state FOLDER`.
"""

import argparse
import functools
import hashlib
import http
import json
import os
import re
import secrets
import struct
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from dev.services.processes import ServiceDir
from dev.services.state import kept
from dev.services.web import Answers, Server, fetch

SCHEME = "bls-unchained-g1-rfc9380"
DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
BEACON_ID = "luxewin-dev"
ROUNDS_BEFORE = 20  # rounds that exist already when a chain is made
PATHS = re.compile(r"^(?:/(?P<chain>[0-9a-f]{64}))?/(?:(?P<info>info)|public/(?P<round>latest|\d{1,18}))/?$")


def start(site: ServiceDir) -> dict[str, str]:
    port = site.port()
    child = site.spawn_module("dev.services.beacon", "--port", str(port))
    site.wait_for(child, lambda: fetch(port, "/info"))
    info = fetch(port, "/info")
    return {
        "BEACON_URLS": f"http://127.0.0.1:{port}",
        "BEACON_CHAIN_HASH": info["hash"],
        "BEACON_PUBLIC_KEY": info["public_key"],
        "BEACON_GENESIS_TIME": str(info["genesis_time"]),
        "BEACON_PERIOD": str(info["period"]),
    }


def chain_hash(period: int, genesis_time: int, public_key: bytes, group_hash: bytes, beacon_id: str) -> str:
    """Compute drand's `chain.Info.Hash`, for every beacon except the one named `default`."""
    terms = struct.pack(">Iq", period, genesis_time)
    return hashlib.sha256(terms + public_key + group_hash + beacon_id.encode()).hexdigest()


@dataclass(frozen=True)
class Chain:
    """A beacon's key and its fixed terms. Times in Unix seconds, the period in seconds."""

    secret: int
    period: int
    genesis_time: int
    group_hash: str

    @classmethod
    def kept(cls, folder: Path, period: int) -> "Chain":
        """Return the folder's chain of this period (part of a chain's identity), made on the first call."""

        def make() -> str:
            genesis = int(time.time()) - ROUNDS_BEFORE * period
            return json.dumps(asdict(cls(1 + secrets.randbelow(ORDER - 1), period, genesis, secrets.token_hex(32))))

        return cls(**json.loads(kept(folder / f"chain-{period}s.json", make)))

    @functools.cached_property
    def public_key(self) -> bytes:
        return (G2Point() * Scalar(self.secret)).to_compressed_bytes()

    @functools.cached_property
    def hash(self) -> str:
        return chain_hash(self.period, self.genesis_time, self.public_key, bytes.fromhex(self.group_hash), BEACON_ID)

    def info(self) -> dict[str, object]:
        return {
            "public_key": self.public_key.hex(),
            "period": self.period,
            "genesis_time": self.genesis_time,
            "genesis_seed": self.group_hash,
            "hash": self.hash,
            "groupHash": self.group_hash,
            "schemeID": SCHEME,
            "metadata": {"beaconID": BEACON_ID},
        }

    def current_round(self) -> int:
        return int(time.time() - self.genesis_time) // self.period + 1

    @functools.lru_cache(maxsize=4096)  # noqa: B019 (one chain lives as long as the process)
    def sign(self, number: int) -> dict[str, object]:
        """Return the round as drand does. Cost: about 1 ms."""
        message = hashlib.sha256(struct.pack(">Q", number)).digest()
        signature = (G1Point.hash_to_curve(message, DST) * Scalar(self.secret)).to_compressed_bytes()
        randomness = hashlib.sha256(signature).hexdigest()
        return {"round": number, "randomness": randomness, "signature": signature.hex()}


def handler(chain: Chain) -> type[Answers]:
    class Beacon(Answers):
        def do_GET(self) -> None:  # noqa: N802 (its name there)
            path = self.path.partition("?")[0]
            current = chain.current_round()
            if path == "/health":
                self.answer(http.HTTPStatus.OK, {"current": current, "expected": current})
            elif path == "/chains":
                self.answer(http.HTTPStatus.OK, [chain.hash])
            elif not (asked := PATHS.match(path)) or asked["chain"] not in {None, chain.hash}:
                self.answer(http.HTTPStatus.NOT_FOUND, {"error": "not found"})
            elif asked["info"]:
                self.answer(http.HTTPStatus.OK, chain.info())
            else:
                self.answer_round(current if asked["round"] == "latest" else int(asked["round"]), current)

        def answer_round(self, number: int, current: int) -> None:
            if number < 1:
                self.answer(http.HTTPStatus.NOT_FOUND, {"error": "rounds start at 1"})
            elif number > current:
                self.answer(http.HTTPStatus.TOO_EARLY, {"error": "Requested future beacon"})
            else:
                self.answer(http.HTTPStatus.OK, chain.sign(number))

    return Beacon


def main() -> None:
    parser = argparse.ArgumentParser(description="a drand-compatible beacon for development")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="the folder that keeps its key")
    parser.add_argument("--period", type=int, default=int(os.environ.get("PARTS_BEACON_PERIOD") or 3), help="seconds")
    options = parser.parse_args()
    Server(options.port, handler(Chain.kept(options.state, options.period))).serve_forever()


if __name__ == "__main__":
    main()
