"""What tests about draws share: raffles with tickets, a worker's patience, and the verifier in its own process."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.utils import timezone

from accounts.models import User
from purchases.models import Payment, Purchase
from purchases.tests.stage import over
from raffles import services
from raffles.models import Raffle, TicketCounter
from verification.models import Draw
from verification.services import advance_draw, draw_steps

VERIFIER = Path(__file__).resolve().parents[1] / "verifier.py"
URL = "/api/v1/verification"


def crowd(raffle: Raffle, buyer: User, sizes: list[int]) -> None:
    """So many paid purchases at once, without their money."""
    first, rows = 1, []
    for size in sizes:
        values = {
            "paid_at": timezone.now(),
            "quantity": size,
            "amount": size * raffle.ticket_price,
            "currency": raffle.currency,
            "status": "paid",
        }
        keys = {"idempotency_key": uuid4().hex, "request_digest": b"d", "expires_at": timezone.now()}
        rows.append(Purchase(raffle=raffle, buyer=buyer, first_ticket=first, **values, **keys))
        first += size
    Purchase.objects.bulk_create(rows)
    Payment.objects.bulk_create(Payment(purchase=row, status="succeeded", intent_id=f"pi_{row.pk}") for row in rows)
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=first - 1)


def closed(raffle: Raffle) -> Raffle:
    """Its sale is over."""
    over(raffle)
    assert services.close_raffle(raffle.pk)
    return raffle


def committed(raffle: Raffle) -> Draw:
    """Its sale is over and its entries are committed; whether the round has appeared, nobody has asked yet."""
    closed(raffle)
    for step in (draw_steps.announce, draw_steps.freeze, draw_steps.commit):
        draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle.pk)
        if draw_steps.STEPS[draw.state] is step:
            step(draw)
    draw = Draw.objects.get(pk=raffle.pk)
    assert draw.state == Draw.State.COMMITTED
    return draw


def advance_to(raffle: Raffle, *states: str, seconds: float = 120) -> Draw:
    """What sweeps do: steps are taken until the draw is in one of the states."""
    deadline = time.monotonic() + seconds
    while (draw := advance_draw(raffle.pk)).state not in states:
        assert time.monotonic() < deadline, f"{draw.state}: {draw.trouble}"
        time.sleep(0.1)
    return draw


@contextmanager
def unguarded(*tables: str) -> Iterator[None]:
    """What no step does is done to these tables: their triggers look away meanwhile."""
    with connection.cursor() as cursor:
        _switch(cursor, "DISABLE", tables)
        yield
        _switch(cursor, "ENABLE", tables)


def _switch(cursor: CursorWrapper, how: str, tables: Sequence[str]) -> None:
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may wait for the end of the transaction
    for table in tables:
        cursor.execute(f"ALTER TABLE {table} {how} TRIGGER USER")


def put_in_state(raffle: Raffle, state: str, **facts: object) -> None:
    """The draw is in this state without the steps that lead there."""
    with unguarded("verification_draw"):
        assert Draw.objects.filter(pk=raffle.pk).update(state=state, **facts) == 1


def tamper(table: str, trigger: str, statement: str) -> None:
    """What somebody with the database's keys could do."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def download(client: Client, raffle: Raffle, folder: Path) -> list[Path]:
    """The bundle, the entries file and the log as the API serves them."""
    files = []
    for path, name in (("bundle", "bundle.json"), ("entries.csv", "entries.csv"), ("log", "log.csv")):
        served = client.get(f"{URL}/{raffle.pk}/{path}")
        assert served.status_code == 200, served.content
        files.append(folder / name)
        files[-1].write_bytes(b"".join(served.streaming_content) if served.streaming else served.content)
    return files


def verified(*files: Path, rpc: str = "") -> dict:
    """What the verifier, in a process of its own without this project's modules, says of these files.

    With the beacon that the manifest names, as whoever trusts it would; and of an unanchored draw whose delays are
    those of these tests, not of the protocol, only those are held against it.
    """
    told = json.loads(files[0].read_text())
    beacon = files[0].with_name("beacon.json")
    beacon.write_text(json.dumps(json.loads(told["manifest"])["beacon"]))
    command = [sys.executable, "-I", VERIFIER, *files, "--json", "--beacon", beacon, *(["--rpc", rpc] if rpc else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=files[0].parent)
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_code"], done.stderr
    return report
