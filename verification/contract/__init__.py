"""The draw contract: its source, the artefact compiled from it, and the encoding of its points."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luxewin.draw_bounds import MIN_VOID_DELAY
from verification.contract.encoding import encode_public_key, public_key_in

if TYPE_CHECKING:
    from verification.beacon import Beacon

MAX_DRAWS = 32  # settled in one call
MAX_TICKETS = 2**53 - 1
VOID_AFTER = MIN_VOID_DELAY  # seconds from the round to a void's declaration, and from that to the void


@cache
def artefact() -> dict[str, Any]:
    """Return the contract as compiled: ABI, creation code, runtime code, layout, compiler and settings."""
    return json.loads((Path(__file__).parent / "draws.json").read_text())


def runtime_code(beacon: "Beacon", void_after: int) -> bytes:
    """Return the code that a contract of these constants has at its address; `void_after` in seconds.

    It is the artefact's runtime code followed by the immutables, in the order of its `code_layout`.
    """
    return _runtime() + b"".join(
        [
            beacon.chain_hash,
            _word(beacon.genesis_time),
            _word(beacon.period),
            *(_word(each) for each in encode_public_key(beacon.public_key)),
            _word(void_after),
        ]
    )


def constants_in(code: bytes) -> dict[str, Any] | None:
    """Read `chain_hash`, `genesis_time`, `period`, `public_key` (compressed) and `void_after` from deployed code.

    None if it is not our code. The constants may still be anybody's.
    """
    runtime, layout = _runtime(), artefact()["layout"]["code_layout"]
    behind = code[len(runtime) :]
    if not code.startswith(runtime) or len(behind) != sum(each["length"] for each in layout.values()):
        return None
    found = {name: behind[each["offset"] : each["offset"] + each["length"]] for name, each in layout.items()}
    return {
        "chain_hash": found["CHAIN_HASH"],
        "genesis_time": int.from_bytes(found["GENESIS_TIME"]),
        "period": int.from_bytes(found["PERIOD"]),
        "public_key": public_key_in(found["PUBLIC_KEY"]),
        "void_after": int.from_bytes(found["VOID_AFTER"]),
    }


def _runtime() -> bytes:
    return bytes.fromhex(artefact()["runtime"].removeprefix("0x"))


def _word(number: int) -> bytes:
    return number.to_bytes(32)
