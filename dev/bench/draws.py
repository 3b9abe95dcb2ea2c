"""A draw of a million entries held and verified, beside the bare hashes that its tree takes."""

import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from dev.bench.ground import Ground, Size
from dev.bench.product.held import LOG, TREE, bare
from dev.bench.registry import BenchError, Figure, measurement
from dev.launch import PROJECT

SIZES = {Size.SMALLEST: [100, 1_000], Size.USUAL: [10_000, 100_000, 1_000_000]}
SIZES[Size.FULL] = SIZES[Size.USUAL]
TEN_MILLION = {Size.SMALLEST: 2_000, Size.USUAL: 10_000_000, Size.FULL: 10_000_000}
ROUNDS = {Size.SMALLEST: 1, Size.USUAL: 3, Size.FULL: 3}
MOST_MB, MOST_MB_OF_TEN_MILLION = 1024**3 / 1e6, 4 * 1024**3 / 1e6
GROWTH_MB = 20  # while a file of 46 MB is streamed
MOST_PROOF_MS = 10
SECONDS = 7_200
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
    note = "; ".join(_described(size, each) for size, each in found.items())
    largest = found[SIZES[ground.size][-1]]
    _check_memory(largest, MOST_MB)
    asked = _asked(ground)
    if asked["grown"] > GROWTH_MB:
        raise BenchError(f"entries.csv is not streamed in flat memory: the process grew by {asked['grown']:.0f} MB")
    note += (
        f"; a buyer's path in {asked['path']:.1f} ms; entries.csv at {asked['rows']:,.0f} rows/s,"
        f" for which the process grew by {asked['grown']:.1f} MB"
    )
    return Figure(largest["values"], largest["yardsticks"], note=note)


@measurement(unit="s", is_long=True)
def draw_1e7(ground: Ground) -> Figure:
    """The same as draw_1e6 of a draw of 10,000,000 entries, in one round after a warm-up, beside twenty million bare
    SHA-256.

    Needs 20 GB of disk and half an hour. Fails if the process takes more than 4 GiB.
    """
    size = TEN_MILLION[ground.size]
    found = _product(ground, "again", _raffle(ground, size), "1")
    _check_memory(found, MOST_MB_OF_TEN_MILLION)
    return Figure(found["values"], found["yardsticks"], note=_described(size, found))


@measurement(unit="ms")
def log_proof(ground: Ground) -> Figure:
    """The proof that a leaf is in a log of 1,000,000, as a receipt's holder asks for it, beside the bare SHA-256 of the
    log's blocks and of one block. What is around it in a request is not in it. Fails above 10 ms.
    """
    found = _product(ground, "prove", _raffle(ground, SIZES[ground.size][-1]))
    figure = Figure(found["values"], found["yardsticks"])
    if figure.value > MOST_PROOF_MS and not ground.is_smallest:
        raise BenchError(f"a proof took {figure.value:.1f} ms, more than {MOST_PROOF_MS}")
    return figure


@measurement(unit="s")
def verify_1e6(ground: Ground) -> Figure:
    """The stand-alone verifier, in pure Python, on bundle, entries and log of a draw of 1,000,000 entries, from start
    to its end, beside four million bare SHA-256 of the lengths that tree and log hash.
    """
    _asked(ground)
    size, lengths = SIZES[ground.size][-1], (*TREE, *LOG)
    runs = [(*_verified(_folder(ground)), bare(size, lengths)) for _ in range(ROUNDS[ground.size] + 1)]
    values, busy, yardsticks = zip(*runs[1:], strict=True)  # the first warms up
    return Figure(values, yardsticks, note=f"{min(busy):.1f} s of processor time")


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
    if words[0] == "sell":
        environment["DATABASE_STATEMENT_SECONDS"] = str(SECONDS)  # whoever fills a database cleans it up afterwards
    return ground.run_product("dev.bench.product.held", *words, environment=environment, seconds=SECONDS)


def _described(size: int, found: dict[str, Any]) -> str:
    seconds, busy = min(found["values"]), min(found["busy"])
    each = f"{seconds / size * 1e6:.1f} µs an entry, {busy / size * 1e6:.1f} of them this process's own"
    return f"{size:,} entries: {each}, at most {found['memory']:.0f} MB resident"


def _check_memory(found: dict[str, Any], most: float) -> None:
    if found["memory"] > most:
        raise BenchError(f"the process took {found['memory']:.0f} MB, more than {most:.0f}")


def _verified(folder: Path) -> tuple[float, float]:
    """Return the seconds of one run, and the processor's. Raises BenchError unless every check holds."""
    command: list[str | Path] = [
        sys.executable,
        "-I",
        VERIFIER,
        folder / "bundle.json",
        folder / "entries.csv",
        folder / "log.csv",
    ]
    started, before = time.monotonic(), _processor_seconds_of_children()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != CONSISTENT:
        raise BenchError(f"the verifier does not verify the draw: {done.stdout[-500:]}")
    return time.monotonic() - started, _processor_seconds_of_children() - before


def _processor_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
