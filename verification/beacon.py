"""Beacon: drand rounds, their times, their signatures, and the client that fetches them. Independent of Django.

Scheme `bls-unchained-g1-rfc9380`: BLS12-381 signatures in G1 over SHA-256(u64(round)), keys in G2. Every signature is
verified here, so the relays need not be trusted.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import httpx
from py_arkworks_bls12381 import GT, G1Point, G2Point

from luxewin.tls import trusted

SCHEME = "bls-unchained-g1-rfc9380"
DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"  # domain separation tag of the scheme

_SIGNATURE, _KEY = 48, 96  # bytes of a compressed point in G1 and in G2
_MOST_ROUND = 2**64 - 1
_MOST_ANSWER = 1 << 16  # a round's answer has about 300 bytes
_NOT_YET = frozenset({httpx.codes.NOT_FOUND, httpx.codes.TOO_EARLY})


@dataclass(frozen=True, slots=True)
class Beacon:
    """One drand chain. `genesis_time` in Unix seconds, `period` in seconds.

    Raises ValueError on another scheme, or an invalid chain hash or public key.
    """

    chain_hash: bytes
    public_key: bytes
    genesis_time: int
    period: int
    scheme: str = SCHEME

    def __post_init__(self) -> None:
        if self.scheme != SCHEME:
            raise ValueError(f"the scheme {self.scheme!r} is not known, only {SCHEME!r}")
        if len(self.chain_hash) != 32:
            raise ValueError(f"the beacon's chain hash is {len(self.chain_hash)} bytes, not 32")
        if self.genesis_time < 1 or self.period < 1:
            raise ValueError("the beacon's genesis time and period are positive seconds")
        # With the point at infinity as key, the signature at infinity would be valid for every round.
        if len(self.public_key) != _KEY or _g2(self.public_key) in (None, G2Point.identity()):
            raise ValueError("the beacon's public key is no point of G2 other than infinity, compressed to 96 bytes")

    def time_of(self, round: int) -> int:  # noqa: A002 (the beacon's own word)
        """Return when the round appears, in Unix seconds."""
        return self.genesis_time + (round - 1) * self.period

    def first_round_at(self, unix_time: int) -> int:
        """Return the first round, from 1 on, that does not appear before this time."""
        return max(1, -((self.genesis_time - unix_time) // self.period) + 1)

    def verify(self, round: int, signature: bytes) -> bool:  # noqa: A002
        """Whether these 48 bytes are the chain's signature of the round. Costs about 3 ms."""
        if not 1 <= round <= _MOST_ROUND or len(signature) != _SIGNATURE:
            return False
        point, key = _g1(signature), _g2(self.public_key)
        if point is None or key is None or point == G1Point.identity():
            return False
        message = G1Point.hash_to_curve(sha256(round.to_bytes(8)).digest(), DST)
        return GT.pairing_check([point, -message], [G2Point(), key])  # G2Point() is the generator

    def as_manifest(self) -> dict[str, Any]:
        """Return the `beacon` field of a manifest."""
        return {
            "chain_hash": self.chain_hash.hex(),
            "public_key": self.public_key.hex(),
            "genesis_time": self.genesis_time,
            "period": self.period,
            "scheme": self.scheme,
        }


def randomness(signature: bytes) -> bytes:
    return sha256(signature).digest()


def _g1(compressed: bytes) -> G1Point | None:
    try:
        return G1Point.from_compressed_bytes(compressed)
    except ValueError:  # not on the curve, or outside the subgroup
        return None


def _g2(compressed: bytes) -> G2Point | None:
    try:
        return G2Point.from_compressed_bytes(compressed)
    except ValueError:
        return None


QUICKNET = Beacon(
    chain_hash=bytes.fromhex("52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"),
    public_key=bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    genesis_time=1692803367,
    period=3,
)
QUICKNET_RELAYS = (
    "https://api.drand.sh",
    "https://api2.drand.sh",
    "https://api3.drand.sh",
    "https://drand.cloudflare.com",
)


class BeaconError(Exception):
    """The round's signature could not be fetched."""


class RoundNotYet(BeaconError):
    """The round has not appeared yet. `due_at` is its time in Unix seconds."""

    def __init__(self, round: int, due_at: int) -> None:  # noqa: A002
        self.due_at = due_at
        super().__init__(f"round {round} has not appeared yet; it is due at {due_at}")


