"""Bad bodies over HTTP: each gets its problem document with every fault named, nothing is written, never a 500."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from luxewin.tests.asking import assert_problem, client_of, nothing_written
from purchases.tests.stage import over
from raffles import services as raffle_services
from raffles.models import Raffle, TicketCounter
from verification.models import Award
from verification.tests.held import held

# Every action that reads a body, with the sort of person it lets through.
WRITES = [
    ("POST", "/api/v1/auth/register", ""),
    ("POST", "/api/v1/auth/verify", ""),
    ("POST", "/api/v1/auth/verify/resend", ""),
    ("POST", "/api/v1/auth/password/forgot", ""),
    ("POST", "/api/v1/auth/password/reset", ""),
    ("POST", "/api/v1/auth/email/confirm", ""),
    ("POST", "/api/v1/auth/login", ""),
    ("POST", "/api/v1/auth/login/second", ""),
    ("POST", "/api/v1/auth/supabase", ""),
    ("POST", "/api/v1/auth/refresh", ""),
    ("POST", "/api/v1/auth/logout", ""),
    ("POST", "/api/v1/auth/sessions/confirm", "alice"),
    ("POST", "/api/v1/users/notifications/read", "alice"),
    ("POST", "/api/v1/users/favourites", "alice"),
    ("POST", "/api/v1/users/prizes/{prize}/claim", "alice"),
    ("POST", "/api/v1/users/prizes/{prize}/documents", "alice"),
    ("POST", "/api/v1/users/password", "alice"),
    ("POST", "/api/v1/users/email", "alice"),
    ("POST", "/api/v1/users/delete", "alice"),
    ("POST", "/api/v1/users/totp", "alice"),
    ("POST", "/api/v1/users/totp/confirm", "alice"),
    ("POST", "/api/v1/users/totp/recovery", "alice"),
    ("POST", "/api/v1/users/totp/off", "alice"),
    ("POST", "/api/v1/users/identities/{uuid}/unlink", "alice"),
    ("PATCH", "/api/v1/users/profile", "alice"),
    ("PATCH", "/api/v1/users/preferences", "alice"),
    ("PATCH", "/api/v1/users/safeguards", "alice"),
    ("POST", "/api/v1/users/safeguards/pause", "alice"),
    ("POST", "/api/v1/users/safeguards/exclude", "alice"),
    ("POST", "/api/v1/users/terms", "alice"),
    ("POST", "/api/v1/raffles/create", "mona"),
    ("PATCH", "/api/v1/raffles/{draft}", "mona"),
    ("POST", "/api/v1/raffles/{open}/cancel", "mona"),
    ("POST", "/api/v1/purchases/create", "alice"),
    ("POST", "/api/v1/purchases/verify", "alice"),
]
SURROGATES = (b'{"email": "a\\ud800b"}', b'{"email": ["\\udfff"]}', b'{"\\ud800": 1}')
NOT_JSON = {
    "cut off": b'{"raffle": ',
    "no JSON": b"raffle=1&quantity=2",
    "single quotes": b"{'a': 1}",
    "NaN": b'{"quantity": NaN}',
    "Infinity": b'{"quantity": -Infinity}',
    "not UTF-8": b'{"email": "\xff\xfe"}',
    "UTF-16": '{"email": "a"}'.encode("utf-16"),
    "NUL byte": b'{"email": "a\x00b"}',
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    **{f"half a surrogate pair {number}": body for number, body in enumerate(SURROGATES)},
    "deep": b'{"a":' * 40 + b"1" + b"}" * 40,
    "a name twice": b'{"email": "a@example.com", "email": "b@example.com"}',
    "a name twice, once escaped": b'{"email": "a@example.com", "em\\u0061il": "b@example.com"}',
    "a name twice far down": b'{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}',
    "a number that no float holds": b'{"quantity": 1e999}',
    "a number that no memory holds": b'{"quantity": -1E999999999999}',
    "UTF-8 with a byte order mark": b'\xef\xbb\xbf{"email": "a"}',
    "a surrogate in UTF-8": b'{"email": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"email": "\xc0\xaf"}',
    "a comment": b'{"email": "a" /* b */}',
    "a comma too many": b'{"email": "a",}',
    "two documents": b'{"email": "a"}{"email": "b"}',
    "a line end in a text": b'{"email": "a\nb"}',
    "endless number": b'{"quantity": ' + b"9" * 5_000 + b"}",
}
NOT_AN_OBJECT = {
    "number": b"5",
    "null": b"null",
    "list": b"[]",
    "list of objects": b'[{"a": 1}]',
    "text": b'"x"',
    "true": b"true",
}


@pytest.fixture
def ask(request, draft, on_sale, settings):
    """Sends raw bodies to one of WRITES; when the test is over, no row was written."""
    # Limits are tested elsewhere, and would come first.
    settings.RATELIMIT_ENABLE = False
    ids = {"draft": draft().pk, "open": on_sale().pk, "uuid": uuid4()}
    held(on_sale(), request.getfixturevalue("alice"))
    ids["prize"] = Award.objects.all()[0].prize_id
    clients = {who: client_of(request.getfixturevalue(who) if who else None) for who in ("", "alice", "mona")}

    def send(write: tuple[str, str, str], body: bytes, content_type: str = "application/json") -> Any:
        verb, path, who = write
        headers = {"Idempotency-Key": uuid4().hex}
        return clients[who].generic(verb, path.format(**ids), body, content_type=content_type, headers=headers)

    with nothing_written():
        yield send


def test_every_action_that_reads_a_body_is_here():
    document = SchemaGenerator().get_schema(request=None, public=True)
    reading = {
        (verb.upper(), _plain(path))
        for path, verbs in document["paths"].items()
        for verb, facts in verbs.items()
        if isinstance(facts, dict) and "requestBody" in facts
    }
    assert {(verb, _plain(path)) for verb, path, _ in WRITES} == reading


def _plain(path: str) -> str:
    """Whatever its parts are called."""
    return re.sub(r"\{\w+\}", "{}", path)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write[1])
def test_a_body_that_is_no_json_object_is_refused(write, ask):
    for name, body in NOT_JSON.items():
        problem = assert_problem(ask(write, body), 400)
        assert problem["code"] in {"parse_error", "invalid"}, name
    for name, body in NOT_AN_OBJECT.items():
        assert_problem(ask(write, body), 400, "invalid", {""}), name


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write[1])
def test_another_content_type_is_refused(write, ask):
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "\x7f;;",
    ):
        assert_problem(ask(write, b"email=a", content_type), 415, "unsupported_media_type")


def test_a_charset_that_does_not_exist_is_no_500(ask):
    assert_problem(ask(WRITES[0], b'{"email": 1}', "application/json; charset=klingon"), 400)


@pytest.mark.parametrize("write", [WRITES[0], WRITES[-2]], ids=lambda write: write[1])
def test_a_body_of_two_megabytes_is_refused(write, ask):
    assert_problem(ask(write, json.dumps({"email": "a" * 2_000_000}).encode()), 413, "too_large")


TEXTS = {"NUL": "a\u0000b", "number": 5, "object": {"a": 1}, "list": ["a"], "null": None, "empty": ""}
FIELDS = {
    "/api/v1/auth/register": ("email", "password", "display_name", "date_of_birth", "country"),
    "/api/v1/auth/verify": ("token",),
    "/api/v1/auth/verify/resend": ("email",),
    "/api/v1/auth/password/forgot": ("email",),
    "/api/v1/auth/password/reset": ("token", "password"),
    "/api/v1/auth/email/confirm": ("token",),
    "/api/v1/auth/login": ("email", "password", "code"),
    "/api/v1/auth/login/second": ("challenge", "code"),
    "/api/v1/users/totp": ("password", "code"),
    "/api/v1/users/totp/confirm": ("code",),
    "/api/v1/users/totp/recovery": ("password", "code"),
    "/api/v1/users/totp/off": ("password", "code"),
    "/api/v1/users/identities/{uuid}/unlink": ("password", "code"),
    "/api/v1/users/favourites": ("raffle", "remind_opening", "remind_closing"),
    "/api/v1/users/prizes/{prize}/claim": ("takes", "address"),
    "/api/v1/users/prizes/{prize}/documents": ("media", "content"),
    "/api/v1/users/password": ("current_password", "new_password"),
    "/api/v1/users/email": ("email", "password"),
    "/api/v1/users/delete": ("password",),
    "/api/v1/auth/supabase": ("access_token",),
    "/api/v1/auth/refresh": ("refresh",),
    "/api/v1/auth/logout": ("refresh",),
    "/api/v1/users/profile": ("display_name", "country"),
    "/api/v1/users/preferences": ("language", "time_zone", "winner_name", "marketing_consent", "notifications"),
    "/api/v1/auth/sessions/confirm": ("password",),
    "/api/v1/users/notifications/read": ("up_to",),
    "/api/v1/users/safeguards": ("currency", "limit"),
    "/api/v1/users/safeguards/pause": ("hours",),
    "/api/v1/users/safeguards/exclude": ("months", "password"),
    "/api/v1/users/terms": ("version",),
    "/api/v1/raffles/create": (
        "slug",
        "title",
        "description",
        "category",
        "image_url",
        "ticket_price",
        "currency",
        "capacity",
        "max_per_person",
        "opens_at",
        "closes_at",
        "prizes",
    ),
    "/api/v1/raffles/{draft}": (
        "slug",
        "title",
        "description",
        "category",
        "image_url",
        "currency",
        "opens_at",
        "prizes",
    ),
    "/api/v1/raffles/{open}/cancel": ("reason",),
    "/api/v1/purchases/create": ("raffle", "quantity"),
    "/api/v1/purchases/verify": ("purchase",),
}
# Plain text takes a number as its digits (DRF's way), and some texts may be empty.
ALLOWED = {
    ("display_name", "number"),
    ("title", "number"),
    ("reason", "number"),
    ("description", "number"),
    ("slug", "number"),
    ("description", "empty"),
    ("image_url", "empty"),
    ("ticket_price", "number"),
    ("capacity", "number"),
    ("max_per_person", "number"),
    ("quantity", "number"),
    ("password", "number"),
    ("current_password", "number"),
    ("new_password", "number"),
    ("token", "number"),
    ("code", "number"),
    ("challenge", "number"),
    ("refresh", "number"),
    ("access_token", "number"),
    ("limit", "number"),
    # None, and for good.
    ("limit", "null"),
    ("address", "null"),
    ("months", "null"),
}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write[1])
@pytest.mark.parametrize("kind", TEXTS)
def test_each_field_refuses_each_wrong_value_by_name(write, kind, ask):
    names = [name for name in FIELDS[write[1]] if (name, kind) not in ALLOWED]
    problem = assert_problem(ask(write, json.dumps(dict.fromkeys(names, TEXTS[kind])).encode()), 400, "invalid")
    named = {fault["field"].partition(".")[0] for fault in problem["errors"]}
    assert set(names) - named == set(), problem


def test_registering_with_nothing_names_every_field(ask):
    assert_problem(ask(WRITES[0], b"{}"), 400, "invalid", set(FIELDS["/api/v1/auth/register"]))


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, "2", 2.0, 2.5, True, None, [], {}, "", "1e3"])
def test_a_wrong_quantity_is_refused(quantity, alice, on_sale, new_key):
    body = {"raffle": str(on_sale().pk), "quantity": quantity}
    client = client_of(alice)
    with nothing_written():
        response = client.post("/api/v1/purchases/create", body, headers=new_key())
    assert_problem(response, 400, "invalid", {"quantity"})


def test_a_purchase_with_two_faults_names_both(alice, new_key):
    response = client_of(alice).post(
        "/api/v1/purchases/create", {"raffle": "not a name", "quantity": "2"}, headers=new_key()
    )
    assert_problem(response, 400, "invalid", {"raffle", "quantity"})


def _sold_out(raffle: Raffle) -> None:
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=raffle.capacity)


def _all_but_three_sold(raffle: Raffle) -> None:
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=raffle.capacity - 3)


def _cancelled(raffle: Raffle) -> None:
    raffle_services.cancel_raffle(raffle.pk, reason="A flood.")


NOW = timezone.now()
STATES: dict[str, tuple[dict[str, Any], Any, int, int, str]] = {
    "sold out": ({}, _sold_out, 1, 409, "sold_out"),
    "cancelled": ({}, _cancelled, 1, 409, "raffle_closed"),
    "too few left": ({}, _all_but_three_sold, 5, 409, "not_enough_left"),
    "above the limit": ({"max_per_person": 2}, None, 3, 409, "limit_reached"),
    "not yet open": ({"opens_at": NOW + timedelta(hours=9)}, None, 1, 409, "raffle_not_open"),
    "too much money": ({"ticket_price": 99_999_999}, None, 2, 409, "amount_too_large"),
}


@pytest.mark.parametrize("state", STATES)
def test_a_raffle_that_cannot_be_bought_says_why(state, alice, on_sale, new_key):
    terms, happens, quantity, status, code = STATES[state]
    raffle = on_sale(**terms)
    if happens:
        happens(raffle)
    client = client_of(alice)
    with nothing_written():
        body = {"raffle": str(raffle.pk), "quantity": quantity}
        response = client.post("/api/v1/purchases/create", body, headers=new_key())
    assert_problem(response, status, code)


def test_a_raffle_past_its_time_is_closed_although_no_worker_closed_it(alice, on_sale, new_key):
    raffle = on_sale()
    client = client_of(alice)
    over(raffle)
    with nothing_written():
        response = client.post("/api/v1/purchases/create", {"raffle": str(raffle.pk), "quantity": 1}, headers=new_key())
    # The code follows the clock of the transaction, which began before; what decides is the clock of the moment.
    assert_problem(response, 409)


@pytest.mark.parametrize("which", ["draft", "unknown", "own id"])
def test_a_raffle_that_is_not_public_is_not_found(which, alice, draft, new_key):
    raffle = {"draft": draft().pk, "unknown": uuid4(), "own id": alice.pk}[which]
    client = client_of(alice)
    with nothing_written():
        response = client.post("/api/v1/purchases/create", {"raffle": str(raffle), "quantity": 1}, headers=new_key())
    assert_problem(response, 404, "raffle_not_found")


@pytest.mark.parametrize("key", [None, "", " ", "a b", "ä", "k" * 256, "k\tk", "\x7f"])
def test_a_missing_or_malformed_idempotency_key_is_refused(key, alice, on_sale):
    client, raffle = client_of(alice), on_sale()
    headers = {} if key is None else {"Idempotency-Key": key}
    with nothing_written():
        body = {"raffle": str(raffle.pk), "quantity": 1}
        response = client.post("/api/v1/purchases/create", body, headers=headers)
    assert_problem(response, 400, "invalid", {"Idempotency-Key"})


def test_the_unverified_are_told_so(charlie, on_sale, new_key):
    raffle, client = on_sale(), client_of(charlie)
    with nothing_written():
        response = client.post("/api/v1/purchases/create", {"raffle": str(raffle.pk), "quantity": 1}, headers=new_key())
    assert_problem(response, 403, "email_not_verified")


@pytest.mark.parametrize("name", ["x" * 5000, "a\u202eb", "😀" * 81])
def test_too_long_or_odd_names_are_no_500(name, alice):
    response = client_of(alice).patch("/api/v1/users/profile", {"display_name": name})
    assert response.status_code in {200, 400}
