"""Bad tokens, cursors, filters, paths, verbs and headers: a problem document, nothing written, never a 500."""

import json
from base64 import urlsafe_b64encode
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.utils import timezone

from accounts.models import User
from accounts.signatures import AccessToken
from accounts.signing_keys import ring
from accounts.tokens import open_session
from luxewin.tests.asking import assert_problem, client_of, nothing_written


def _token(user: User, **claims: Any) -> str:
    """A token with a good signature and these claims; for forged signatures see accounts/tests/test_signatures."""
    good = jwt.decode(open_session(user, user_agent="").access, options={"verify_signature": False})
    key = ring().signing()
    return jwt.encode(good | claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


TOKENS = {
    "garbage": lambda user: "garbage",
    "three dots": lambda user: "a.b.c",
    "not base64": lambda user: "ä.ö.ü",
    "other type": lambda user: _token(user, token_type="refresh"),
    "expired": lambda user: _token(user, exp=int(timezone.now().timestamp()) - 10),
    "refresh token": lambda user: open_session(user, user_agent="").refresh,
    "other audience": lambda user: _token(user, aud="somebody-else"),
    "other issuer": lambda user: _token(user, iss="somebody-else"),
    "no such user": lambda user: _token(user, user_id=str(uuid4())),
    "no such session": lambda user: _token(user, sid=str(uuid4())),
    "no user": lambda user: str(AccessToken()),
}


def test_the_token_that_all_these_differ_from_is_good(alice):
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {_token(alice)}")
    assert client.get("/api/v1/users/profile").status_code == 200


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_is_not_good_is_refused(kind, alice):
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {TOKENS[kind](alice)}")
    response = client.get("/api/v1/users/profile")
    problem = assert_problem(response, 401)
    assert problem["code"] in {"token_not_valid", "user_not_found", "authentication_failed"}
    assert response["WWW-Authenticate"].startswith("Bearer")
    # What is there for anyone is there for whoever still sends it, too.
    assert client.get("/api/v1/raffles/list").status_code == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer  ", "Basic YTpi", "", "Token x"])
def test_a_header_without_a_token_is_refused(header):
    assert_problem(client_of().get("/api/v1/users/profile", headers={"Authorization": header}), 401)


@pytest.mark.parametrize("change", [{"is_active": False}, None])
def test_the_token_of_somebody_who_left_is_refused(change, alice):
    client = client_of(alice)
    if change:
        User.objects.filter(pk=alice.pk).update(**change)
    else:
        alice.delete()
    assert_problem(client.get("/api/v1/users/profile"), 401)


LISTS = ["/api/v1/raffles/list", "/api/v1/purchases/list", "/api/v1/verification/list", "/api/v1/winners/list"]


KEYS = [
    *(
        [],
        ["1"],
        ["1", "2", "3"],
        "12",
        7,
        {"a": 1},
        [["1"], ["2"]],
        [None, None],
        [True, {}],
        ["\x00", "\x00"],
        ["", ""],
    ),
    *(["9" * 4000, "x"], [str(10**30), "00000000-0000-0000-0000-000000000000"], ["NaN", "Infinity"]),
    ["2026-01-01T00:00:00", "00000000-0000-0000-0000-000000000000"],
    ["9999-12-31T23:59:59-23:59", "00000000-0000-0000-0000-000000000000"],
    ["0001-01-01T00:00:00+23:59", "00000000-0000-0000-0000-000000000000"],
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("raffles/list?", ["closes_at", "id"]),
        ("raffles/list?order=-ticket_price&", ["-ticket_price", "id"]),
        ("purchases/list?", ["-id"]),
        ("verification/list?", ["-sequence"]),
        ("winners/list?", ["-at", "id"]),
    ],
)
def test_a_made_up_key_is_a_refusal_or_a_page_and_no_500(path, order, key, backwards, alice, on_sale):
    on_sale()
    text = json.dumps({"order": order, "key": key, "backwards": backwards})
    response = client_of(alice).get(f"/api/v1/{path}cursor={urlsafe_b64encode(text.encode()).decode()}")
    if response.status_code != 200:
        assert_problem(response, 400, "invalid", {"cursor"})


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "cD0y",
        "%00",
        "bz0xJnA9AA%3D%3D",
        "cD0lMDA%3D",
        "cj0xJnA9eA==",
        "bz05OTk5OTk5OTk5OTk5OTk5",
        "ä",
        "a" * 3000,
        "W10",
        "bnVsbA",
        "e30",
    ],
)
def test_a_bad_cursor_is_a_refusal_or_a_page_and_no_500(path, cursor, alice, on_sale):
    on_sale()
    response = client_of(alice).get(f"{path}?cursor={cursor}")
    if response.status_code != 200:
        assert_problem(response, 400, "invalid", {"cursor"})


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("size", ["0", "-1", "x", "", "1e9", "101", "999999999999999999999", "%00", "٣", "1.0"])
def test_a_page_size_out_of_range_is_refused_by_name(path, size, alice, on_sale):
    response = client_of(alice).get(f"{path}?page_size={size}")
    assert_problem(response, 400, "invalid", {"page_size"})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("phase=never", "phase"),
        ("phase=draft", "phase"),
        ("category=ship", "category"),
        ("price_min=x", "price_min"),
        ("price_min=-1", "price_min"),
        ("price_min=0.5", "price_min"),
        ("price_max=NaN", "price_max"),
        ("price_max=Infinity", "price_max"),
        ("price_max=1e400", "price_max"),
        ("price_min=99999999999999999999", "price_min"),
        ("order=title", "order"),
        ("search=%00", "search"),
        ("search=" + "a" * 81, "search"),
    ],
)
def test_a_bad_filter_is_refused_by_name(query, field, db):
    assert_problem(client_of().get(f"/api/v1/raffles/list?{query}"), 400, "invalid", {field})


