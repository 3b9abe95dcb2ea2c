"""Sequencers in parallel, killed or hung, while people buy and are refunded: each leaf gets its place exactly once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from luxewin.tests.asking import database_url
from purchases import services as purchases
from purchases.tests.stage import at_once, hold, seated
from verification import log, tasks
from verification.models import Log, LogHead, LogLeaf
from verification.services import log as service
from verification.services.log import sequence, sign_head

pytestmark = pytest.mark.django_db(transaction=True)
# A process that stops for good after it gave a batch its places, before it commits.
STOPS = """
import sys
from uuid import UUID
from dev.bench.product.django_ready import ready
ready()
from verification.services import log
place = log._place_batch
def stops(kept, after):
    count, last = place(kept, after)
    print(count, flush=True)
    sys.stdin.read()
    return count, last
log._place_batch = stops
log.sequence(UUID(sys.argv[1]))
"""


@contextmanager
def stopped_sequencer(raffle) -> Iterator[subprocess.Popen]:
    """A process in the midst of its transaction, with the lock of the log."""
    command = [sys.executable, "-c", STOPS, str(raffle.pk)]
    environment = os.environ | {"DATABASE_URL": database_url()}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=settings.BASE_DIR, env=environment
    ) as process:
        try:
            assert process.stdout
            assert int(process.stdout.readline()) > 0
            yield process
        finally:
            process.kill()


def check(raffle, leaves):
    """Every leaf has one place, without a gap, and a withdrawal comes after its entry."""
    kept = list(LogLeaf.objects.filter(raffle=raffle.pk).order_by("index"))
    assert [each.index for each in kept] == list(range(leaves))
    assert Log.objects.get(pk=raffle.pk).size == leaves
    places = {(each.entry_id, each.kind): each.index for each in kept}
    assert len(places) == leaves
    assert all(places[entry, 1] < index for (entry, kind), index in places.items() if kind == 2)
    hashes = [each.leaf.hash for each in kept]
    for head in LogHead.objects.filter(log=raffle.pk):
        assert bytes(head.root) == log.root(hashes[: head.size])
        assert all(each.at <= head.at for each in kept[: head.size])


def test_while_eight_settle_and_refund_sequencers_in_parallel_leave_no_gap_and_no_double(people, on_sale, monkeypatch):
    raffle, each_buys = on_sale(capacity=200), 4
    monkeypatch.setattr(service, "BATCH", 3)
    buyers = people(8)

    def shop(buyer):
        for number in range(each_buys):
            bought = seated(buyer, raffle)
            if number % 2:
                purchases.request_refund(bought.pk, reason="asked")

    def grow():
        for _ in range(15):
            sequence(raffle.pk)
            sign_head(raffle.pk)

    answers = at_once(*[lambda buyer=buyer: shop(buyer) for buyer in buyers], *[grow] * 3)
    assert answers == [None] * 11
    sequence(raffle.pk)
    check(raffle, 8 * (each_buys + each_buys // 2))


def test_without_the_lock_two_sequencers_would_give_one_place_twice(people, on_sale, monkeypatch):
    raffle = on_sale()
    first, second, third = people(3)
    seated(first, raffle)
    seated(second, raffle)
    stale = Log(raffle_id=raffle.pk, size=0)
    Log.objects.create(raffle_id=raffle.pk)
    assert service._place_batch(Log.objects.get())[0] == 2
    seated(third, raffle)
    with pytest.raises(Exception, match="log_place_once"):
        service._place_batch(stale)


def test_a_killed_sequencer_leaves_nothing_behind_and_the_next_goes_on(alice, bob, on_sale):
    raffle = on_sale()
    seated(alice, raffle)
    seated(bob, raffle)
    with stopped_sequencer(raffle) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        tasks.grow_log(str(raffle.pk))
    check(raffle, 2)
    assert LogHead.objects.get().size == 2


def test_a_hung_sequencer_blocks_no_buyer_and_others_no_longer_than_its_lease(alice, bob, on_sale):
    raffle = on_sale()
    seated(alice, raffle)
    with stopped_sequencer(raffle) as process:
        process.send_signal(signal.SIGSTOP)
        with connection.cursor() as cursor:
            # A buyer who waited for it would be told so at once.
            cursor.execute("SET lock_timeout = '100ms'")
            seated(bob, raffle)
            cursor.execute("RESET lock_timeout")
        began = monotonic()
        while LogHead.objects.count() == 0:
            assert monotonic() - began < tasks.LOG_LEASE.total_seconds() + 40, "it still has the lock"
            try:
                tasks.grow_log(str(raffle.pk))
            except Exception:  # noqa: BLE001 waiting for the lock has its own limit
                connection.close()
        process.send_signal(signal.SIGCONT)
        assert process.stdin
        process.stdin.close()
        assert process.wait(60) != 0
    check(raffle, 2)


def test_a_head_never_goes_a_minute_beyond_a_settlement_that_is_not_committed(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    seated(alice, raffle)
    held = hold(bob, raffle)
    with psycopg.connect(database_url(), autocommit=True) as other, other.transaction():
        began = int(other.execute("SELECT floor(extract(epoch FROM clock_timestamp()))").fetchone()[0])
        other.execute(
            "UPDATE purchases_purchase SET status = 'paid', first_ticket = 2, paid_at = now() WHERE id = %s", [held.pk]
        )
        _, latest = service._clock()
        assert began + service.COVERED_SECONDS - 1 <= latest <= began + service.COVERED_SECONDS + 1
        # An hour later it is still not committed: the head's time waits for it.
        monkeypatch.setattr(service, "CLOCK", service.CLOCK.replace("clock_timestamp()", "clock_timestamp() + '1 h'"))
        assert sign_head(raffle.pk).at == latest
    assert LogLeaf.objects.count() == 2
