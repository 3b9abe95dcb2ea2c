"""Signing in with a second factor: password, then a code that is good once; nothing else opens a session."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import challenges, throttle
from accounts.challenges import challenge_for
from accounts.links import reset_links
from accounts.models import Authenticator, Notification, RecoveryCode, Session, SignInDelay, User
from accounts.services.signing_in import complete_second_factor
from accounts.tests.browsing import MODES, Device
from accounts.tests.hashing import work
from accounts.tests.phones import PASSWORD, Phone, enrolled, half_a_minute_passes
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

LOGIN, SECOND = "/api/v1/auth/login", "/api/v1/auth/login/second"


@pytest.fixture
def phone(alice) -> Phone:
    """Alice's; she has PASSWORD."""
    return enrolled(alice)


@pytest.fixture(autouse=True)
def without_limits(settings) -> None:
    """The limits per minute are tested elsewhere, and would come first here."""
    settings.RATELIMIT_ENABLE = False


def _challenge(user: User) -> str:
    answer = client_of().post(LOGIN, {"email": user.email, "password": PASSWORD})
    return assert_problem(answer, 401, "second_factor_required")["challenge"]


def _second(user: User, code: str):
    return client_of().post(SECOND, {"challenge": _challenge(user), "code": code})


@pytest.mark.parametrize("mode", MODES)
def test_the_password_alone_opens_nothing_and_the_code_then_opens_a_session(mode, alice, phone):
    device = Device(mode)
    owed = assert_problem(device.sign_in(alice.email, PASSWORD), 401, "second_factor_required")
    assert owed["expires_in"] == 300
    assert Session.objects.count() == 0
    assert device.cookie("ACCESS_COOKIE") is None
    body = {"challenge": owed["challenge"], "code": phone.code(), "mode": mode}
    answer = device.take(device.ask("post", "auth/login/second", body))
    assert (answer.status_code, answer.json()["user"]["email"]) == (200, alice.email)
    assert device.ask("get", "users/profile").status_code == 200
    assert device.refresh().status_code == 200
    assert [each["second_factor"] for each in device.ask("get", "auth/sessions").json()["results"]] == [True]
    assert AuditEntry.objects.get(action="user.signed_in").after == {"second_factor": True}


@pytest.mark.parametrize("mode", MODES)
def test_password_and_code_at_once_open_a_session(mode, alice, phone):
    device = Device(mode)
    device.fetch_csrf()
    body = {"email": alice.email, "password": PASSWORD, "code": phone.code(), "mode": mode}
    assert device.take(device.ask("post", "auth/login", body)).status_code == 200
    assert device.ask("get", "users/profile").status_code == 200


def test_in_cookie_mode_the_second_step_needs_the_csrf_token_too(alice, phone):
    body = {"challenge": _challenge(alice), "code": phone.code(), "mode": "cookie"}
    with nothing_written():
        answer = Device("cookie").ask("post", "auth/login/second", body)
    assert_problem(answer, 403, "csrf_failed")


def test_who_has_no_second_factor_signs_in_as_before_whatever_code_is_sent(bob):
    bob.set_password(PASSWORD)
    bob.save()
    body = {"email": bob.email, "password": PASSWORD, "code": "123456"}
    assert client_of().post(LOGIN, body).status_code == 200
    assert not Session.objects.get().second_factor


@pytest.mark.parametrize("typed", ["{0}{1}", " {0} {1} ", "{0}-{1}"])
def test_spaces_in_a_code_do_not_matter(typed, alice, phone):
    code = phone.code()
    assert _second(alice, typed.format(code[:3], code[3:])).status_code == 200


def test_a_used_code_is_refused_and_the_next_one_is_good(alice, phone):
    code = phone.code()
    assert _second(alice, code).status_code == 200
    assert_problem(_second(alice, code), 401, "wrong_code")
    half_a_minute_passes(alice)
    assert _second(alice, phone.code()).status_code == 200


