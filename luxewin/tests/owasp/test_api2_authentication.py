"""API2, broken authentication: nothing but a good access token opens an operation, and guessing leads nowhere.

Elsewhere: every forgery of a signature (accounts/tests/test_signatures.py, whose list is tried here at every
operation), replayed refresh tokens and ended sessions (test_sessions.py, test_devices.py), growing delays
(test_guessing.py), cookie mode (test_cookies.py, test_modes.py), the work behind each answer (test_enumeration.py),
limits without Redis (luxewin/tests/test_ratelimits.py).
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as configured

from accounts.links import reset_links, verification_links
from accounts.models import Session, User
from accounts.tests.browsing import Device
from accounts.tests.hashing import work
from accounts.tests.test_signatures import _forgeries
from accounts.tokens import open_session
from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.contract.sample_data import PASSWORD, World
from luxewin.tests.owasp.surface import Operation, ask, nothing_changes, operations
from luxewin.tests.test_bad_requests import TOKENS

CLOSED = [operation for operation in operations() if operation.is_closed]
LOGIN = "/api/v1/auth/login"


def _confused(user: User) -> dict[str, str]:
    """Whatever else was given to this person, as an access token."""
    pair = open_session(user, user_agent="")
    return {
        **_forgeries(pair.access),
        **{name: make(user) for name, make in TOKENS.items()},
        "refresh token": pair.refresh,
        "mailed verification": verification_links.token_for(user),
        "mailed reset": reset_links.token_for(user),
        "session's id": str(user.sessions.latest("created_at").pk),
        "user's id": str(user.pk),
    }


@pytest.mark.parametrize("operation", CLOSED, ids=lambda operation: operation.name)
def test_no_other_token_opens_an_operation(operation: Operation, world: World):
    tokens, client, body = _confused(world.buyer), client_of(), operation.body(world)
    with nothing_changes():
        for kind, token in tokens.items():
            # As bytes: a header cannot carry every text.
            header = f"Bearer {token}".encode().decode("latin-1")
            answer = ask(client, operation.verb, operation.filled(), body or None, Authorization=header)
            assert_problem(answer, 401)
            assert answer["WWW-Authenticate"].startswith("Bearer"), kind


@pytest.mark.parametrize("operation", CLOSED, ids=lambda operation: operation.name)
def test_a_good_token_in_another_place_is_no_token(operation: Operation, alice):
    """A token in an address lands in logs and histories; in a body, another site's form could send it."""
    good = open_session(alice, user_agent="").access
    places: list[tuple[str, Any, dict[str, str]]] = [
        *(
            (f"?{name}={good}", {}, {})
            for name in ("access", "access_token", "token", "jwt", "bearer", "Authorization")
        ),
        *(("", {name: good}, {}) for name in ("access", "access_token", "token", "Authorization")),
        *(("", {}, {name: good}) for name in ("X-Access-Token", "X-Auth-Token", "X-Authorization", "Cookie")),
        *(("", {}, {"Cookie": f"{name}={good}"}) for name in ("token", "jwt", "sessionid", "refresh", "Access")),
        *(("", {}, {"Authorization": f"{scheme}{good}"}) for scheme in ("", "JWT ", "Token ", "Basic ", "Bearer=")),
    ]
    with nothing_changes():
        for query, body, headers in places:
            # No GET has a body.
            path = operation.filled() + query
            answer = ask(client_of(), operation.verb, path, body if operation.writes else None, **headers)
            # No operation has such a parameter.
            assert_problem(answer, 400 if query else 401)


def _guess(email: str, password: str = "a wrong one", **headers: str) -> int:
    return client_of().post(LOGIN, {"email": email, "password": password}, headers=headers).status_code


@pytest.fixture
def quick_hash(settings) -> None:
    """These tests count answers; a hash may be a quick one."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_stuffing_one_list_from_one_address_ends(one_window, quick_hash, person):
    """A known pair among many is not reached, whatever the accounts."""
    statuses = [_guess(f"leaked{number}@example.com") for number in range(31)]
    assert statuses == [401] * 30 + [429]


def test_guessing_one_account_from_a_hundred_addresses_ends(quick_hash, alice, settings):
    """By account, and from then on with a delay that grows: a botnet has as many tries as one machine."""
    settings.TRUSTED_PROXIES = 1
    statuses = [_guess(alice.email, **{"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(100)]
    assert statuses[:10] == [401] * 10
    assert statuses.count(401) <= 20
    assert set(statuses[21:]) == {429}


def test_an_address_written_otherwise_is_no_further_account_to_guess(quick_hash, alice, settings):
    settings.TRUSTED_PROXIES = 1
    spellings = ("alice@example.com", "ALICE@example.com", "Alice@Example.COM", " alice@example.com ")
    statuses = [_guess(spellings[number % 4], **{"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(40)]
    assert statuses.count(401) <= 20
    assert set(statuses[21:]) == {429}


@pytest.mark.parametrize("planted", ["session", "csrf", "both"])
def test_cookies_planted_before_the_sign_in_give_the_attacker_nothing(planted, alice, bob):
    """Session fixation: the victim signs in in a browser that holds cookies of the attacker's choice."""
    for user in (alice, bob):
        user.set_password(PASSWORD)
        user.save()
    attacker, victim = Device("cookie"), Device("cookie")
    attacker.sign_in(bob.email, PASSWORD)
    for name, cookie in attacker.http.cookies.items():
        if planted == "both" or (name == configured.CSRF_COOKIE_NAME) == (planted == "csrf"):
            victim.http.cookies[name] = cookie.value
    assert victim.sign_in(alice.email, PASSWORD).status_code == 200
    assert victim.ask("get", "users/profile").json()["email"] == alice.email
    # What the attacker knows is not what the victim has now, and opens nothing of theirs.
    for name in (configured.ACCESS_COOKIE, configured.REFRESH_COOKIE, configured.CSRF_COOKIE_NAME):
        assert victim.http.cookies[name].value != attacker.http.cookies[name].value
    seen = attacker.ask("get", "users/profile")
    assert seen.status_code == 401 or seen.json()["email"] == bob.email
    assert Session.objects.alive().filter(user=alice).count() == 1


NAMES_AN_ADDRESS = [operation for operation in operations() if "email" in operation.takes and not operation.is_closed]


@pytest.mark.parametrize("operation", NAMES_AN_ADDRESS, ids=lambda operation: operation.name)
def test_whoever_has_an_account_is_answered_as_who_has_none(
    operation: Operation, person: Callable[..., User], settings
):
    """Every public operation that takes an address, found in the document; statements and hashes instead of a clock."""
    known = person("alice")
    known.set_password(PASSWORD)
    known.save()
    filling = {"password": PASSWORD + "!", "display_name": "Dana", "date_of_birth": "1990-05-17", "country": "GB"}
    seen = []
    for email in (known.email, "nobody@example.com"):
        body = {name: value for name, value in filling.items() if name in operation.takes} | {"email": email}
        with work() as done:
            answer = ask(client_of(), operation.verb, operation.path, body)
        text = {name: value for name, value in answer.json().items() if name not in {"email", "request_id"}}
        seen.append((answer.status_code, text, sorted(name for name, _ in answer.items()), done.hashes, done.mails))
    assert seen[0] == seen[1]
