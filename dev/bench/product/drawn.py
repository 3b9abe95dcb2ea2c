"""A raffle that is sold out and drawn, its entries written in bulk.

`python -m dev.bench.product.drawn 100000` makes one with so many entries of 1 to 10 tickets, takes every step of its
draw, and prints its id. It does not wait for the beacon's round, because it signs as the beacon of its stack.
"""

import json
import os
import sys
from datetime import date, timedelta
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready
from dev.services.beacon import Chain

if TYPE_CHECKING:
    from verification.models import Draw

PRIZES = 10
BATCH = 20_000
TEN = 55  # tickets of ten entries: 1, 2, … 10
# Keys that grow with the rows, so that ten million of them take minutes and not hours. Triggers are off, constraints
# are not: what the triggers would write stands in the second statement.
ENTER = """
    WITH entered AS (
        INSERT INTO purchases_purchase (id, entry_id, holder, raffle_id, buyer_id, route, quantity, amount, currency,
            status, first_ticket, idempotency_key, request_digest, expires_at, paid_at)
        SELECT uuidv7(), uuidv7(), decode(lpad(to_hex(number), 64, '0'), 'hex'), %(raffle)s, %(buyer)s, 'card',
            1 + number %% 10, 0, %(currency)s, 'paid',
            1 + number / 10 * %(ten)s + number %% 10 * (number %% 10 + 1) / 2,
            lpad(number::text, 10, '0'), '', now(), now()
        FROM generate_series(%(start)s, %(stop)s) AS number ORDER BY number
        RETURNING *
    )
    INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at, hash, index)
    SELECT raffle_id, entry_id, 1, first_ticket, quantity, holder, floor(extract(epoch FROM paid_at)),
        sha256('\\x0001'::bytea || uuid_send(entry_id) || int8send(first_ticket) || int8send(quantity) || holder
            || int8send(floor(extract(epoch FROM paid_at))::bigint)),
        %(start)s + row_number() OVER (ORDER BY first_ticket) - 1
    FROM entered ORDER BY first_ticket
"""


def sold_out(entries: int) -> UUID:
    """Make a raffle with `entries` entries, all in its log at their places, its sale closed."""
    from django.utils import timezone

    from raffles import services
    from raffles.models import Raffle, TicketCounter

    tickets = sum(1 + number % 10 for number in range(entries))
    raffle = services.create_raffle(
        title=f"Drawn from {entries:,} entries",
        category=Raffle.Category.WATCH,
        ticket_price=numbers.PRICE,
        currency=numbers.CURRENCY,
        capacity=tickets,
        max_per_person=tickets,
        opens_at=timezone.now(),
        closes_at=timezone.now() + timedelta(days=1),
        conditions="For measurements.",
        delay_seconds=numbers.DELAY,
        prizes=[{"name": f"Prize {number}"} for number in range(1, PRIZES + 1)],
    )
    services.publish_raffle(raffle.pk)
    _enter(raffle.pk, entries)
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=tickets)
    services.close_raffle(raffle.pk)
    return raffle.pk


def _enter(raffle_id: UUID, entries: int) -> None:
    """Create paid purchases of 1 to 10 tickets, all of one person, without payments, and their log."""
    from django.db import connection

    from accounts.models import Preferences, User

    buyer = User(email=f"{uuid4()}@example.com", display_name="A Buyer", date_of_birth=date(1990, 1, 1), country="GB")
    buyer.set_unusable_password()
    buyer.save()
    Preferences.objects.create(user=buyer)
    values: dict[str, Any] = {"raffle": raffle_id, "buyer": buyer.pk, "currency": numbers.CURRENCY, "ten": TEN}
    with connection.cursor() as cursor:
        _switch_triggers(cursor, "DISABLE")
        for start in range(0, entries, BATCH):
            cursor.execute(ENTER, values | {"start": start, "stop": min(start + BATCH, entries) - 1})
        _switch_triggers(cursor, "ENABLE")
        _write_blocks(raffle_id, entries)
        cursor.execute("VACUUM ANALYZE")  # or the server would start it during a measurement


def _switch_triggers(cursor: Any, how: str) -> None:
    for table in ("purchases_purchase", "verification_logleaf"):
        cursor.execute(f"ALTER TABLE {table} {how} TRIGGER USER")  # nosemgrep: sql-by-parameters


def _write_blocks(raffle_id: UUID, size: int) -> None:
    """Write what the log keeps besides its leaves, as sequencing them would."""
    from verification.log import BLOCK, root
    from verification.models import Log, LogBlock, LogLeaf

    log = Log.objects.create(raffle_id=raffle_id, size=size)
    hashes = LogLeaf.objects.filter(raffle=raffle_id).order_by("index").values_list("hash", flat=True).iterator(BLOCK)
    blocks = (root(list(map(bytes, block))) for block in batched(hashes, BLOCK, strict=False) if len(block) == BLOCK)
    for part in batched(enumerate(blocks), BLOCK, strict=False):
        LogBlock.objects.bulk_create(LogBlock(log=log, number=number, hash=block) for number, block in part)


def round_signature(draw: "Draw") -> bytes:
    """Sign the round that a committed draw waits for, as its beacon will once it is due."""
    from django.conf import settings

    beacon = Chain.kept(Path(os.environ["LUXEWIN_STATE"]) / "beacon", settings.BEACON_PERIOD)
    return bytes.fromhex(str(beacon.sign(draw.round or 0)["signature"]))


def draw(raffle_id: UUID) -> None:
    """Take every step that is left."""
    from verification.models import Draw
    from verification.services import advance_draw
    from verification.services.draw_steps import decide_with

    found = advance_draw(raffle_id)
    if found.state == Draw.State.COMMITTED:
        found = decide_with(raffle_id, round_signature(found))
    if found.state != Draw.State.DRAWN:
        sys.exit(f"the draw is {found.state}: {found.trouble}")


if __name__ == "__main__":
    ready()
    made = sold_out(int(sys.argv[1]))
    draw(made)
    sys.stdout.write(json.dumps(str(made)) + "\n")