def test_a_code_before_the_last_used_one_is_refused(alice, phone):
    assert _second(alice, phone.code(1)).status_code == 200
    assert_problem(_second(alice, phone.code()), 401, "wrong_code")


@pytest.mark.parametrize("steps", [-3, 3])
def test_a_code_from_too_long_ago_or_to_come_is_refused(steps, alice, phone):
    assert_problem(_second(alice, phone.code(steps)), 401, "wrong_code")


@pytest.mark.parametrize("code", ["000000000000", "١٢٣٤٥٦", "1e5", "-1", "abcdef", "0x1234", "a" * 24, "\u2028" * 6])
def test_what_is_no_code_is_refused(code, alice, phone):
    assert _second(alice, code).status_code in {400, 401}
    assert Session.objects.count() == 0


def test_each_recovery_code_stands_in_once_and_its_owner_is_told(alice, phone):
    for number, code in enumerate(phone.recovery_codes, start=1):
        assert _second(alice, code.upper() if number % 2 else code.replace("-", " ")).status_code == 200
        assert_problem(_second(alice, code), 401, "wrong_code")
    assert RecoveryCode.objects.count() == 0
    told = Notification.objects.mails().filter(kind="recovery_code_used").order_by("created_at")
    assert [each.context["left"] for each in told] == list(range(9, -1, -1))
    assert AuditEntry.objects.filter(action="user.recovery_code_used", actor=alice.pk).count() == 10
    # The app goes on.
    assert _second(alice, phone.code()).status_code == 200


def test_another_ones_code_opens_nothing(alice, phone, bob):
    theirs = enrolled(bob)
    for code in (theirs.code(), theirs.recovery_codes[0]):
        assert_problem(_second(alice, code), 401, "wrong_code")
    assert theirs.recovery_codes
    assert RecoveryCode.objects.filter(user=bob).count() == 10


# What a wrong password is told


def test_with_a_wrong_password_a_second_factor_changes_neither_answer_nor_work(alice, phone, bob):
    bob.set_password(PASSWORD)
    bob.save()
    outcomes = []
    for email in (alice.email, bob.email, "nobody@example.com"):
        for extra in ({}, {"code": phone.code()}, {"code": phone.recovery_codes[0]}):
            with work() as done:
                answer = client_of().post(LOGIN, {"email": email, "password": "a wrong password"} | extra)
            said = {name: value for name, value in answer.json().items() if name != "request_id"}
            outcomes.append((answer.status_code, said, done))
    assert outcomes[0][1]["code"] == "wrong_credentials"
    assert [outcome for outcome in outcomes if outcome != outcomes[0]] == []
    assert RecoveryCode.objects.count() == 10


# Challenges


def test_a_challenge_is_dead_after_five_minutes(alice, phone, monkeypatch):
    challenge = _challenge(alice)
    monkeypatch.setattr(challenges, "LIFETIME", timedelta(seconds=-1))
    assert_problem(client_of().post(SECOND, {"challenge": challenge, "code": phone.code()}), 401, "challenge_not_valid")


@pytest.mark.parametrize("change", ["a new password", "deactivated", "deleted"])
def test_a_challenge_is_dead_once_its_account_changed(change, alice, phone):
    challenge, code = _challenge(alice), phone.code()
    if change == "a new password":
        alice.set_password("quite another secret")
        alice.save()
    elif change == "deactivated":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    else:
        alice.delete()
    assert_problem(client_of().post(SECOND, {"challenge": challenge, "code": code}), 401, "challenge_not_valid")
    assert Session.objects.count() == 0