class BeaconUnavailable(BeaconError):
    """No relay gave a valid signature; the public message names each relay's fault and no secret."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        super().__init__("no relay of the beacon gave a valid answer: " + "; ".join(self.faults))


class _RelayFault(Exception):
    """What is wrong with one relay's answer."""


class _RelayNotYet(_RelayFault):
    """The relay does not have the round."""


class BeaconClient:
    """Client for rounds from relays, tried in order; `timeout` limits each relay's whole answer, in seconds."""

    def __init__(self, beacon: Beacon, urls: Sequence[str] = QUICKNET_RELAYS, timeout: float = 3.0) -> None:
        if not urls:
            raise ValueError("a beacon needs at least one relay")
        self.beacon = beacon
        self.urls = [url.rstrip("/") for url in urls]
        self.timeout = timeout

    def fetch(self, round: int, *, now: float | None = None) -> bytes:  # noqa: A002
        """Fetch the round's verified signature. Raises RoundNotYet or BeaconUnavailable.

        If `now`, in Unix seconds, is given, no relay is asked for a round that is not due yet. Blocks for at most
        `timeout` per relay. Not for use inside an event loop.
        """
        due_at = self.beacon.time_of(round)
        if now is not None and now < due_at:
            raise RoundNotYet(round, due_at)
        faults: list[_RelayFault] = []
        for url in self.urls:
            try:
                return self._signature(url, round)
            except _RelayFault as fault:
                faults.append(fault)
        if all(isinstance(fault, _RelayNotYet) for fault in faults):
            raise RoundNotYet(round, due_at)
        raise BeaconUnavailable([str(fault) for fault in faults])

    def ping(self) -> None:
        """Raise BeaconUnavailable unless some relay serves this chain."""
        faults = []
        for url in self.urls:
            try:
                served = self._get(url, "info").get("public_key")
            except _RelayFault as fault:
                faults.append(str(fault))
                continue
            if served == self.beacon.public_key.hex():
                return
            faults.append(f"{_name(url)}: serves another public key")
        raise BeaconUnavailable(faults)

    def _signature(self, url: str, round: int) -> bytes:  # noqa: A002
        try:
            signature = bytes.fromhex(self._get(url, f"public/{round}").get("signature", ""))
        except (TypeError, ValueError) as error:
            raise _RelayFault(f"{_name(url)}: the answer holds no signature in hex") from error
        if not self.beacon.verify(round, signature):
            raise _RelayFault(f"{_name(url)}: the signature is not the chain's signature of round {round}")
        return signature

    def _get(self, url: str, what: str) -> dict[str, Any]:
        relay = _name(url)
        try:
            answer = json.loads(asyncio.run(self._read(f"{url}/{self.beacon.chain_hash.hex()}/{what}", relay)))
        except TimeoutError as error:
            raise _RelayFault(f"{relay}: no whole answer within {self.timeout} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Without the error's own text, which may quote the address.
            raise _RelayFault(f"{relay}: {type(error).__name__}") from error
        except (ValueError, RecursionError) as error:
            raise _RelayFault(f"{relay}: the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise _RelayFault(f"{relay}: the answer is not an object")
        return answer

    async def _read(self, address: str, relay: str) -> bytes:
        # asyncio, because it can limit the whole answer: httpx's time-outs are per read, and a relay may send slowly.
        # Uncompressed, because a few compressed bytes can expand to any size.
        headers = {"accept-encoding": "identity"}
        async with (
            asyncio.timeout(self.timeout),
            httpx.AsyncClient(timeout=None, headers=headers, verify=trusted()) as client,  # noqa: S113 (bounded above)
            client.stream("GET", address) as response,
        ):
            if response.status_code in _NOT_YET:
                raise _RelayNotYet(f"{relay}: does not have it (HTTP {response.status_code})")
            if response.status_code != httpx.codes.OK:
                raise _RelayFault(f"{relay}: HTTP {response.status_code}")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MOST_ANSWER:
                    raise _RelayFault(f"{relay}: the answer is longer than {_MOST_ANSWER} bytes")
        return body


def _name(url: str) -> str:
    """Return host and port: the rest of a relay's address is often a secret."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "a relay without a host"
    except ValueError:
        return "a relay whose address is none"
