"""The log names each cause once in an interval and counts the rest, so that an outage cannot fill a disk with it."""

import io
import json
import logging
import logging.config
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from luxewin import logs


@pytest.fixture
def written() -> Iterator[Callable[[], list[str]]]:
    """`written()` gives the lines of the log as the settings write it."""
    stream = io.StringIO()
    config = settings.LOGGING["handlers"]["console"] | {"stream": stream}
    root = logging.getLogger()
    former, level = root.handlers[:], root.level
    logging.config.dictConfig(settings.LOGGING | {"handlers": {"console": config}})
    yield lambda: stream.getvalue().splitlines()
    root.handlers[:], root.level = former, level
    logging.config.dictConfig(settings.LOGGING)
    for each in former:
        if each not in root.handlers:
            root.addHandler(each)


@pytest.fixture
def handler(written) -> logs.OncePerCauseHandler:
    found = logging.getHandlerByName("console")
    assert isinstance(found, logs.OncePerCauseHandler)
    return found


def _refused(number: int) -> None:
    raise ConnectionRefusedError(111, f"nobody listens, attempt {number}")


def _fail(number: int) -> None:
    try:
        _refused(number)
    except ConnectionRefusedError:
        logging.getLogger("shop").exception("the till of purchase %s does not answer", number)


def test_an_outage_is_one_traceback_and_a_count(written, closed_port, django_db_blocker, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", str(closed_port))
    client = Client(raise_request_exception=False)
    with django_db_blocker.unblock():
        connections["default"].close()
        for number in range(30):
            # An API's answer, a page's, and the webhook's door: different views and loggers, one cause.
            client.get(f"/api/v1/raffles/{number}")
            client.get(f"/verify/{number}")
    once = written()
    # The reason with its traceback, and Django's own line for an answer of 503.
    assert [line.split("] ")[1] for line in once if " ERROR " in line] == [
        "the database cannot serve a request",
        "Service Unavailable: /api/v1/raffles/0",
    ]
    assert len("\n".join(once)) < 2 * (logs.HEAD + logs.TAIL)
    logging.getHandlerByName("console").close()
    counts = [line.split("] ")[1].split(" more")[0] for line in written() if "more like this" in line]
    assert counts == ["89", "29"]


def test_the_count_comes_with_the_next_entry_after_the_interval(written, handler):
    handler.interval = 0.01
    _fail(1)
    handler.interval = 60
    _fail(2)
    _fail(3)
    handler.interval = 0.000_001
    logging.getLogger("else").info("the interval is over")
    lines = written()
    assert sum("Traceback" in line for line in lines) == 1
    assert "2 more like this" in lines[-2]
    assert "the till of purchase 1 does not answer" in lines[-2]
    assert lines[-1].endswith("the interval is over")


def test_other_causes_are_written_beside_it(written):
    for number in range(5):
        _fail(number)
        logging.getLogger("health").warning("beacon is down", extra={"cause": "beacon"})
        logging.getLogger("health").warning("chain is down", extra={"cause": "chain"})
        try:
            {}[number]
        except KeyError:
            logging.getLogger("shop").exception("the till of purchase %s does not answer", number)
    for text in ("ConnectionRefusedError: ", "KeyError: ", "beacon is down", "chain is down"):
        assert sum(text in line for line in written()) == 1, text


def test_a_stranger_cannot_fill_the_log_with_what_differs(written):
    for number in range(500):
        logging.getLogger("door").warning("a webhook from %s is not signed", f"192.0.2.{number}")
        logging.getLogger("django-q").error(f"Failed 'tasks.one' (one('{number:08x}')) - time-out")
    lines = written()
    assert sum("webhook" in line for line in lines) == logs.BURST
    assert sum("Failed" in line for line in lines) == logs.BURST


def test_what_tells_of_no_trouble_is_always_written(written):
    for number in range(100):
        logging.getLogger("shop").info("sold %s", number)
    assert len(written()) == 100


def test_a_long_traceback_keeps_its_beginning_and_its_reason(written):
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("x" * 20_000 + " the end")
        dig(depth - 1)

    try:
        dig(200)
    except ValueError:
        logging.getLogger("shop").exception("it failed")
    text = "\n".join(written())
    assert len(text) < logs.HEAD + logs.TAIL + 200
    assert "it failed" in text
    assert text.endswith("the end")


def test_a_forked_process_reports_nothing_of_its_parent(written, handler):
    _fail(1)
    _fail(2)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        handler.stream = os.fdopen(writing, "w")
        logging.getLogger("shop").info("the child works")
        handler.close()
        handler.flush()
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    assert [line.endswith("the child works") for line in lines] == [True]


def test_many_causes_are_forgotten_before_they_fill_the_memory(written, handler, monkeypatch):
    monkeypatch.setattr(logs, "MOST_CAUSES", 10)
    for number in range(100):
        logging.getLogger("shop").warning("anything", extra={"cause": number})
    assert len(handler._causes) <= 10


def test_as_json_each_entry_is_one_object_a_line(written, handler):
    handler.setFormatter(logs.BoundedJsonFormatter())
    _fail(7)
    logging.getLogger("shop").info("two\nlines, “quoted” and %s", {"a": 1}, extra={"cause": "x", "raffle": "abc"})
    failed, told = map(json.loads, written())
    assert (failed["level"], failed["logger"], failed["request_id"]) == ("ERROR", "shop", "-")
    assert failed["message"] == "the till of purchase 7 does not answer"
    assert failed["traceback"].endswith("ConnectionRefusedError: [Errno 111] nobody listens, attempt 7")
    assert datetime.fromisoformat(failed["time"]).utcoffset() == timedelta(0)
    assert {name: told[name] for name in ("level", "message", "raffle")} == {
        "level": "INFO",
        "message": "two\nlines, “quoted” and {'a': 1}",
        "raffle": "abc",
    }
    assert set(told) == {"time", "level", "logger", "request_id", "message", "raffle"}


def test_as_json_what_is_very_long_is_cut_too(written, handler):
    handler.setFormatter(logs.BoundedJsonFormatter())
    logging.getLogger("shop").info("x" * 100_000)
    (line,) = written()
    assert len(json.loads(line)["message"]) < logs.HEAD + logs.TAIL + 100
