"""Ready answers count for a second, are made once, and stand in while something is away."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.core.cache import caches

from luxewin.api.public_reads import FOR_GOOD
from luxewin.server import held_answers, public_answers
from luxewin.server.held_answers import Shared
from luxewin.server.lanes import Lane, Lanes
from luxewin.server.public_answers import PublicAnswers
from luxewin.tests.ready_answers import Backend, ask, crowd, get, process, without_id
from luxewin.tests.wires import Wire, front_of

# --- for a second, and once ------------------------------------------------------------------------------------------


def test_one_answer_is_everybody_s_for_a_second(answers, backend, clock):
    assert [json.loads(ask(answers).body)["call"] for _ in range(3)] == [1, 1, 1]
    clock.move(0.99)
    assert json.loads(ask(answers).body)["call"] == 1
    clock.move(0.01)
    assert json.loads(ask(answers).body)["call"] == 2
    assert b"age" not in ask(answers).headers


def test_its_second_begins_with_its_making(answers, backend, clock):
    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        clock.now += 0.8
        return backend(environ, start_response)

    answers.front.application = slow
    ask(answers)
    clock.move(0.3)
    assert json.loads(ask(answers).body)["call"] == 2


def test_what_never_changes_counts_for_good(answers, backend, clock):
    backend.cache_control = FOR_GOOD
    ask(answers)
    clock.move(100_000)
    wire = ask(answers)
    assert (json.loads(wire.body)["call"], wire.headers[b"cache-control"]) == (1, FOR_GOOD.encode())
    assert b"age" not in wire.headers


@pytest.mark.parametrize("is_locked", [False, True])
def test_of_a_crowd_in_one_process_one_makes_the_answer(is_locked, answers, backend, monkeypatch):
    if not is_locked:  # the race is there
        monkeypatch.setattr(answers, "_making", _Forgetful())
        monkeypatch.setattr(Shared, "take", lambda *_: True)
    backend.may_go.clear()
    threading.Timer(0.3, backend.may_go.set).start()
    wires = crowd(answers)
    assert {wire.status for wire in wires} == {200}
    assert (len(backend.seen) == 1) is is_locked


class _Forgetful(dict[Any, Any]):
    """Knows of no answer that is in the making."""

    def get(self, key: Any, default: Any = None) -> Any:
        return default


@pytest.mark.parametrize("is_locked", [False, True])
def test_of_all_processes_one_makes_the_answer(is_locked, backend, monkeypatch):
    if not is_locked:  # the race is there
        monkeypatch.setattr(Shared, "take", lambda *_: True)
    backend.may_go.clear()
    threading.Timer(0.3, backend.may_go.set).start()
    wires = crowd(process(backend), process(backend), process(backend), size=3)
    assert {wire.status for wire in wires} == {200}
    assert len(backend.seen) == (1 if is_locked else 3)


def test_an_answer_of_another_process_counts_no_longer_than_there(backend, clock, monkeypatch):
    one, other = process(backend), process(backend)
    ask(one)
    monkeypatch.setattr(other.shared, "take", lambda *_: (one._held.popitem()[1].dump(), 0.25))
    first = ask(other)
    monkeypatch.undo()
    monkeypatch.setattr(public_answers, "time", clock)
    monkeypatch.setattr(held_answers, "time", clock)
    clock.move(0.2)
    assert ask(other).body == first.body
    clock.move(0.1)
    assert json.loads(ask(other).body)["call"] == 2


def test_the_answer_of_another_process_is_the_same_to_the_byte(backend):
    backend.size = 5_000
    packed = (b"accept-encoding", b"gzip")
    one, other = process(backend), process(backend)
    for headers in ((), (packed,)):
        first, second = ask(one, *headers), ask(other, *headers)
        assert (first.body, without_id(first)) == (second.body, without_id(second))
    assert len(backend.seen) == 1


def test_another_process_that_died_over_an_answer_is_not_waited_for(answers, backend, monkeypatch):
    monkeypatch.setattr(public_answers, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(held_answers, "LEASE_SECONDS", 60)
    ask(answers)
    (key,) = answers._held
    answers._held.clear()
    caches["default"].clear()
    Shared().take(key.name, "of the dead")
    assert json.loads(ask(answers).body)["call"] == 2


# --- while something is away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["503 Service Unavailable", "500 Internal Server Error", "broken", "no thread"])
def test_while_none_can_be_made_the_last_good_one_stands_in_with_its_age(failure, answers, backend, clock, monkeypatch):
    ask(answers)
    clock.move(42)
    if failure == "broken":
        monkeypatch.setattr(backend, "headers", 5)
    elif failure == "no thread":
        answers.front.lanes = Lanes(0, [Lane("all", ("",), 0, 0)])
    else:
        backend.status = failure
    wire = ask(answers)
    assert (wire.status, json.loads(wire.body)["call"], wire.headers[b"age"]) == (200, 1, b"42")
    calls = len(backend.seen)
    ask(answers)
    assert len(backend.seen) == calls  # not again within a second
    clock.move(1)
    ask(answers)
    clock.move(300)
    assert ask(answers).status != 200


def test_after_a_failure_the_next_good_one_counts_again(answers, backend, clock):
    ask(answers)
    clock.move(2)
    backend.status = "503 Service Unavailable"
    assert b"age" in ask(answers).headers
    clock.move(1)
    backend.status = "200 OK"
    wire = ask(answers)
    assert (json.loads(wire.body)["call"], b"age" in wire.headers) == (3, False)


def test_who_would_wait_long_gets_the_last_good_one_at_once(answers, backend, monkeypatch):
    ask(answers)
    monkeypatch.setattr(public_answers, "PATIENCE_SECONDS", 0.05)
    for held in answers._held.values():
        held.good_until = held.made_at
    caches["default"].clear()
    backend.may_go.clear()
    wires = _crowd_while_it_hangs(answers, backend)
    assert {(wire.status, wire.body) for wire in wires} == {(200, b'{"call": 1}')}
    assert len(backend.seen) == 2


def _crowd_while_it_hangs(application: PublicAnswers, backend: Backend) -> list[Wire]:
    async def all_at_once() -> list[Wire]:
        wires = await asyncio.gather(*(get(application) for _ in range(5)))
        backend.may_go.set()
        await asyncio.gather(*(making.task for making in application._making.values()))
        return wires

    return asyncio.run(all_at_once())


def _redis_at(settings: Any, port: int) -> None:
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{port}/0"}
    }


def test_without_redis_each_process_makes_its_own(backend, settings, closed_port):
    _redis_at(settings, closed_port)
    one, other = process(backend), process(backend)
    assert [json.loads(ask(each).body)["call"] for each in (one, one, other)] == [1, 1, 2]


def test_a_hung_redis_is_asked_once_in_a_while(answers, backend, clock, monkeypatch):
    asked: list[str] = []

    class Hung:
        def eval(self, *arguments: Any) -> None:
            asked.append(arguments[2])
            raise held_answers.RedisError("timed out")

    monkeypatch.setattr(held_answers, "get_redis_connection", lambda _: Hung())
    for _ in range(4):
        assert ask(answers).status == 200
        clock.now += 1
    assert (len(asked), len(backend.seen)) == (1, 4)
    clock.now += 2
    ask(answers)
    assert len(asked) == 2


def test_who_waits_for_redis_keeps_no_reader_s_turn(backend, monkeypatch):
    monkeypatch.setattr(public_answers, "LOOKS_AT_ONCE", 1)
    asked: list[str] = []
    is_asked, may_go = threading.Event(), threading.Event()

    def hang(self: Shared, name: str, token: str) -> bool:
        asked.append(name)
        is_asked.set()
        return may_go.wait(60)

    monkeypatch.setattr(Shared, "take", hang)
    application = PublicAnswers(front_of(backend, threads=1, waiting=0), most_bytes=10**7)

    async def meanwhile() -> list[Wire]:
        waiting = asyncio.create_task(get(application, query=b"price_min=1"))
        await asyncio.to_thread(is_asked.wait, 60)
        other = await asyncio.wait_for(get(application, query=b"price_min=2"), 30)
        may_go.set()
        return [other, await waiting]

    assert [wire.status for wire in asyncio.run(meanwhile())] == [200, 200]
    assert len(asked) == 1  # the other did not even ask: its turn to ask was taken
