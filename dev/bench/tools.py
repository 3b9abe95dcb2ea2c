"""Tools of measurements besides the project's environment: the peer's packages, wrk and nginx."""

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
    """Return the interpreter of `dev/bench/.venv`, which has exactly what `uv.lock` pins for the group `peer`.

    The first call creates it and downloads the packages. The environment variable UV names uv.
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
    """Return the path of wrk, the client that makes the load: in C, so that it disturbs the measurement little."""
    return _of_the_system("wrk")


@cache
def nginx() -> str:
    """Return the path of nginx."""
    return _of_the_system("nginx")


def _of_the_system(name: str) -> str:
    """Return a tool's path. Root gets it from the system's packages; other users are told how to install it."""
    if not shutil.which(name) and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"bench: {name} is missing, installing it from the system's packages", flush=True)
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-qq", "--no-install-recommends", name])
    if found := shutil.which(name):
        return found
    raise BenchError(
        f"{name} is missing; install it with `apt-get install {name}` (Debian, Ubuntu) or `brew install {name}`"
    )


def _run(argv: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=PROJECT, env=environment)
    if done.returncode:
        raise BenchError(f"{' '.join(argv)} failed: {(done.stderr or done.stdout).strip()[-1000:]}")
