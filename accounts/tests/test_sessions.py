"""Signing in, refreshing, signing out: a refresh token used again later (see test_successors) ends the session."""

from uuid import uuid4

import jwt
import pytest

from accounts.errors import TokenRefused
from accounts.models import Session, User
from accounts.signatures import AccessToken, RefreshToken
from accounts.tests.refreshing import time_passes
from accounts.tokens import open_session, rotate
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of

LOGIN, REFRESH, LOGOUT = "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def with_password(alice) -> User:
    """Alice, who signs in with PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


def test_signing_in_gives_tokens_the_person_and_a_session(with_password):
    body = {"email": "ALICE@example.com", "password": PASSWORD}
    response = client_of().post(LOGIN, body, headers={"User-Agent": "x" * 500})
    answer = response.json()
    assert response.status_code == 200
    assert answer["user"]["email"] == "alice@example.com"
    assert "password" not in answer["user"]
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer['access']}")
    assert client.get("/api/v1/users/profile").json()["id"] == str(with_password.pk)
    session = Session.objects.get()
    assert (len(session.user_agent), session.address) == (200, "127.0.0.1")
    assert AuditEntry.objects.filter(action="user.signed_in", actor=with_password.pk).exists()


def test_wrong_passwords_unknown_people_and_the_inactive_hear_the_same(with_password, person):
    inactive = person("ivy", is_active=False)
    inactive.set_password(PASSWORD)
    inactive.save()
    tries = [
        (with_password.email, "wrong"),
        ("nobody@example.com", PASSWORD),
        (inactive.email, PASSWORD),
        (with_password.email, PASSWORD + " "),
    ]
    problems = [client_of().post(LOGIN, {"email": email, "password": password}) for email, password in tries]
    said = [assert_problem(problem, 401, "wrong_credentials")["detail"] for problem in problems]
    assert len(set(said)) == 1
    assert Session.objects.count() == 0


def test_a_stale_token_does_not_keep_anybody_from_signing_in(with_password):
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION="Bearer stale")
    assert client.post(LOGIN, {"email": with_password.email, "password": PASSWORD}).status_code == 200


def test_passwords_are_kept_as_argon2(with_password):
    assert with_password.password.startswith("argon2$argon2id$")


def test_tokens_say_who_made_them_for_whom_and_how_long(alice):
    pair = open_session(alice, user_agent="")
    access = jwt.decode(pair.access, options={"verify_signature": False})
    assert (access["aud"], access["iss"], access["user_id"]) == ("luxewin-api", "luxewin", str(alice.pk))
    assert (access["token_type"], access["exp"] - access["iat"]) == ("access", 600)
    # The token itself is not stored.
    assert str(Session.objects.get().token_id) not in {pair.refresh, pair.access}


def test_a_refresh_token_gives_the_next_pair_once(alice):
    first = open_session(alice, user_agent="")
    answer = client_of().post(REFRESH, {"refresh": first.refresh})
    assert answer.status_code == 200
    second = answer.json()
    assert second["refresh"] != first.refresh
    assert client_of().post(REFRESH, {"refresh": second["refresh"]}).status_code == 200
    assert Session.objects.count() == 1


def test_using_a_refresh_token_twice_ends_the_session_for_both(alice):
    first = open_session(alice, user_agent="")
    second = client_of().post(REFRESH, {"refresh": first.refresh}).json()
    time_passes()
    assert_problem(client_of().post(REFRESH, {"refresh": first.refresh}), 401, "token_not_valid")
    assert_problem(client_of().post(REFRESH, {"refresh": second["refresh"]}), 401, "token_not_valid")
    assert Session.objects.alive().count() == 0


def test_another_device_stays_signed_in(alice):
    stolen, other = open_session(alice, user_agent="a"), open_session(alice, user_agent="b")
    rotate(stolen.refresh)
    time_passes()
    with pytest.raises(TokenRefused):
        rotate(stolen.refresh)
    assert rotate(other.refresh).access


@pytest.mark.parametrize("change", ["inactive", "deleted", "session ended", "session deleted"])
def test_a_refresh_is_refused_after_the_person_or_the_session_went(change, alice):
    refresh = open_session(alice, user_agent="").refresh
    if change == "inactive":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    elif change == "deleted":
        alice.delete()
    elif change == "session ended":
        Session.objects.end()
    else:
        Session.objects.all().delete()
    assert_problem(client_of().post(REFRESH, {"refresh": refresh}), 401, "token_not_valid")


def _tokens(alice) -> dict[str, str]:
    plain = RefreshToken.for_user(alice)
    odd = RefreshToken.for_user(alice)
    odd["sid"] = "no uuid"
    foreign = jwt.encode(
        {"token_type": "refresh", "sid": uuid4().hex, "jti": uuid4().hex, "exp": 2**33}, "k" * 32, "HS256"
    )
    return {
        "garbage": "garbage",
        "access token": str(AccessToken.for_user(alice)),
        "no session": str(plain),
        "odd session": str(odd),
        "foreign": foreign,
        "too long": "x" * 2001,
    }


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize("kind", ["garbage", "access token", "no session", "odd session", "foreign", "too long"])
def test_what_is_no_refresh_token_of_ours_is_refused(path, kind, alice):
    response = client_of().post(path, {"refresh": _tokens(alice)[kind]})
    if kind == "too long":
        assert_problem(response, 400, "invalid", {"refresh"})
    else:
        assert_problem(response, 401, "token_not_valid")


def test_signing_out_ends_this_session_and_may_be_repeated(alice):
    here, there = open_session(alice, user_agent="here"), open_session(alice, user_agent="there")
    for _ in range(2):
        assert client_of().post(LOGOUT, {"refresh": here.refresh}).status_code == 204
    assert_problem(client_of().post(REFRESH, {"refresh": here.refresh}), 401)
    assert client_of().post(REFRESH, {"refresh": there.refresh}).status_code == 200
