"""Rate limits and purchases with Redis there and with Redis away (a port on which nobody listens)."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import RequestFactory

from accounts.tasks import forget_expired_counts
from luxewin.api.requests import client_address
from luxewin.tests.asking import assert_problem, client_of

LOGIN, FORGOT = "/api/v1/auth/login", "/api/v1/auth/password/forgot"


@pytest.fixture
def redis_is_away(settings, closed_port) -> None:
    """Every cache call fails as it does when Redis is gone."""
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{closed_port}/0"}
    }


@pytest.fixture(params=["redis", "no redis"])
def either_way(request) -> str:
    """With Redis and without."""
    if request.param == "no redis":
        request.getfixturevalue("redis_is_away")
    return request.param


@pytest.fixture(autouse=True)
def quick_hash(settings) -> None:
    """These tests count sign-ins; the hash of a password that nobody has may be a quick one."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _statuses(client, times: int) -> list[int]:
    body = {"email": "nobody@example.com", "password": "wrong"}
    return [client.post(LOGIN, body).status_code for _ in range(times)]


def test_guessing_one_account_is_limited_with_redis_and_without(either_way, db):
    client = client_of()
    # Limits count in windows of a minute; this may stand in two of them.
    statuses = _statuses(client, 2 * 10 + 1)
    assert set(statuses) == {401, 429}
    assert statuses[:10] == [401] * 10
    refused = client.post(LOGIN, {"email": "NOBODY@example.com", "password": "wrong"})
    if refused.status_code == 429:  # unless a window ended just now
        assert_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused["Retry-After"]) <= 60
    # Another account from the same address is not in the way yet.
    assert client.post(LOGIN, {"email": "else@example.com", "password": "wrong"}).status_code == 401


@pytest.mark.parametrize(
    "written", [" {}", "{} ", "\t{}\n", "{}\u2003", "  {}  "], ids=["before", "after", "tabs", "em space", "both"]
)
def test_one_account_has_one_count_however_its_address_is_written(written, one_window, db):
    client, odd = client_of(), written.format("NOBODY@example.com")
    # Ten of each are too many together, and would not be too many apart.
    statuses = [client.post(FORGOT, {"email": email}).status_code for email in ["nobody@example.com", odd] * 10]
    assert statuses == [202] * 10 + [429] * 10


def test_one_address_is_limited_over_all_accounts(one_window, db):
    client = client_of()
    statuses = [
        client.post(LOGIN, {"email": f"n{number}@example.com", "password": "wrong"}).status_code for number in range(31)
    ]
    assert statuses == [401] * 30 + [429]


def test_a_client_cannot_escape_by_writing_another_forwarded_address(one_window, db):
    client = client_of()
    statuses = [
        client.post(
            LOGIN, {"email": f"n{number}@example.com", "password": "x"}, headers={"X-Forwarded-For": f"10.0.0.{number}"}
        ).status_code
        for number in range(31)
    ]
    assert statuses[-1] == 429


def test_without_redis_people_sign_in_and_a_clear_line_says_what_is_wrong(redis_is_away, alice, caplog):
    alice.set_password("correct horse battery staple")
    alice.save()
    with caplog.at_level(logging.WARNING, logger="luxewin.api.ratelimits"):
        response = client_of().post(LOGIN, {"email": alice.email, "password": "correct horse battery staple"})
    assert response.status_code == 200
    assert any("redis does not answer, rate limits are counted in the database" in line for line in caplog.messages)


def test_without_redis_people_buy(redis_is_away, alice, on_sale, new_key):
    body = {"raffle": str(on_sale().pk), "quantity": 2}
    response = client_of(alice).post("/api/v1/purchases/create", body, headers=new_key())
    assert response.status_code == 201, response.content
    assert response.json()["status"] == "pending"


def test_without_redis_lists_and_registering_work(redis_is_away, on_sale):
    on_sale()
    assert client_of().get("/api/v1/raffles/list").status_code == 200
    assert_problem(client_of().post("/api/v1/auth/register", {}), 400)


def test_the_count_without_redis_is_in_the_database(redis_is_away, db):
    assert caches["ratelimits"].add("a", 1, 60)
    assert not caches["ratelimits"].add("a", 1, 60)
    assert caches["ratelimits"].incr("a") == 2
    assert not caches["ratelimits"].add("a", 1, 60)


def test_without_redis_no_count_is_pushed_out_by_those_of_others(redis_is_away, db):
    """A guesser with many addresses must not make room for the next guess at one account."""
    for number in range(400):
        assert caches["ratelimits"].add(f"{number:03}", 1, 3600)
    assert [caches["ratelimits"].add(f"{number:03}", 1, 3600) for number in range(400)] == [False] * 400


def test_without_redis_a_count_that_is_over_begins_anew_and_is_swept(redis_is_away, db):
    for key in ("over", "unused"):
        assert caches["ratelimits"].add(key, 1, 60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_durable_cache SET expires = now() - interval '1 second'")
        assert caches["ratelimits"].add("over", 1, 60)
        forget_expired_counts()
        cursor.execute("SELECT cache_key FROM accounts_durable_cache")
        assert cursor.fetchall() == [("over",)]
    assert not caches["ratelimits"].add("over", 1, 60)


@pytest.mark.django_db(transaction=True)
def test_without_redis_requests_at_once_are_counted_one_by_one(redis_is_away):
    def count(_: int) -> int:
        try:
            caches["ratelimits"].add("together", 1, 3600)
            return caches["ratelimits"].incr("together")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(count, range(80))) == list(range(1, 81))


@pytest.mark.parametrize(
    ("proxies", "chain", "peer", "expected"),
    [
        (0, "6.6.6.6", "10.1.1.1", "10.1.1.1"),
        (1, "6.6.6.6", "10.1.1.1", "6.6.6.6"),
        (1, "6.6.6.6, 7.7.7.7", "10.1.1.1", "7.7.7.7"),
        (2, "5.5.5.5, 6.6.6.6, 7.7.7.7", "10.1.1.1", "6.6.6.6"),
        (2, "6.6.6.6", "10.1.1.1", "10.1.1.1"),
        (1, "", "10.1.1.1", "10.1.1.1"),
        (1, "garbage", "10.1.1.1", "10.1.1.1"),
        (1, "2001:DB8::1", "10.1.1.1", "2001:db8::1"),
        (1, "6.6.6.6\x00", "", "0.0.0.0"),
        (0, "", "unix:", "0.0.0.0"),
    ],
)
def test_the_address_is_the_one_that_our_proxies_vouch_for(proxies, chain, peer, expected, settings):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": chain} if chain else {})
    assert client_address(request) == expected
