"""API4, unrestricted resource consumption: no single request costs much, and who asks often is stopped.

Elsewhere: queries do not grow with what a page holds (luxewin/tests/test_queries.py), bodies of every wrong shape and
depth (test_bad_input.py), garbage cursors and searches (test_bad_requests.py), growing delays
(accounts/tests/test_guessing.py), the webhook's size (test_webhook_door.py), outside parties that are slow
(test_api10_unsafe_consumption.py).
"""

import gzip
import json
from base64 import b64encode
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tokens import open_session
from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.contract.sample_data import World
from luxewin.tests.owasp.surface import Operation, ask, nothing_changes, operations
from purchases.models import Purchase
from verification.tests.drawing import committed, crowd

LISTS = [operation for operation in operations() if "cursor" in str(operation.facts.get("parameters"))]
BODIES = [operation for operation in operations() if operation.takes]


def _path_of(operation: Operation, world: World) -> str:
    return operation.path.replace("{raffle}", str(world.drawn.pk))


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.name)
def test_a_page_has_a_bound_that_the_document_names(operation: Operation, world: World):
    (size,) = (each["schema"] for each in operation.facts["parameters"] if each["name"] == "page_size")
    assert (size["minimum"], size["maximum"] <= 100) == (1, True)
    client, path = client_of(world.buyer), _path_of(operation, world)
    for wanted in (size["maximum"] + 1, 10**6, 10**30, -1, 0):
        assert_problem(client.get(f"{path}?page_size={wanted}"), 400, "invalid", {"page_size"})
    # Neither does a second one outweigh the first, nor a name that other frameworks know.
    assert_problem(client.get(f"{path}?page_size=1&page_size=100000"), 400, "invalid", {"page_size"})
    for name in ("limit", "per_page", "size", "page[size]", "offset", "count", "top", "all"):
        answer = client.get(f"{path}?{name}=100000")
        if answer.status_code == 400:  # public reads refuse parameters that they do not know
            assert_problem(answer, 400, "invalid", {name})
        else:
            assert answer.status_code == 200
            assert len(answer.json()["results"]) <= size["maximum"]


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.name)
def test_a_cursor_does_not_make_the_database_count_its_way_through(operation: Operation, world: World):
    """An offset is what makes deep pages dear: DRF's cursors have one for equal values, and it stays small."""
    client = client_of(world.buyer)
    for offset in (10**6, 10**12):
        cursor = b64encode(f"o={offset}".encode()).decode()
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(_path_of(operation, world), {"cursor": cursor})
        assert answer.status_code in {200, 400}
        assert str(offset) not in "".join(query["sql"] for query in captured)


@pytest.mark.parametrize("count", [3, 40])
def test_the_list_of_devices_costs_the_same_however_many_there_are(count, world: World, django_assert_num_queries):
    client = client_of(world.buyer)
    for _ in range(count):
        open_session(world.buyer, user_agent="another")
    with django_assert_num_queries(2):
        assert client.get("/api/v1/auth/sessions?page_size=100").status_code == 200


SEARCHES = ["%" * 80, "_" * 80, "%_" * 40, "(a+)+" * 16, "\\" * 80, "[" * 80, "a%' OR 1=1 --", "😀" * 80]


@pytest.mark.parametrize("text", SEARCHES, ids=range(len(SEARCHES)))
def test_a_search_is_for_text_and_no_pattern(text, world: World):
    """Neither LIKE's nor a regular expression's: there is nothing to make it backtrack with."""
    assert world.open
    with CaptureQueriesContext(connection) as captured:
        answer = client_of().get("/api/v1/raffles/list", {"search": text})
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert "~" not in "".join(query["sql"] for query in captured).replace(text, "")


@pytest.mark.parametrize("operation", BODIES, ids=lambda operation: operation.name)
def test_no_operation_reads_a_large_or_deep_or_packed_body(operation: Operation, world: World):
    who = world.cast["managers"] if operation.is_for_staff else world.buyer
    client, path = client_of(who), operation.filled(id=world.draft.pk)
    name = next(iter(operation.takes))
    large = json.dumps({name: "a" * configured.DATA_UPLOAD_MAX_MEMORY_SIZE}).encode()
    deep = b'{"a":' * 33 + b"1" + b"}" * 33
    many = json.dumps({name: list(range(1, 10_000))}).encode()
    packed = gzip.compress(large)
    with nothing_changes():
        assert_problem(client.generic(operation.verb.upper(), path, large, "application/json"), 413, "too_large")
        for body in (deep, many):
            assert_problem(client.generic(operation.verb.upper(), path, body, "application/json"), 400)
        # It is not unpacked, whatever it says of itself: the server in front may, and then its size is counted.
        answer = client.generic(
            operation.verb.upper(), path, packed, "application/json", headers={"Content-Encoding": "gzip"}
        )
        assert_problem(answer, 400)


# What hashes a password, asks an outside party, writes a mail or reads thousands of rows.
COSTLY = {
    "POST users/password",
    "POST users/email",
    "POST purchases/create",
    "POST purchases/verify",
    "GET raffles/list",
    "GET verification/list",
    "GET verification/{raffle}/bundle",
    "GET verification/{raffle}/entries.csv",
    "GET verification/{raffle}/log",
    "GET verification/{raffle}/log/heads",
    "GET verification/{raffle}/log/proof",
    "GET winners/list",
}


def test_everything_costly_and_everything_that_anyone_may_post_is_limited():
    limited = {operation.name for operation in operations() if "429" in operation.facts["responses"]}
    public = {operation.name for operation in operations() if operation.writes and not operation.is_closed}
    assert limited >= COSTLY | public


def test_who_searches_without_end_is_stopped_and_may_go_on_reading(one_window, db):
    client = client_of()
    statuses = [client.get("/api/v1/raffles/list?search=a").status_code for _ in range(121)]
    assert statuses == [200] * 120 + [429]
    assert client.get("/api/v1/raffles/list").status_code == 200


def test_a_person_opens_no_more_than_so_many_payments_a_minute(one_window, alice, on_sale):
    """By person and not by key: a fresh idempotency key for each is no way round."""
    client, body = client_of(alice), {"raffle": str(on_sale().pk), "quantity": 1000}
    statuses = [ask(client, "post", "/api/v1/purchases/create", body).status_code for _ in range(121)]
    assert statuses == [409] * 120 + [429]


def test_keys_that_bought_nothing_are_not_kept(alice, on_sale):
    client, raffle = client_of(alice), on_sale(max_per_person=2)
    with nothing_changes():
        for _ in range(20):
            ask(client, "post", "/api/v1/purchases/create", {"raffle": str(raffle.pk), "quantity": 3})
    assert Purchase.objects.count() == 0


def test_the_entries_file_is_read_and_sent_in_parts(alice, on_sale):
    """However many entries there are, no list of them stands in memory."""
    raffle = on_sale(capacity=5000)
    crowd(raffle, alice, [1] * 3000)
    draw = committed(raffle)
    with CaptureQueriesContext(connection) as captured:
        answer = client_of().get(f"/api/v1/verification/{raffle.pk}/entries.csv")
        assert answer.streaming
        parts = list(answer.streaming_content)
    assert b"".join(parts).count(b"\n") == draw.entries + 1
    assert len(captured) < 10
    # Whoever has it is told so, and sent nothing.
    again = client_of().get(f"/api/v1/verification/{raffle.pk}/entries.csv", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, b"".join(again)) == (304, b"")


def test_a_search_string_of_a_megabyte_is_refused(db):
    assert_problem(client_of().get("/api/v1/raffles/list", {"search": uuid4().hex * 30_000}), 400)
