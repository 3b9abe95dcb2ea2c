"""What measuring needs beside the project's own environment: the peer's packages, and wrk."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from dev.bench.registry import BenchError
from dev.launch import PROJECT

LOCK = PROJECT / "uv.lock"
VENV = PROJECT / "dev" / "bench" / ".venv"


@cache
def peer_python() -> Path:
    """The interpreter of `dev/bench/.venv`, which holds exactly what `uv.lock` pins for the group `peer`.

    The first call makes it and downloads them. The environment variable UV names uv.
    """
    python, synced = VENV / "bin" / "python", VENV / "synced"
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and synced.exists() and synced.read_text() == digest:
        return python
    uv = os.environ.get("UV") or str(PROJECT / ".bootstrap" / "uv" / "bin" / "uv")
    if not shutil.which(uv):
        raise BenchError(f"there is no uv at {uv}; run through `make bench`, which brings it in, or set UV")
    _run(
        [uv, "sync", "--quiet", "--frozen", "--only-group", "peer", "--python", sys.executable],
        os.environ | {"UV_PROJECT_ENVIRONMENT": str(VENV)},
    )
    synced.write_text(digest)
    return python


@cache
def wrk() -> str:
    """The path of wrk, the client that makes the load: C, so that it takes little of what it measures.

    Root gets it from the system's packages; anybody else is told how.
    """
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("bench: wrk is missing, installing it from the system's packages", flush=True)
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-qq", "--no-install-recommends", "wrk"])
    if found := shutil.which("wrk"):
        return found
    raise BenchError("wrk is missing; install it with `apt-get install wrk` (Debian, Ubuntu) or `brew install wrk`")


def _run(argv: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=PROJECT, env=environment)
    if done.returncode:
        raise BenchError(f"{' '.join(argv)} failed: {(done.stderr or done.stdout).strip()[-1000:]}")
