"""Guessing passwords: ever longer waits at one account, one guess at a time, no lock, and mail opens the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import throttle
from accounts.links import reset_links
from accounts.models import SignInDelay, User
from accounts.tasks import apply_rule
from luxewin.api.ratelimits import TooManyRequests
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of

LOGIN, RESET = "/api/v1/auth/login", "/api/v1/auth/password/reset"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def owner(alice) -> User:
    """Alice with PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture(autouse=True)
def only_delays(settings) -> None:
    """The limits per minute are tested elsewhere, and would come first here."""
    settings.RATELIMIT_ENABLE = False


def _let_pass() -> None:
    """The wait is over."""
    SignInDelay.objects.update(until=timezone.now() - timedelta(seconds=1))


def _fail(email: str, times: int) -> list[int]:
    """So many tries, each as soon as it may be; the wait after each, in seconds."""
    waits = []
    for _ in range(times):
        throttle.claim(email)
        until = SignInDelay.objects.get().until
        waits.append(round((until - timezone.now()).total_seconds()) if until else 0)
        _let_pass()
    return waits


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_waits_grow_from_the_eleventh_failure_up_to_a_quarter_of_an_hour(email, owner):
    waits = _fail(email, 24)
    assert waits[: throttle.FREE] == [0] * throttle.FREE
    for wait, wanted in zip(waits[throttle.FREE :], [2, 4, 8, 16, 32, 64, 128, 256, 512, *[900] * 5], strict=True):
        assert wanted - 2 <= wait <= wanted


def test_who_has_to_wait_hears_how_long_even_with_the_right_password_and_gets_in_afterwards(owner):
    _fail(owner.email, throttle.FREE)
    assert_problem(client_of().post(LOGIN, {"email": owner.email, "password": "wrong"}), 401, "wrong_credentials")
    refused = client_of().post(LOGIN, {"email": owner.email.upper(), "password": PASSWORD})
    assert assert_problem(refused, 429, "rate_limited")["retry_after"] == int(refused["Retry-After"])
    assert 1 <= int(refused["Retry-After"]) <= 2
    _let_pass()
    assert client_of().post(LOGIN, {"email": owner.email, "password": PASSWORD}).status_code == 200
    # All is forgiven.
    assert SignInDelay.objects.count() == 0


def test_a_try_that_was_refused_does_not_make_the_wait_longer(owner):
    _fail(owner.email, throttle.FREE)
    throttle.claim(owner.email)
    until = SignInDelay.objects.get().until
    for _ in range(20):
        with pytest.raises(TooManyRequests):
            throttle.claim(owner.email)
    assert SignInDelay.objects.get().until == until


def test_the_owner_gets_in_by_mail_however_long_somebody_guesses(owner):
    _fail(owner.email, 24)
    throttle.claim(owner.email)
    body = {"token": reset_links.token_for(owner), "password": "quite another secret"}
    assert client_of().post(RESET, body).status_code == 204
    assert client_of().post(LOGIN, {"email": owner.email, "password": body["password"]}).status_code == 200


def test_another_account_does_not_wait(owner, bob):
    _fail(owner.email, 24)
    throttle.claim(owner.email)
    throttle.claim(bob.email)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_guesses_at_once_one_is_looked_at():
    """Without counting first, all twenty would be looked at before the first is known to have failed."""
    for _ in range(throttle.FREE):
        throttle.claim("nobody@example.com")
    barrier = Barrier(20)

    def guess(number: int) -> bool:
        try:
            barrier.wait(timeout=60)
            throttle.claim("nobody@example.com")
        except TooManyRequests:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(guess, range(20))) == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_first_tries_at_once_none_has_to_wait():
    barrier = Barrier(8)

    def attempt(number: int) -> None:
        try:
            barrier.wait(timeout=60)
            throttle.claim("nobody@example.com")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, range(8)))
    assert SignInDelay.objects.get().failures == 8


def test_a_day_without_a_failure_is_forgiven_and_forgotten(owner):
    _fail(owner.email, 24)
    SignInDelay.objects.update(last_at=timezone.now() - timedelta(hours=25))
    assert _fail(owner.email, 1) == [0]
    SignInDelay.objects.update(last_at=timezone.now() - timedelta(hours=25))
    apply_rule("sign_in_delays")
    assert SignInDelay.objects.count() == 0


def test_what_is_kept_names_no_address(db):
    throttle.claim("nobody@example.com")
    assert b"nobody" not in bytes(SignInDelay.objects.get().key)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("password", {"current_password": "wrong", "new_password": "another good secret"}),
        ("email", {"email": "new@example.com", "password": "wrong"}),
    ],
)
def test_who_took_an_access_token_cannot_guess_the_password_with_it(path, body, owner, api):
    client = api(owner)
    statuses = [client.post(f"/api/v1/users/{path}", body).status_code for _ in range(throttle.FREE + 2)]
    assert statuses == [400] * (throttle.FREE + 1) + [429]
    # The same count as the sign-in's.
    assert client_of().post(LOGIN, {"email": owner.email, "password": PASSWORD}).status_code == 429


def _sign_in(email: str, password: str, **extra: str):
    return Client(**extra).post("/admin/login/?next=/admin/", {"username": email, "password": password})


def test_the_back_office_makes_guessers_wait_as_the_api_does(person):
    root = person("root", is_superuser=True)
    root.is_staff = True
    root.set_password(PASSWORD)
    root.save()
    for _ in range(throttle.FREE + 1):
        assert "Too many" not in _sign_in(root.email, "wrong").content.decode()
    assert "Too many attempts" in _sign_in(root.email, PASSWORD).content.decode()
    assert_problem(client_of().post(LOGIN, {"email": root.email, "password": PASSWORD}), 429)
    _let_pass()
    assert _sign_in(root.email, PASSWORD).status_code == 302
    entry = AuditEntry.objects.get(action="user.signed_in")
    assert (entry.actor, entry.after) == (root.pk, {"to": "back office", "device": "", "second_factor": False})


def test_one_address_is_limited_at_the_back_office_over_all_accounts(one_window, settings, db):
    settings.RATELIMIT_ENABLE = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    pages = [_sign_in(f"n{number}@example.com", "wrong").content.decode() for number in range(31)]
    assert ["Too many requests" in page for page in pages] == [False] * 30 + [True]


def test_an_operator_lifts_the_wait_of_passwords_and_codes_and_the_audit_knows(owner, capsys):
    for subject in (owner.email, throttle.codes_of(owner)):
        for _ in range(throttle.FREE + 1):
            throttle.claim(subject)
        with pytest.raises(TooManyRequests):
            throttle.claim(subject)
    call_command("lift_signin_delay", owner.email.upper())
    assert "forgotten are wrong passwords and codes" in capsys.readouterr().out
    throttle.claim(owner.email)
    throttle.claim(throttle.codes_of(owner))
    entry = AuditEntry.objects.get(action="user.sign_in_delay_lifted")
    assert (entry.subject_id, entry.after) == (str(owner.pk), {"of": ["passwords", "codes"]})


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_where_there_is_no_wait_to_lift_the_operator_hears_so(email, owner):
    with pytest.raises(CommandError, match=email):
        call_command("lift_signin_delay", email)
    assert not AuditEntry.objects.filter(action="user.sign_in_delay_lifted").exists()
