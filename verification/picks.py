"""Commitment, seed and picks: from the fixed facts of a draw to its winning indices. Independent of Django."""

from hashlib import sha256

from .manifest import MOST_INTEGER, PROTOCOL


def commitment(*, root: bytes, tickets: int, log_root: bytes, log_size: int) -> bytes:
    """Return what is published before the round: SHA-256 over the entries' and the log's root and size.

    Raises ValueError if a root is not 32 bytes, or a number does not fit.
    """
    _check_hashes(root=root, log_root=log_root)
    _check_tickets(tickets)
    if not 0 <= log_size <= MOST_INTEGER:
        raise ValueError(f"{log_size} is no size of a log")
    return sha256(b"luxewin/commitment/v2" + root + tickets.to_bytes(8) + log_root + log_size.to_bytes(8)).digest()


def seed(
    *,
    chain_hash: bytes,
    round: int,  # noqa: A002 (the beacon's own word)
    randomness: bytes,
    manifest_hash: bytes,
    commitment: bytes,
    tickets: int,
) -> bytes:
    """Return the draw's seed: SHA-256 over the facts fixed before the round, and the round's randomness.

    Raises ValueError if a hash is not 32 bytes, or a number does not fit.
    """
    _check_hashes(chain_hash=chain_hash, randomness=randomness, manifest_hash=manifest_hash, commitment=commitment)
    if not 1 <= round < 2**64:
        raise ValueError(f"{round} is no round of a beacon")
    _check_tickets(tickets)
    drawn = chain_hash + round.to_bytes(8) + randomness
    return sha256(PROTOCOL.encode() + drawn + manifest_hash + commitment + tickets.to_bytes(8)).digest()


def pick_indices(seed: bytes, tickets: int, wanted: int) -> list[int]:
    """Pick `min(tickets, wanted)` different ticket indices below `tickets`, in order.

    Cost: one SHA-256 per pick, and more as `wanted` nears `tickets`: about n·ln n for all of n tickets.
    """
    if len(seed) != 32:
        raise ValueError(f"the seed is {len(seed)} bytes, not 32")
    _check_tickets(tickets)
    if wanted < 1:
        raise ValueError(f"cannot pick {wanted} tickets")
    limit = 2**256 - 2**256 % tickets  # below it every index is equally likely
    picked: dict[int, None] = {}  # a set that keeps its order
    counter = 0
    while len(picked) < min(tickets, wanted):
        number = int.from_bytes(sha256(seed + counter.to_bytes(8)).digest())
        if number < limit:
            picked.setdefault(number % tickets)
        counter += 1
    return list(picked)


def _check_hashes(**hashes: bytes) -> None:
    for name, value in hashes.items():
        if len(value) != 32:
            raise ValueError(f"{name} is {len(value)} bytes, not 32")


def _check_tickets(tickets: int) -> None:
    if not 1 <= tickets <= MOST_INTEGER:
        raise ValueError(f"{tickets} is no number of tickets")
