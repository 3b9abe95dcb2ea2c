"""An honest maker of whole draws of the protocol `luxewin/draw/v2`, by code that shares no line with the verifier.

The trees are RFC 9162's recursive definition, the signers are the wheels `py_arkworks_bls12381` and `cryptography`, and
the facts (real drand quicknet rounds, worked examples) come from `data`. What follows from what is changed is made
anew: a draw made with a broken rule is consistent with itself, so that only the check of that rule can find it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

PROTOCOL = "luxewin/draw/v2"
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
RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
RAFFLE = "5b1cbd5c-6d0e-4bb5-9f0d-1f6f4a0f7a11"
CONTRACT = "0x" + "c0de" * 10
DEVELOPMENT_CHAIN = 31337
NO_REASON = "00" * 32
# Purchases by entry_id and count; their ticket numbers follow one another.
PURCHASES = [
    ("0c5ab6a1-2a4b-4a4e-8f3e-0b5a5c3a9d01", 3),
    ("9e1f2c3d-77aa-4b6c-9d8e-1f2a3b4c5d02", 10),
    ("e27b2d46-3b3a-4f0e-a0a5-6f1f5f0a2b03", 6),
    ("51de4335-f3d5-4349-ac01-7ff0480321db", 1),
    ("c32d81c6-f8fc-4b9f-9c32-3459a71cb470", 7),
    ("50423947-d84d-4d48-bb98-2ff13ad8132f", 2),
    ("f3a9e7c0-1111-4222-8333-444455556666", 4),
]
WITHDRAWN = [PURCHASES[2][0], PURCHASES[6][0]]  # a gap among the entries, and the last tickets


class Entry(NamedTuple):
    """A line of the entries file."""

    entry_id: str
    first_ticket: int
    count: int
    holder: str


class Leaf(NamedTuple):
    """A line of the log."""

    kind: int
    entry_id: str
    a: int
    b: int
    x: str
    at: int

    @property
    def data(self) -> bytes:
        """The bytes that a leaf hash covers."""
        numbers = u64(self.a) + u64(self.b) + bytes.fromhex(self.x) + u64(self.at)
        return bytes([self.kind]) + uuid_bytes(self.entry_id) + numbers


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def uuid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def seconds(text: str) -> int:
    """Unix seconds of a manifest's time."""
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def utc(moment: int) -> str:
    """A manifest's time of Unix seconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Trees


class SumTree:
    """The Merkle sum tree over entries, straight from the recursive definition."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.node = cache(self._node)

    def _node(self, start: int, end: int) -> tuple[int, bytes]:
        if end - start == 1:
            entry = self.entries[start]
            numbers = u64(entry.first_ticket) + u64(entry.count)
            return entry.count, sha(b"\0", uuid_bytes(entry.entry_id), numbers, bytes.fromhex(entry.holder))
        middle = start + split(end - start)
        (left_sum, left), (right_sum, right) = self.node(start, middle), self.node(middle, end)
        return left_sum + right_sum, sha(b"\1", u64(left_sum), left, u64(right_sum), right)

    def root(self) -> tuple[int, bytes]:
        """Sum and hash at the root."""
        return self.node(0, len(self.entries))

    def path(self, place: int) -> list[dict[str, Any]]:
        """The steps from a leaf up."""
        steps, start, end = [], 0, len(self.entries)
        while end - start > 1:
            middle = start + split(end - start)
            side, sibling = ("right", (middle, end)) if place < middle else ("left", (start, middle))
            start, end = (start, middle) if place < middle else (middle, end)
            total, digest = self.node(*sibling)
            steps.append({"side": side, "sum": total, "hash": digest.hex()})
        return steps[::-1]


def split(size: int) -> int:
    """The largest power of two below `size`: what goes to the left."""
    return 1 << (size - 1).bit_length() - 1


def log_root(leaves: Sequence[Leaf]) -> bytes:
    """RFC 9162's Merkle tree hash of the log's leaves."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\0", leaves[0].data)
    middle = split(len(leaves))
    return sha(b"\1", log_root(leaves[:middle]), log_root(leaves[middle:]))


def inclusion(leaves: Sequence[Leaf], index: int) -> dict[str, Any]:
    """RFC 9162's inclusion proof of a leaf, from the leaf up."""

    def path(start: int, end: int) -> list[str]:
        if end - start == 1:
            return []
        middle = start + split(end - start)
        if index < middle:
            return [*path(start, middle), log_root(leaves[middle:end]).hex()]
        return [*path(middle, end), log_root(leaves[start:middle]).hex()]

    return {"index": index, "size": len(leaves), "proof": path(0, len(leaves))}


