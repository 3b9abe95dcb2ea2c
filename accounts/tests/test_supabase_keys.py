"""Supabase's keys: kept, asked for anew when they have to be, never more often, and for a while without Supabase."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from accounts.supabase.asking import SupabaseAway, ask
from accounts.supabase.jwks import FLOOR, FRESH, STALE, KeyCache
from accounts.tests.project import JWKS, ec_key, jwk, rsa_key


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each gave, all called at one moment."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture
def clock() -> Clock:
    """Of the cache."""
    return Clock()


@pytest.fixture
def cache(project, clock) -> KeyCache:
    """The keys of the project, none of which was asked for."""
    return KeyCache(lambda: ask(".well-known/jwks.json"), clock)


def test_a_key_is_asked_for_once_and_used_for_ten_minutes(cache, project, clock):
    for _ in range(50):
        assert cache.find("first").algorithm == "ES256"
    clock.now += FRESH - 1
    cache.find("first")
    assert project.asked == {JWKS: 1}
    clock.now += 1
    cache.find("first")
    assert project.asked == {JWKS: 2}


def test_a_key_that_is_new_is_found_and_one_that_is_gone_is_forgotten(cache, project, clock):
    cache.find("first")
    project.publish("second", rsa_key())
    clock.now += FLOOR
    assert cache.find("second").algorithm == "RS256"
    assert project.asked == {JWKS: 2}
    # The first is revoked: it counts until the set is asked for again.
    project.published.pop(0)
    clock.now += FRESH
    assert (cache.find("second") is None, cache.find("first")) == (False, None)


def test_a_thousand_unknown_names_cost_one_request(cache, project, clock):
    cache.find("first")
    clock.now += FLOOR
    assert [cache.find(f"unknown {number}") for number in range(1_000)] == [None] * 1_000
    assert project.asked == {JWKS: 2}
    assert cache.find("first")


def test_without_the_floor_each_unknown_name_would_cost_one(cache, project, monkeypatch):
    monkeypatch.setattr("accounts.supabase.jwks.FLOOR", 0)
    for number in range(20):
        cache.find(f"unknown {number}")
    assert project.asked == {JWKS: 20}


def test_of_sixteen_threads_that_know_no_key_one_asks(cache, project):
    keys = at_once(*[lambda: cache.find("first")] * 16)
    assert [key.algorithm for key in keys] == ["ES256"] * 16
    assert project.asked == {JWKS: 1}


def test_whoever_has_a_key_does_not_wait_for_a_newer_set(cache, project, clock):
    cache.find("first")
    clock.now += FRESH
    asked, answered, was_answered = Barrier(2), Event(), []

    def hang(path: str) -> None:
        asked.wait(20)
        was_answered.append(answered.wait(20))

    project.before = hang

    def meanwhile() -> Any:
        asked.wait(20)
        try:
            return cache.find("first")
        finally:
            answered.set()

    assert all(key.algorithm == "ES256" for key in at_once(lambda: cache.find("first"), meanwhile))
    assert was_answered == [True]
    assert project.asked == {JWKS: 2}


ILLNESSES = ["failing", "garbage", "deep", "huge", "odd", "elsewhere", "silent", "dripping"]


@pytest.mark.parametrize("illness", ILLNESSES)
def test_known_keys_count_on_for_an_hour_while_supabase_is_unwell(illness, cache, project, clock, request):
    cache.find("first")
    project.illness = illness
    if illness in {"silent", "dripping"}:
        request.getfixturevalue("impatient")
    clock.now += FRESH
    for _ in range(100):
        assert cache.find("first")
        with pytest.raises(SupabaseAway):
            cache.find("unknown")
    assert project.asked == {JWKS: 2}
    clock.now += STALE - FRESH
    with pytest.raises(SupabaseAway):
        cache.find("first")
    assert project.asked == {JWKS: 3}


def test_supabase_is_asked_again_once_it_may_be_well(cache, project, clock):
    project.illness = "failing"
    for _ in range(100):
        with pytest.raises(SupabaseAway):
            cache.find("first")
    assert project.asked == {JWKS: 1}
    project.illness = ""
    clock.now += FLOOR
    assert cache.find("first")
    assert cache.find("unknown") is None


def test_while_nobody_listens_known_keys_count_on(cache, project, clock):
    cache.find("first")
    project.stop()
    clock.now += FRESH
    assert cache.find("first")
    with pytest.raises(SupabaseAway):
        cache.find("unknown")


ODD_KEYS = {
    "a shared secret": HMACAlgorithm.to_jwk(b"k" * 32, as_dict=True) | {"kid": "odd"},
    "P-384": jwk(ec_key(ec.SECP384R1()), "odd"),
    "short RSA": jwk(rsa_key(1024), "odd"),
    "Ed25519": OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True) | {"kid": "odd"},
    "a private key": RSAAlgorithm.to_jwk(rsa_key(), as_dict=True) | {"kid": "odd"},
    "for encryption": jwk(rsa_key(), "odd") | {"use": "enc"},
    "no point of the curve": jwk(ec_key(), "odd") | {"x": "AAAA"},
    "no numbers": jwk(rsa_key(), "odd") | {"n": 5},
    "no kind": {"kid": "odd"},
    "no name": jwk(ec_key(), "odd") | {"kid": 7},
    "no object": "odd",
    "no algorithm": jwk(ec_key(), "odd") | {"alg": "HS256"},
}


@pytest.mark.parametrize("kind", ODD_KEYS)
def test_a_key_of_another_kind_is_passed_over(kind, cache, project):
    project.published.insert(0, ODD_KEYS[kind])
    assert cache.find("odd") is None
    assert cache.find("first")


def test_a_project_without_keys_has_none(cache, project):
    project.published = []
    assert cache.find("first") is None
