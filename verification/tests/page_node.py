"""The page's checks run under node, on files that tests make."""

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from verification.browser.build import NODE

from .verifier_draws import Draw

CHECK_FILES = Path(__file__).with_name("check_files.mjs")
CHECK_VECTORS = Path(__file__).with_name("check_vectors.mjs")
STATIC = CHECK_FILES.parents[1] / "static" / "verification"


@dataclass(frozen=True)
class Case:
    """Files to check, texts to ask about (receipts, heads, tickets), nodes to ask for the place, a beacon to trust."""

    bundle: bytes
    entries: bytes
    log: bytes | None
    texts: tuple[str, ...] = ()
    nodes: str | None = None
    beacon: str | None = None

    @classmethod
    def of(cls, draw: Draw, *texts: Any, nodes: str | None = None, beacon: str | None = None) -> Self:
        """A draw's own files; texts that are no strings are written as JSON."""
        written = tuple(text if isinstance(text, str) else json.dumps(text) for text in texts)
        return cls(*draw.files, written, nodes, beacon)

    def as_json(self) -> dict[str, Any]:
        files = {"bundle": self.bundle, "entries": self.entries, "log": self.log}
        coded = {name: None if file is None else base64.b64encode(file).decode() for name, file in files.items()}
        return coded | {"texts": list(self.texts), "nodes": self.nodes, "beacon": self.beacon}


def by_the_page(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """What the page says of each: `verdict`, `failed`, `unread`, `gaps`, `checks`, `answers`, `place`, `summary`."""
    return run(CHECK_FILES, [case.as_json() for case in cases])


def run(script: Path, told: Any) -> Any:
    command = [NODE, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", script]
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def states(report: dict[str, Any], state: str) -> set[str]:
    """The names of the checks in this state."""
    return {check["name"] for check in report["checks"] if check["state"] == state}