def test_a_challenge_is_no_token_and_no_token_is_a_challenge(alice, phone):
    challenge, pair = _challenge(alice), open_session(alice, user_agent="")
    bearer = {"Authorization": f"Bearer {challenge}"}
    assert_problem(client_of().get("/api/v1/users/profile", headers=bearer), 401)
    for path in ("refresh", "logout"):
        assert_problem(client_of().post(f"/api/v1/auth/{path}", {"refresh": challenge}), 401, "token_not_valid")
    for path, field in (("verify", "token"), ("email/confirm", "token")):
        assert_problem(client_of().post(f"/api/v1/auth/{path}", {field: challenge}), 400)
    for forged in (
        pair.access[:500],
        pair.refresh[:500],
        reset_links.token_for(alice),
        challenge[:-1],
        challenge + "x",
    ):
        answer = client_of().post(SECOND, {"challenge": forged, "code": phone.code()})
        assert_problem(answer, 401, "challenge_not_valid")


def test_a_challenge_may_be_shown_again_after_a_wrong_code(alice, phone):
    challenge = _challenge(alice)
    wrong = client_of().post(SECOND, {"challenge": challenge, "code": phone.wrong_code()})
    assert_problem(wrong, 401, "wrong_code")
    assert client_of().post(SECOND, {"challenge": challenge, "code": phone.code()}).status_code == 200


def test_who_switched_it_off_meanwhile_needs_no_code_any_more(alice, phone):
    challenge = challenge_for(alice)
    Authenticator.objects.all().delete()
    complete_second_factor(challenge=challenge, code="x", user_agent="")
    assert not Session.objects.get().second_factor


# Guessing


def test_codes_are_guessed_ever_slower_and_giving_the_password_again_does_not_help(alice, phone):
    for _ in range(throttle.FREE + 1):
        assert_problem(_second(alice, phone.wrong_code()), 401, "wrong_code")
    waiting = assert_problem(_second(alice, phone.code()), 429, "rate_limited")
    assert 1 <= waiting["retry_after"] <= 2
    body = {"email": alice.email, "password": PASSWORD, "code": phone.recovery_codes[0]}
    assert_problem(client_of().post(LOGIN, body), 429, "rate_limited")
    assert Session.objects.count() == 0
    SignInDelay.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert _second(alice, phone.code()).status_code == 200
    # All is forgiven.
    assert SignInDelay.objects.count() == 0


def test_the_owner_is_told_once_a_day_that_somebody_knows_the_password(alice, phone):
    for _ in range(throttle.FREE - 1):
        _second(alice, phone.wrong_code())
    assert not Notification.objects.mails().filter(kind="second_factor_guessed").exists()
    for _ in range(4):
        _second(alice, phone.wrong_code())
        SignInDelay.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert Notification.objects.mails().filter(kind="second_factor_guessed", user=alice).count() == 1


def test_neither_a_mailed_link_nor_a_wrong_password_changes_the_count_of_codes(alice, phone):
    for _ in range(throttle.FREE + 1):
        _second(alice, phone.wrong_code())
    new = "quite another secret"
    reset = {"token": reset_links.token_for(alice), "password": new}
    assert client_of().post("/api/v1/auth/password/reset", reset).status_code == 204
    body = {"email": alice.email, "password": new, "code": phone.code()}
    assert_problem(client_of().post(LOGIN, body), 429, "rate_limited")


# What keeps it


def test_a_password_reset_by_mail_neither_removes_nor_skips_it(alice, phone):
    new = "quite another secret"
    reset = {"token": reset_links.token_for(alice), "password": new}
    assert client_of().post("/api/v1/auth/password/reset", reset).status_code == 204
    assert Session.objects.count() == 0
    body = {"email": alice.email, "password": new}
    assert_problem(client_of().post(LOGIN, body), 401, "second_factor_required")
    assert client_of().post(LOGIN, body | {"code": phone.code()}).status_code == 200


@pytest.mark.parametrize("shown", [True, False])
def test_after_a_password_change_the_new_session_is_what_the_old_one_was(shown, alice, phone):
    client = client_of()
    pair = open_session(alice, user_agent="", second_factor=shown)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    body = {"current_password": PASSWORD, "new_password": "quite another secret"}
    assert client.post("/api/v1/users/password", body).status_code == 200
    assert Session.objects.alive().get().second_factor is shown
