"""The signature that decides a draw: from a relay, or, if none has it, from the contract's settlement."""

from luxewin.clock import database_now
from verification import clients
from verification.anchoring import settled_with
from verification.beacon import BeaconUnavailable, RoundNotYet
from verification.errors import SignatureRefused, StepStuck
from verification.models import Draw


def round_signature(draw: Draw) -> bytes:
    """Fetch the draw's round signature, verified. Raises RoundNotYet, BeaconUnavailable, StepWaits, ChainError."""
    source, number, now = draw.promised_beacon, draw.round or 0, database_now().timestamp()
    try:
        return clients.client_of(source).fetch(number, now=now)
    except (RoundNotYet, BeaconUnavailable):
        signature = settled_with(draw) if now >= source.time_of(number) else None
        if signature is None:
            raise
    if not source.verify(number, signature):
        raise StepStuck(
            f"the contract was settled with what is not the manifest's beacon's signature of round {number}"
        )
    return signature


def check_signature(draw: Draw, signature: bytes) -> None:
    """Raise SignatureRefused unless the draw waits for its round and this is that round's signature."""
    if draw.state != Draw.State.COMMITTED:
        raise SignatureRefused(f"Draw {draw.sequence} is {draw.state}: it does not wait for a signature.")
    if not draw.promised_beacon.verify(draw.round or 0, signature):
        raise SignatureRefused(f"This is not the beacon's signature of round {draw.round}.")