# Facts


def manifest_of(beacon: dict | None = None, **changed: Any) -> dict[str, Any]:
    """A manifest with every promise; `changed` replaces members, `...` takes one away."""
    fields = {
        "protocol": PROTOCOL,
        "operator": "LuxeWin Ltd",
        "raffle": RAFFLE,
        "sequence": 7,
        "title": 'Une montre "Élégance" \u20ac\U0001f600\n',
        "prizes": [
            {"position": 1, "name": "A watch", "value": 950_000, "cash_alternative": 800_000},
            {"position": 2, "name": "A smaller watch", "value": None, "cash_alternative": None},
        ],
        "alternates": 2,
        "ticket_price": 500,
        "currency": "eur",
        "capacity": 100,
        "max_per_person": 10,
        "min_tickets": 5,
        "opens_at": "2026-01-01T00:00:00Z",
        "closes_at": "2026-02-01T00:00:00Z",
        "conditions": "Open to everyone of age.\nNo purchase is needed.",
        "free_route": {"instructions": "Send a postcard.", "until": "2026-01-30T12:00:00Z"},
        "claim_seconds": 1_209_600,
        "delay_seconds": 900,
        "commit_within_seconds": 86_400,
        "void_after_seconds": 1_209_600,
        "beacon": beacon or DEVELOPMENT_BEACON,
        "anchor": None,
        "receipt_key": public_bytes(RECEIPT_KEY).hex(),
    } | changed
    return {name: value for name, value in fields.items() if value is not ...}


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def canonical(value: Any) -> str:
    """RFC 8785 of what a manifest holds, whose member names are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def nonce_of(entry_id: str) -> bytes:
    """The 32 bytes that this buyer's device made."""
    return sha(b"nonce", entry_id.encode())


def log_of(
    purchases: Sequence[tuple[str, int]] = PURCHASES, withdrawn: Sequence[str] = WITHDRAWN, start: int = 1_767_300_000
) -> list[Leaf]:
    """The log of these purchases, ten seconds between them; a withdrawal is five seconds after its purchase."""
    leaves, ticket = [], 1
    for number, (entry_id, count) in enumerate(purchases):
        leaf = Leaf(1, entry_id, ticket, count, sha(nonce_of(entry_id)).hex(), start + 10 * number)
        leaves.append(leaf)
        ticket += count
        if entry_id in withdrawn:
            leaves.append(leaf._replace(kind=2, at=leaf.at + 5))
    return leaves


def entries_of(log: Sequence[Leaf]) -> list[Entry]:
    """What these leaves enter and do not withdraw, by first ticket."""
    withdrawn = {leaf.entry_id for leaf in log if leaf.kind == 2}
    kept = (leaf for leaf in log if leaf.kind == 1 and leaf.entry_id not in withdrawn)
    return sorted((Entry(*leaf[1:5]) for leaf in kept), key=lambda entry: entry.first_ticket)


