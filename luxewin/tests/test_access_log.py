"""The access log has a line for each request, no more than so many a second, and nothing that names anybody."""

import json
import logging

import pytest

from luxewin.api import access_log
from luxewin.logs import BoundedJsonFormatter

LOGGER = "luxewin.api.access_log"


def _lines(caplog):
    return [json.loads(BoundedJsonFormatter().format(record)) for record in caplog.records if record.name == LOGGER]


@pytest.mark.django_db
def test_a_request_is_a_line_of_facts_without_path_query_or_address(client, settings, caplog):
    settings.ACCESS_LOG_PER_SECOND = 20
    with caplog.at_level(logging.INFO, LOGGER):
        client.get("/verify-email?token=secret", REMOTE_ADDR="203.0.113.9")
        client.get("/no/such/person@example.com")
        client.generic("ODD", "/api/v1/raffles/list")
        client.get("/health/live")
    found = _lines(caplog)
    assert [(line["view"], line["method"], line["status"]) for line in found] == [
        ("verify-email", "GET", 200),
        ("none", "GET", 404),
        ("raffles-list", "other", 405),
    ]
    assert all(line["milliseconds"] >= 0 and line["level"] == "INFO" for line in found)
    assert not [word for word in ("secret", "203.0.113.9", "person@", "ODD") if word in json.dumps(found)]


@pytest.mark.django_db
@pytest.mark.parametrize(("most", "expected"), [(0, []), (2, [None, None, 3])])
def test_what_a_second_has_too_many_of_is_counted_in_the_next(client, settings, caplog, monkeypatch, most, expected):
    settings.ACCESS_LOG_PER_SECOND = most
    now = [7.0]
    monkeypatch.setattr(access_log, "monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, LOGGER):
        for _ in range(5):
            client.get("/no/such/page")
        now[0] = 8.0
        client.get("/no/such/page")
    assert [line.get("left_out") for line in _lines(caplog)] == expected
