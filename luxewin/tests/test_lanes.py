"""Each kind of requests has threads of its own and a bounded wait; the most important goes first."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from luxewin.checks import threads_are_divided
from luxewin.server import lanes as module
from luxewin.server.lanes import Lane, Lanes, OverloadedError, lanes_of_product

PRODUCT = {"reads": 8, "checkout": 40, "settlement": 8, "staff": 4, "waiting": 4}


class Worker:
    """Requests that work until they are told to end; who has begun, in order."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.begun: list[str] = []
        self.may_end: dict[str, asyncio.Event] = {}

    async def work(self, name: str, path: str) -> None:
        self.may_end[name] = asyncio.Event()
        async with self.lanes.turn(self.lanes.lane_of(path)):
            self.begun.append(name)
            await self.may_end[name].wait()

    def start(self, name: str, path: str) -> "asyncio.Task[None]":
        return asyncio.create_task(self.work(name, path))


def run(threads: int, lanes: list[Lane], act: Callable[[Worker], Coroutine[Any, Any, None]]) -> Lanes:
    """Runs it in a loop of its own; at the end everything is given back."""
    made = Lanes(threads, lanes)
    asyncio.run(act(Worker(made)))
    assert (made._free, [lane.running for lane in lanes]) == (threads, [0] * len(lanes))
    assert not any(lane.queue for lane in lanes)
    return made


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/health/live", "health"),
        ("/api/v1/webhooks/stripe/018f", "settlement"),
        ("/api/v1/purchases/verify", "settlement"),
        ("/api/v1/purchases/verify/", "settlement"),
        ("/api/v1/purchases/create", "checkout"),
        ("/api/v1/purchases", "checkout"),
        ("/api/v1/auth/login", "checkout"),
        ("/admin/", "staff"),
        ("/api/v1/raffles/list", "reads"),
        ("/verify/watch", "reads"),
        ("//admin/", "reads"),
        ("", "reads"),
    ],
)
def test_a_path_has_one_lane(path, name):
    assert Lanes(64, lanes_of_product(**PRODUCT)).lane_of(path).name == name


def test_a_crowd_of_readers_leaves_threads_to_buyers():
    async def act(worker: Worker) -> None:
        readers = [worker.start(f"reader{each}", "/") for each in range(4)]
        await asyncio.sleep(0)
        buyer = worker.start("buyer", "/api/v1/purchases/create")
        await asyncio.sleep(0.01)
        assert worker.begun == ["reader0", "reader1", "buyer"]
        for each in worker.may_end.values():
            each.set()
        await asyncio.sleep(0.01)
        for each in worker.may_end.values():
            each.set()
        await asyncio.gather(buyer, *readers)

    run(4, lanes_of_product(reads=2, checkout=2, settlement=1, staff=1, waiting=2), act)


def test_of_those_that_wait_for_a_thread_the_most_important_goes_first():
    async def act(worker: Worker) -> None:
        tasks = [worker.start("first", "/")]
        await asyncio.sleep(0)
        tasks += [worker.start("reader", "/"), worker.start("staff", "/admin/")]
        await asyncio.sleep(0)
        tasks += [worker.start("webhook", "/api/v1/webhooks/stripe/a")]
        await asyncio.sleep(0)
        for name in ("first", "webhook", "staff", "reader"):
            assert worker.begun[-1] == name
            worker.may_end[name].set()
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)

    run(1, lanes_of_product(**PRODUCT), act)


def test_who_finds_no_place_to_wait_is_refused_at_once():
    async def act(worker: Worker) -> None:
        tasks = [worker.start(str(each), "/") for each in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await worker.work("late", "/")
        for each in ("0", "1", "2"):
            worker.may_end[each].set()
        await asyncio.gather(*tasks)
        assert worker.begun == ["0", "1", "2"]

    run(1, [Lane("all", ("",), 1, 2)], act)


def test_who_has_waited_too_long_is_refused_and_takes_no_turn(monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)

    async def act(worker: Worker) -> None:
        first = worker.start("first", "/")
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await worker.work("late", "/")
        worker.may_end["first"].set()
        await first
        assert worker.begun == ["first"]

    run(1, [Lane("all", ("",), 1, 1)], act)


@pytest.mark.parametrize("has_turn", [False, True])
def test_who_is_cancelled_while_waiting_leaves_nothing_behind(has_turn):
    async def act(worker: Worker) -> None:
        first = worker.start("first", "/")
        await asyncio.sleep(0)
        late = worker.start("late", "/")
        await asyncio.sleep(0)
        if has_turn:
            worker.may_end["first"].set()
            await asyncio.sleep(0)
            assert not worker.lanes._lanes[0].queue
        late.cancel()
        await asyncio.wait([late])
        worker.may_end["first"].set()
        await first
        assert worker.begun == ["first"]

    run(1, [Lane("all", ("",), 1, 1)], act)


def test_threads_that_are_not_divided_are_named(settings):
    assert threads_are_divided() == []
    settings.CHECKOUT_AT_ONCE += 1
    settings.READS_AT_ONCE = settings.DATABASE_POOL_SIZE
    assert [fault.id for fault in threads_are_divided()] == ["luxewin.W006", "luxewin.W007"]