def first_round(beacon: dict, moment: int) -> int:
    """The first round at or after this moment."""
    number = 1
    if moment > beacon["genesis_time"]:
        number += -(-(moment - beacon["genesis_time"]) // beacon["period"])
    return number


def round_time(beacon: dict, number: int) -> int:
    return beacon["genesis_time"] + (number - 1) * beacon["period"]


@cache
def development_signature(round_number: int) -> bytes:
    message = sha(u64(round_number))
    hashed = G1Point.hash_to_curve(message, b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_")
    return bytes((hashed * DEVELOPMENT_KEY).to_compressed_bytes())


def commitment_of(root: bytes, tickets: int, log: Sequence[Leaf]) -> bytes:
    """The commitment to an entries tree and to all of these leaves."""
    return sha(b"luxewin/commitment/v2", root, u64(tickets), log_root(log), u64(len(log)))


def seed_of(manifest: str, round_number: int, signature: bytes, commitment: bytes, tickets: int) -> bytes:
    chain_hash = bytes.fromhex(json.loads(manifest)["beacon"]["chain_hash"])
    facts = [chain_hash, u64(round_number), sha(signature), sha(manifest.encode()), commitment, u64(tickets)]
    return sha(b"luxewin/draw/v2", *facts)


def draw_indices(seed: bytes, total: int, wanted: int) -> list[int]:
    picked: list[int] = []
    i = 0
    while len(picked) < min(total, wanted):
        d = int.from_bytes(sha(seed, u64(i)), "big")
        if d < 2**256 - 2**256 % total and d % total not in picked:
            picked.append(d % total)
        i += 1
    return picked


def locate(entries: Sequence[Entry], index: int) -> tuple[int, int]:
    """The place of the entry that holds an index, and the tickets before it."""
    before = 0
    for place, entry in enumerate(entries):
        if index < before + entry.count:
            return place, before
        before += entry.count
    raise AssertionError("an index beyond the tickets")


def pick_of(tree: SumTree, number: int, index: int, prizes: int) -> dict[str, Any]:
    place, before = locate(tree.entries, index)
    entry = tree.entries[place]
    wins = number <= prizes
    return {
        "position": number,
        "role": "winner" if wins else "alternate",
        "prize": number if wins else None,
        "index": index,
        "ticket": entry.first_ticket + index - before,
        **entry._asdict(),
        "path": tree.path(place),
    }


# Whole draws


@dataclass
class Draw:
    """A draw's published files, as values."""

    bundle: dict[str, Any]
    entries: list[Entry]
    log: list[Leaf]

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.bundle["manifest"])
        return found

    @property
    def files(self) -> tuple[bytes, bytes, bytes]:
        """Bundle, entries and log, as served."""
        return to_bytes(self.bundle), csv_of(self.entries), log_csv_of(self.log)

    @property
    def drawn_at(self) -> int:
        """The round's time."""
        return round_time(self.manifest["beacon"], self.bundle["beacon"]["round"])

    def with_outcomes(self, *leaves: Leaf) -> "Draw":
        """The same draw, its log grown by these leaves."""
        return replace(self, log=[*self.log, *leaves])

    def forfeit(self, position: int, prize: int, reason: str = "ineligible", after: int = 3600) -> Leaf:
        """A kind 3 leaf of a pick, so many seconds after the round."""
        entry_id = self.bundle["picks"][position - 1]["entry_id"]
        return Leaf(3, entry_id, position, prize, sha(reason.encode()).hex(), self.drawn_at + after)

    def claim(self, position: int, prize: int, after: int = 3600) -> Leaf:
        """A kind 4 leaf of a pick, so many seconds after the round."""
        entry_id = self.bundle["picks"][position - 1]["entry_id"]
        return Leaf(4, entry_id, position, prize, NO_REASON, self.drawn_at + after)

    def head(
        self, size: int | None = None, at: int | None = None, key: Ed25519PrivateKey = RECEIPT_KEY
    ) -> dict[str, Any]:
        """A signed head of the log's first leaves, of all unless told; by default dated as its latest leaf."""
        leaves = self.log if size is None else self.log[:size]
        at = max((leaf.at for leaf in leaves), default=0) if at is None else at
        root = log_root(leaves)
        signed = b"luxewin/head/v2" + bytes.fromhex(self.bundle["manifest_hash"]) + u64(len(leaves)) + root + u64(at)
        return {"size": len(leaves), "root": root.hex(), "at": at, "signature": key.sign(signed).hex()}

    def receipt(self, place: int = 0, key: Ed25519PrivateKey = RECEIPT_KEY, **changed: Any) -> dict[str, Any]:
        """The receipt of the purchase at this place in the log, its nonce made by the server; `changed` is signed."""
        leaf = self.log[place]
        facts = {
            "protocol": PROTOCOL,
            "raffle": self.bundle["raffle"],
            "manifest_hash": self.bundle["manifest_hash"],
            "entry_id": leaf.entry_id,
            "first_ticket": leaf.a,
            "count": leaf.b,
            "holder": leaf.x,
            "nonce": nonce_of(leaf.entry_id).hex(),
            "at": leaf.at,
        } | changed
        promised = Leaf(1, *(facts[name] for name in ("entry_id", "first_ticket", "count", "holder", "at")))
        of = uuid_bytes(facts["raffle"]) + bytes.fromhex(facts["manifest_hash"])
        signature = key.sign(b"luxewin/receipt/v2" + of + sha(b"\0", promised.data))
        return facts | {"signature": signature.hex()}


def hold(
    manifest: dict[str, Any] | str,
    log: Sequence[Leaf],
    *,
    log_size: int | None = None,
    entries: Sequence[Entry] | None = None,
    committed_at: int | None = None,
    round_number: int | None = None,
    signature: bytes | None = None,
    stage: str = "drawn",
) -> Draw:
    """The draw that follows from a manifest and a log, by the development beacon unless a signature is given.

    `log_size` commits to the first leaves only, `entries` replaces what they enter, `round_number` the round that
    follows from `committed_at` (by default 100 s after the sale has closed). `stage` is how far it has come:
    "published" (not committed), "committed" (its round is awaited) or "drawn".
    """
    text = manifest if isinstance(manifest, str) else canonical(manifest)
    promise = json.loads(text)
    committed = list(log[:log_size])
    entries = entries_of(committed) if entries is None else list(entries)
    tree = SumTree(entries)
    tickets, root = tree.root()
    commitment = commitment_of(root, tickets, committed)
    at = seconds(promise["closes_at"]) + 100 if committed_at is None else committed_at
    number = round_number or first_round(promise["beacon"], at + promise["delay_seconds"])
    anchored = promise["anchor"] is not None
    bundle: dict[str, Any] = {
        "protocol": PROTOCOL,
        "raffle": promise["raffle"],
        "manifest": text,
        "manifest_hash": sha(text.encode()).hex(),
        "entries": {"root": root.hex(), "tickets": tickets, "count": len(entries), "url": "entries.csv"},
        "log": {"size": len(committed), "root": log_root(committed).hex(), "url": "log.csv"},
        "commitment": commitment.hex(),
        "place": {"committed_at": None, "announce": transaction(1) if anchored else None, "commit": None},
        "beacon": {"round": None, "signature": None, "randomness": None},
        "seed": None,
        "picks": [],
        "settlement": None,
    }
    if stage != "published":
        bundle["place"] |= {"committed_at": at, "commit": transaction(2) if anchored else None}
        bundle["beacon"]["round"] = number
    if stage == "drawn":
        signature = signature or development_signature(number)
        bundle["beacon"] |= {"signature": signature.hex(), "randomness": sha(signature).hex()}
        seed = seed_of(text, number, signature, commitment, tickets)
        prizes = len(promise["prizes"])
        indices = draw_indices(seed, tickets, prizes + promise["alternates"])
        bundle["seed"] = seed.hex()
        bundle["picks"] = [pick_of(tree, n, index, prizes) for n, index in enumerate(indices, start=1)]
        bundle["settlement"] = transaction(3) if anchored else None
    return Draw(bundle, entries, list(log))


def transaction(number: int) -> dict[str, Any]:
    """A transaction of its own, and the number of its block."""
    return {"transaction": f"0x{number:064x}", "block": 1000 * number}


def anchor_on(chain_id: int | None) -> dict[str, Any] | None:
    return None if chain_id is None else {"chain_id": chain_id, "contract": CONTRACT}


def development_draw(
    log: Sequence[Leaf] | None = None,
    *,
    chain_id: int | None = None,
    made: dict[str, Any] | None = None,
    **changed: Any,
) -> Draw:
    """A draw by the development beacon, anchored on `chain_id` or nowhere.

    `changed` members of the manifest; `made` goes to `hold`.
    """
    manifest = manifest_of(**({"anchor": anchor_on(chain_id)} | changed))
    return hold(manifest, log_of() if log is None else log, **made or {})


def quicknet_draw(
    number: int = 2, *, chain_id: int | None = None, made: dict[str, Any] | None = None, **changed: Any
) -> Draw:
    """A draw by a real round of drand quicknet, by its place in `FACTS["rounds"]`, committed at the last moment that
    leads to it. The real rounds are of August 2023, and so is its sale.
    """
    real = FACTS["rounds"][number]
    facts = {
        "beacon": QUICKNET,
        "anchor": anchor_on(chain_id),
        "opens_at": "2023-08-01T00:00:00Z",
        "closes_at": "2023-08-23T14:50:00Z",
        "free_route": {"instructions": "Send a postcard.", "until": "2023-08-20T00:00:00Z"},
    }
    manifest = manifest_of(**(facts | changed))
    round_facts = {
        "committed_at": round_time(QUICKNET, real["round"]) - manifest["delay_seconds"],
        "round_number": real["round"],
        "signature": bytes.fromhex(real["signature"]),
    }
    return hold(manifest, log_of(start=seconds("2023-08-02T00:00:00Z")), **round_facts | (made or {}))


def csv_of(entries: Sequence[Entry]) -> bytes:
    """The entries file."""
    return lines("entry_id,first_ticket,count,holder", entries)


def log_csv_of(log: Sequence[Leaf]) -> bytes:
    """The log file."""
    return lines("kind,entry_id,a,b,x,at", log)


def lines(header: str, rows: Sequence[tuple]) -> bytes:
    return "".join(f"{line}\n" for line in (header, *(",".join(map(str, row)) for row in rows))).encode()


def to_bytes(bundle: Any) -> bytes:
    return json.dumps(bundle).encode()
