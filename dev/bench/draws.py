"""A draw of a million entries held and verified, beside the bare hashes that its tree takes."""

import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from dev.bench.ground import Ground, Size
from dev.bench.product.held import bare
from dev.bench.registry import BenchError, Figure, measurement
from dev.launch import PROJECT

SIZES = {Size.SMALLEST: [100, 1_000], Size.USUAL: [10_000, 100_000, 1_000_000]}
SIZES[Size.FULL] = SIZES[Size.USUAL]
ROUNDS = {Size.SMALLEST: 1, Size.USUAL: 3, Size.FULL: 3}
MOST_MB = 1024**3 / 1e6
GROWTH_MB = 20  # while a file of 46 MB is streamed
MOST_PROOF_MS = 10
SECONDS = 1_800
VERIFIER = PROJECT / "verification" / "verifier.py"
CONSISTENT = 3  # its exit code: it was not told where to look the place up


@measurement(unit="s")
def draw_1e6(ground: Ground) -> Figure:
    """Freeze, tree, commitment, picks and their paths of a draw of 1,000,000 entries by one process, without a chain
    and without what it waits for the beacon's round, beside two million bare SHA-256 of the same lengths.

    Smaller draws show how it grows. Fails if the process takes more than a GiB; PostgreSQL's memory is its own.
    """
    found = {
        size: _product(ground, "again", _raffle(ground, size), str(ROUNDS[ground.size])) for size in SIZES[ground.size]
    }
    largest = found[SIZES[ground.size][-1]]
    if largest["memory"] > MOST_MB:
        raise BenchError(f"the process took {largest['memory']:.0f} MB, more than {MOST_MB:.0f}")
    note = "; ".join(
        f"{size:,} entries: {min(each['values']) / size * 1e6:.1f} µs an entry, {min(each['busy']) / size * 1e6:.1f} of"
        f" them this process's own, at most {each['memory']:.0f} MB resident"
        for size, each in found.items()
    )
    asked = _asked(ground)
    if asked["grown"] > GROWTH_MB:
        raise BenchError(f"entries.csv is not streamed in flat memory: the process grew by {asked['grown']:.0f} MB")
    note += (
        f"; a buyer's path in {asked['path']:.1f} ms; entries.csv at {asked['rows']:,.0f} rows/s,"
        f" for which the process grew by {asked['grown']:.1f} MB"
    )
    return Figure(largest["values"], largest["yardsticks"], note=note)


@measurement(unit="ms")
def log_proof(ground: Ground) -> Figure:
    """The proof that a leaf is in a log of 1,000,000, as a receipt's holder asks for it, beside the bare SHA-256 of the
    log's blocks and of one block. What is around it in a request is not in it. Fails above 10 ms.
    """
    found = _product(ground, "prove", _raffle(ground, SIZES[ground.size][-1]))
    figure = Figure(found["values"], found["yardsticks"])
    if figure.value > MOST_PROOF_MS:
        raise BenchError(f"a proof took {figure.value:.1f} ms, more than {MOST_PROOF_MS}")
    return figure


@measurement(unit="s")
def verify_1e6(ground: Ground) -> Figure:
    """The stand-alone verifier, in pure Python, on the bundle and entries file of a draw of 1,000,000 entries, from its
    start to its end, beside two million bare SHA-256 of the lengths that the tree hashes.
    """
    _asked(ground)
    pairs = [(_verified(_folder(ground)), bare(SIZES[ground.size][-1])) for _ in range(ROUNDS[ground.size] + 1)]
    values, yardsticks = zip(*pairs[1:], strict=True)  # the first warms up
    return Figure(values, yardsticks)


@cache
def _folder(ground: Ground) -> Path:
    return Path(ground.keep(tempfile.TemporaryDirectory()))


@cache
def _raffle(ground: Ground, entries: int) -> str:
    return str(_product(ground, "sell", str(entries)))


@cache
def _asked(ground: Ground) -> dict[str, float]:
    """Hold the largest draw and return what `product.held` measures of it; its two files are then in the folder."""
    raffle = _raffle(ground, SIZES[ground.size][-1])
    _product(ground, "once", raffle)
    found: dict[str, float] = _product(ground, "ask", raffle, str(_folder(ground)))
    return found


@cache
def _database(ground: Ground) -> str:
    return ground.spare_database("draws")


def _product(ground: Ground, *words: str) -> Any:
    environment = {"DATABASE_URL": _database(ground)}
    return ground.run_product("dev.bench.product.held", *words, environment=environment, seconds=SECONDS)


def _verified(folder: Path) -> float:
    """Return the seconds of one run. Raises BenchError unless every check holds."""
    command: list[str | Path] = [
        sys.executable,
        "-I",
        VERIFIER,
        folder / "bundle.json",
        folder / "entries.csv",
        folder / "log.csv",
    ]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != CONSISTENT:
        raise BenchError(f"the verifier does not verify the draw: {done.stdout[-500:]}")
    return time.monotonic() - started
