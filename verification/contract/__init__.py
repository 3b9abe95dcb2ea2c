"""The draw contract: its source, the artefact compiled from it, and the encoding of its points."""

import json
from functools import cache
from pathlib import Path
from typing import Any

MAX_PICKS = 100  # winners and alternates together; the contract refuses to commit to more
MAX_DRAWS = 32  # settled in one call
VOID_AFTER = 7 * 24 * 3600  # seconds from the round to a void's declaration, and from that to the void


@cache
def artefact() -> dict[str, Any]:
    """`abi`, `bytecode`, `runtime`, `compiler`, `settings`, `source_sha256` of the contract, as committed."""
    return json.loads((Path(__file__).parent / "draws.json").read_text())
