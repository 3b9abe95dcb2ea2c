"""The verifier's test room: draws held honestly, by code that shares no line with the verifier.

The tree is the recursive definition of RFC 9162, the signer is the `py_arkworks_bls12381` wheel, and the facts (real
drand quicknet rounds, worked examples) come from `data`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from py_arkworks_bls12381 import G1Point, G2Point, Scalar

DATA = Path(__file__).parent / "data"
DRAND = json.loads((DATA / "drand-quicknet.json").read_text())
FACTS = {
    "rounds": DRAND["vectors"],
    "draws": json.loads((DATA / "draw-vectors.json").read_text())["vectors"],
}
QUICKNET = {name: DRAND[name] for name in ("chain_hash", "public_key", "genesis_time", "period", "scheme")}
DEVELOPMENT_KEY = Scalar(0x5EED0FADE7)  # known to all: such a beacon proves nothing
DEVELOPMENT_BEACON = {
    "chain_hash": "ab" * 32,
    "public_key": bytes((G2Point() * DEVELOPMENT_KEY).to_compressed_bytes()).hex(),
    "genesis_time": 1_700_000_000,
    "period": 3,
    "scheme": "bls-unchained-g1-rfc9380",
}
RAFFLE = "5b1cbd5c-6d0e-4bb5-9f0d-1f6f4a0f7a11"
# Gaps between them are refunded purchases.
ENTRIES = [
    ("0c5ab6a1-2a4b-4a4e-8f3e-0b5a5c3a9d01", 1, 3),
    ("9e1f2c3d-77aa-4b6c-9d8e-1f2a3b4c5d02", 4, 10),
    ("51de4335-f3d5-4349-ac01-7ff0480321db", 20, 1),
    ("c32d81c6-f8fc-4b9f-9c32-3459a71cb470", 21, 7),
    ("50423947-d84d-4d48-bb98-2ff13ad8132f", 40, 2),
]


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def development_signature(round_number: int) -> bytes:
    message = sha(u64(round_number))
    hashed = G1Point.hash_to_curve(message, b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_")
    return bytes((hashed * DEVELOPMENT_KEY).to_compressed_bytes())


def tree(entries: list) -> tuple[int, bytes]:
    """Sum and hash of the tree over these entries, straight from the recursive definition."""
    if len(entries) == 1:
        entry_id, first, count = entries[0]
        return count, sha(b"\0", bytes.fromhex(entry_id.replace("-", "")), u64(first), u64(count))
    (left_sum, left), (right_sum, right) = (tree(half) for half in halves(entries))
    return left_sum + right_sum, sha(b"\1", u64(left_sum), left, u64(right_sum), right)


def halves(entries: list) -> tuple[list, list]:
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return entries[:split], entries[split:]


def path(entries: list, place: int) -> list[dict]:
    if len(entries) == 1:
        return []
    left, right = halves(entries)
    inner, outer, side = (left, right, "right") if place < len(left) else (right, left, "left")
    total, digest = tree(outer)
    return [
        *path(inner, place if place < len(left) else place - len(left)),
        {"side": side, "sum": total, "hash": digest.hex()},
    ]


def draw_indices(seed: bytes, total: int, wanted: int) -> list[int]:
    picked: list[int] = []
    i = 0
    while len(picked) < min(total, wanted):
        d = int.from_bytes(sha(seed, u64(i)), "big")
        if d < 2**256 - 2**256 % total and d % total not in picked:
            picked.append(d % total)
        i += 1
    return picked


def locate(entries: list, index: int) -> tuple[int, int]:
    """The place of the entry that holds an index, and the tickets before it."""
    before = 0
    for place, (_, _, count) in enumerate(entries):
        if index < before + count:
            return place, before
        before += count
    raise AssertionError("an index beyond the tickets")


def manifest_of(beacon: dict, **changed: Any) -> str:
    fields = {
        "protocol": "luxewin/draw/v1",
        "raffle": RAFFLE,
        "title": 'Une montre "Élégance" \u20ac\U0001f600\n',
        "prizes": [{"position": 1, "name": "A watch"}, {"position": 2, "name": "A smaller watch"}],
        "alternates": 2,
        "ticket_price": 500,
        "currency": "EUR",
        "capacity": 100,
        "max_per_person": 10,
        "min_tickets": 5,
        "opens_at": "2026-01-01T00:00:00Z",
        "closes_at": "2026-02-01T00:00:00Z",
        "delay_seconds": 60,
        "beacon": beacon,
        "sequence": 7,
    } | changed
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def pick_of(entries: list, number: int, index: int, prizes: list[dict]) -> dict:
    place, before = locate(entries, index)
    entry_id, first, count = entries[place]
    wins = number <= len(prizes)
    return {
        "position": number,
        "role": "winner" if wins else "alternate",
        "prize": prizes[number - 1]["name"] if wins else None,
        "index": index,
        "ticket": first + index - before,
        "entry_id": entry_id,
        "first_ticket": first,
        "count": count,
        "path": path(entries, place),
    }


def hold(manifest: str, beacon: dict, round_number: int, signature: bytes, entries: list) -> dict:
    """The bundle of a draw over these entries with this round, committed at the last moment that leads to it."""
    promise = json.loads(manifest)
    total, root = tree(entries)
    randomness, manifest_hash = sha(signature), sha(manifest.encode())
    chain_hash = bytes.fromhex(beacon["chain_hash"])
    seed = sha(b"luxewin/draw/v1", chain_hash, u64(round_number), randomness, manifest_hash, root, u64(total))
    indices = draw_indices(seed, total, len(promise["prizes"]) + promise["alternates"])
    time = beacon["genesis_time"] + (round_number - 1) * beacon["period"]
    return {
        "protocol": "luxewin/draw/v1",
        "raffle": RAFFLE,
        "manifest": manifest,
        "manifest_hash": manifest_hash.hex(),
        "entries": {"root": root.hex(), "tickets": total, "count": len(entries), "url": "entries.csv"},
        "commitment": {
            "anchored": False,
            "committed_at": time - promise["delay_seconds"],
            "chain_id": None,
            "contract": None,
            "transaction": None,
            "block": None,
        },
        "beacon": beacon | {"round": round_number, "signature": signature.hex(), "randomness": randomness.hex()},
        "seed": seed.hex(),
        "picks": [pick_of(entries, n, index, promise["prizes"]) for n, index in enumerate(indices, start=1)],
        "settlement": None,
    }


def development_draw(entries: list | None = None, **changed: Any) -> dict:
    """A draw by the development beacon; `changed` fields of the manifest."""
    manifest = manifest_of(DEVELOPMENT_BEACON, **changed)
    return hold(manifest, DEVELOPMENT_BEACON, 1234, development_signature(1234), entries or ENTRIES)


def quicknet_draw(number: int = 2) -> dict:
    """A draw by a real round of drand quicknet."""
    real = FACTS["rounds"][number]
    return hold(manifest_of(QUICKNET), QUICKNET, real["round"], bytes.fromhex(real["signature"]), ENTRIES)


def csv_of(entries: list) -> bytes:
    return b"entry_id,first_ticket,count\n" + b"".join(f"{i},{f},{c}\n".encode() for i, f, c in entries)


def to_bytes(bundle: Any) -> bytes:
    return json.dumps(bundle).encode()