def test_two_bad_filters_are_both_named(db):
    response = client_of().get("/api/v1/raffles/list?phase=never&price_min=x")
    assert_problem(response, 400, "invalid", {"phase", "price_min"})


@pytest.mark.parametrize("search", ["%25", "_", "'; --", "%ED%A0%80", "%F0%9F%92%8E", "%FF", "\\"])
def test_odd_search_texts_find_nothing_and_break_nothing(search, on_sale):
    on_sale()
    response = client_of().get(f"/api/v1/raffles/list?search={search}")
    assert response.status_code == 200, response.content
    assert response.json()["results"] == []


PATHS = [
    *(
        "raffles/%00",
        "raffles/a%00b",
        "raffles/ä",
        "raffles/..",
        "raffles/" + "a" * 5000,
        "raffles/%FF",
        "raffles/%ED%A0%80",
    ),
    "raffles/00000000-0000-0000-0000-000000000000",
    "raffles/{0}",
    "raffles/1",
    "raffles/list/list",
    "raffles//",
    "purchases/%00",
    "purchases/x",
    "purchases/00000000-0000-0000-0000-000000000000",
    "purchases/%D9%A1",
    *(
        "verification/%00",
        "verification/x",
        "verification/x/bundle",
        "verification/x/entries.csv",
        "verification/x/entriesXcsv",
        "verification/x/log",
        "verification/x/log/heads",
        "verification/x/log/proof?leaf=" + "0" * 64,
    ),
    *(
        "verification/x/entries/y",
        "verification/x/entries/00000000-0000-0000-0000-000000000000",
        "users/1",
        "auth",
        "nowhere",
        "",
    ),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_to_nothing_is_not_found(path, alice):
    assert_problem(client_of(alice).get(f"/api/v1/{path}"), 404, "not_found")


VERBS = [
    ("delete", "raffles/list"),
    ("put", "raffles/create"),
    ("post", "raffles/list"),
    ("delete", "users/profile"),
    ("get", "auth/login"),
    ("get", "purchases/verify"),
    ("put", "users/preferences"),
    ("patch", "purchases/list"),
    ("delete", "purchases/00000000-0000-0000-0000-000000000000"),
    ("post", "verification/list"),
    ("trace", "raffles/list"),
    ("get", "webhooks/stripe/00000000-0000-0000-0000-000000000000"),
]


@pytest.mark.parametrize(("verb", "path"), VERBS)
def test_a_verb_that_is_not_there_is_not_allowed(verb, path, alice):
    client = client_of(alice)
    with nothing_written():
        response = client.generic(verb.upper(), f"/api/v1/{path}")
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"]


@pytest.mark.parametrize(
    "header", ["X-Request-ID", "X-Forwarded-For", "User-Agent", "Accept", "Accept-Language", "Host"]
)
@pytest.mark.parametrize("value", ["a" * 5000, "\x00", "ä\n", "; -- '", "::1, 999.1.1.1,"])
def test_odd_headers_break_nothing(header, value, settings, alice):
    settings.TRUSTED_PROXIES = 1
    client = client_of(alice)
    response = client.get("/api/v1/users/profile", headers={header: value})
    assert response.status_code in {200, 400, 406}, response.content
    assert len(response["X-Request-ID"]) <= 64


def test_what_a_client_accepts_does_not_change_what_it_gets(db):
    for accept in ("text/html", "application/xml", "image/png;q=0.1"):
        response = client_of().get("/api/v1/raffles/list", headers={"Accept": accept})
        assert response.status_code in {200, 406}
        if response.status_code == 406:
            assert_problem(response, 406)
