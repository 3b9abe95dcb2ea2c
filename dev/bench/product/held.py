"""A draw held over and over in one process, and what is asked of it afterwards. No worker may run.

`python -m dev.bench.product.held sell 1000000` makes a raffle with so many entries, sold out, and prints its id. `…
again RAFFLE 3` holds its draw so many times after a warm-up, each time in a transaction that is taken back, in turn
with the bare hashes that its tree takes; it prints the seconds of each side (asking the beacon is not in it), the
processor's seconds of the product's, and the most memory that was resident. `… once RAFFLE` holds it for
good. `… ask RAFFLE FOLDER` downloads the bundle and the entries file through the product's views, and asks for buyers'
paths; it prints the rows a second, by how much the process grew meanwhile, and the milliseconds of a path. `… prove
RAFFLE` proves leaves of its log, and prints the milliseconds of each and of bare hashes. Memory is in MB.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from dev.bench.product.django_ready import ready
from dev.bench.product.drawn import round_signature, sold_out

PATHS = PROOFS = 50
# How long the messages are that make a leaf and a node of the entries' tree, and of the log.
TREE, LOG = (65, 81), (74, 65)


def resident() -> float:
    """Return this process's peak resident memory, in MB; PostgreSQL's own memory is not in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def bare(entries: int, lengths: Sequence[int] = TREE) -> float:
    """Return the seconds of the bare hashes of a tree over `entries` entries, or one for each entry and length."""
    started = time.perf_counter()
    for length in lengths:
        data = bytes(length)
        for _ in range(entries):
            sha256(data).digest()
    return time.perf_counter() - started


def held(raffle_id: UUID) -> tuple[float, float]:
    """Freeze, commit and decide; return the seconds and the processor's seconds. The sale must be closed."""
    from verification.models import Draw
    from verification.services import draw_steps

    seconds = busy = 0.0
    for state, step in draw_steps.STEPS.items():
        draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle_id)
        if draw.state != state or state == Draw.State.DRAWN:
            continue
        signature = {"signature": round_signature(draw)} if state == Draw.State.COMMITTED else {}
        started, idle = time.perf_counter(), time.process_time()
        step(draw, **signature)
        seconds += time.perf_counter() - started
        busy += time.process_time() - idle
    if Draw.objects.get(pk=raffle_id).state != Draw.State.DRAWN:
        sys.exit(f"the draw is {Draw.objects.get(pk=raffle_id)}")
    return seconds, busy


def taken_back(hold: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Hold the draw in a transaction that is rolled back."""
    from django.db import transaction

    with transaction.atomic():
        figures = hold()
        transaction.set_rollback(True)
    return figures


def again_and_again(raffle_id: UUID, rounds: int) -> dict[str, Any]:
    """Hold the draw `rounds` times after a warm-up round."""
    from purchases.models import Purchase

    entries = Purchase.objects.filter(raffle=raffle_id).paid().count()
    ours, theirs = [], []
    for turn in range(rounds + 1):
        if turn % 2:
            theirs.append(bare(entries))
        ours.append(taken_back(lambda: held(raffle_id)))
        if not turn % 2:
            theirs.append(bare(entries))
    seconds, busy = zip(*ours[1:], strict=True)
    return {"values": seconds, "busy": busy, "yardsticks": theirs[1:], "memory": resident()}


def asked(raffle_id: UUID, folder: Path) -> dict[str, float]:
    """Ask for paths as a buyer, and download the three files."""
    from django.test import Client

    from accounts.tokens import open_session
    from purchases.models import Purchase

    client, here = Client(headers={"host": "localhost"}), f"/api/v1/verification/{raffle_id}"
    client.get(f"{here}/bundle")  # the first answer loads what is loaded once
    before, started = resident(), time.perf_counter()
    with (folder / "entries.csv").open("wb") as file:
        for piece in client.get(f"{here}/entries.csv"):
            file.write(piece)
    rate = Purchase.objects.filter(raffle=raffle_id).count() / (time.perf_counter() - started)
    grown = resident() - before
    (folder / "bundle.json").write_bytes(client.get(f"{here}/bundle").content)
    with (folder / "log.csv").open("wb") as file:
        file.writelines(client.get(f"{here}/log"))
    buyer = Purchase.objects.filter(raffle=raffle_id).select_related("buyer")[0].buyer
    headers = {"Authorization": f"Bearer {open_session(buyer, user_agent='bench').access}"}
    mine = Purchase.objects.filter(raffle=raffle_id).order_by("entry_id").values_list("pk", flat=True)[: PATHS + 5]
    times = []
    for purchase in mine:
        started = time.perf_counter()
        status = client.get(f"{here}/entries/{purchase}", headers=headers).status_code
        times.append(1000 * (time.perf_counter() - started))
        if status != 200:
            sys.exit(f"the path of {purchase} was answered with {status}")
    return {"path": sorted(times[5:])[PATHS // 2], "rows": rate, "grown": grown}


def proved(raffle_id: UUID) -> dict[str, list[float]]:
    """Prove leaves all over the log; return the milliseconds of each, and of its bare hashes."""
    from verification import services
    from verification.log import BLOCK
    from verification.models import LogLeaf
    from verification.services.log import size_of

    services.sequence(raffle_id)
    size, node = size_of(raffle_id), bytes(65)
    places = [number * (size - 1) // (PROOFS + 4) for number in range(PROOFS + 5)]
    leaves = LogLeaf.objects.filter(raffle=raffle_id, index__in=places).values_list("hash", flat=True)
    ours, theirs = [], []
    for leaf in map(bytes, leaves):
        started = time.perf_counter()
        services.prove_leaf(raffle_id, leaf_hash=leaf, size=size)
        ours.append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        for _ in range(size // BLOCK + BLOCK):
            sha256(node).digest()
        theirs.append(1000 * (time.perf_counter() - started))
    return {"values": ours[5:], "yardsticks": theirs[5:]}


def main(what: str, *words: str) -> Any:
    """Run the command line."""
    match what:
        case "sell":
            return str(sold_out(int(words[0])))
        case "again":
            return again_and_again(UUID(words[0]), int(words[1]))
        case "once":
            return held(UUID(words[0]))
        case "prove":
            return proved(UUID(words[0]))
        case "ask":
            return asked(UUID(words[0]), Path(words[1]))
    sys.exit(f"{what} is not known")


if __name__ == "__main__":
    ready()
    print(json.dumps(main(*sys.argv[1:])))
