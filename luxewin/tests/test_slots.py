"""An outside party that hangs holds a bounded number of threads; whoever comes then is refused at once."""

import socket
from collections.abc import Iterator
from threading import Event, Thread
from time import monotonic

import pytest
import stripe

from accounts.supabase.asking import SupabaseAway
from accounts.supabase.jwks import KeyCache
from luxewin.api.slots import NoSlot, Slots
from purchases.gateway.curl import CurlClient

SECONDS = 60


@pytest.fixture
def silent() -> Iterator[str]:
    """Where connections are taken and nothing is ever said."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_a_stripe_that_hangs_takes_no_more_threads_than_it_may(silent):
    sent = [Event(), Event()]
    turns = iter(sent)
    client = CurlClient(connect_seconds=2, total_seconds=5, most=2, before=lambda: next(turns, Event()).set())

    def ask() -> None:
        with pytest.raises(stripe.APIConnectionError, match="curl 28"):
            client.request("get", silent, None)

    waiting = [Thread(target=ask) for _ in sent]
    for thread in waiting:
        thread.start()
    for each in sent:
        assert each.wait(SECONDS)
    # Both are in the call, or are about to be; only a place that is taken refuses.
    end = monotonic() + SECONDS
    while client._slots._free._value:
        assert monotonic() < end
    with pytest.raises(stripe.APIConnectionError, match="2 requests wait for it already") as refused:
        client.request("get", silent, None)
    assert not refused.value.should_retry
    assert all(thread.is_alive() for thread in waiting)
    for thread in waiting:
        thread.join()
    with client._slots.take():
        pass


def test_whoever_has_a_thread_to_buy_or_settle_finds_a_place_at_stripe_beside_the_health_check(settings):
    assert stripe.default_http_client._slots.most > settings.CHECKOUT_AT_ONCE + settings.SETTLEMENT_AT_ONCE


def test_a_place_is_free_again_after_whatever_went_wrong():
    slots = Slots(1)
    with pytest.raises(ZeroDivisionError), slots.take():
        _ = 1 / 0
    with slots.take(), pytest.raises(NoSlot), slots.take():
        pass


def test_nobody_waits_long_for_the_keys_that_another_asks_for(monkeypatch):
    monkeypatch.setattr("accounts.supabase.jwks.OTHERS_WAIT", 0.05)
    asked, over = Event(), Event()

    def hang() -> None:
        asked.set()
        over.wait(SECONDS)
        raise SupabaseAway("no answer")

    keys = KeyCache(hang)

    def ask() -> None:
        with pytest.raises(SupabaseAway):
            keys.find("unknown")

    first = Thread(target=ask)
    first.start()
    try:
        assert asked.wait(SECONDS)
        with pytest.raises(SupabaseAway):
            keys.find("unknown")
        assert first.is_alive()
    finally:
        over.set()
        first.join()
