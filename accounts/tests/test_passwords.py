"""New passwords: by a mailed link that is good once, or by the old one; weak and breached ones are refused."""

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread

import argon2
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.errors import LinkRefused
from accounts.links import reset_links, verification_links
from accounts.models import Notification, Session, User
from accounts.passwords import Argon2Hasher, faults_of
from accounts.tests.catching import mails_to, token_in
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of

FORGOT, RESET, LOGIN = "/api/v1/auth/password/forgot", "/api/v1/auth/password/reset", "/api/v1/auth/login"
CHANGE, REGISTER, PROFILE = "/api/v1/users/password", "/api/v1/auth/register", "/api/v1/users/profile"
PASSWORD, NEW = "correct horse battery staple", "quite another secret"


@pytest.fixture
def owner(person) -> User:
    """Somebody with PASSWORD, at an address of their own: the mail catcher forgets nothing."""
    user = person(f"owner{timezone.now().timestamp()}")
    user.set_password(PASSWORD)
    user.save()
    return user


def _can_sign_in(user: User, password: str) -> bool:
    return client_of().post(LOGIN, {"email": user.email, "password": password}).status_code == 200


def test_the_mailed_link_sets_a_new_password_once_and_ends_every_session(real_mail, owner, run_tasks):
    pair = open_session(owner, user_agent="")
    assert client_of().post(FORGOT, {"email": owner.email.upper()}).status_code == 202
    run_tasks()
    (mail,) = mails_to(owner.email)
    token = token_in(mail)
    assert client_of().post(RESET, {"token": token, "password": NEW}).status_code == 204
    assert_problem(client_of().post(RESET, {"token": token, "password": PASSWORD}), 400, "link_not_valid")
    assert_problem(client_of().post("/api/v1/auth/refresh", {"refresh": pair.refresh}), 401)
    assert (_can_sign_in(owner, PASSWORD), _can_sign_in(owner, NEW)) == (False, True)
    run_tasks()
    assert [mail["subject"] for mail in mails_to(owner.email)] == ["Set a new password", "Your password was changed"]
    assert AuditEntry.objects.filter(action="user.password_reset", subject_id=str(owner.pk)).exists()


def test_the_page_of_the_link_sets_it_too_and_keeps_the_link_while_the_password_is_weak(owner):
    token = reset_links.token_for(owner)
    assert token in Client().get("/reset-password", {"token": token}).content.decode()
    weak = Client().post("/reset-password", {"token": token, "password": "short"})
    assert (weak.status_code, "too short" in weak.content.decode()) == (400, True)
    assert Client().post("/reset-password", {"token": token, "password": NEW}).status_code == 302
    assert _can_sign_in(owner, NEW)
    assert Client().post("/reset-password", {"token": token, "password": PASSWORD}).status_code == 400


def test_the_page_is_guarded_against_forms_of_other_sites(owner):
    client = Client(enforce_csrf_checks=True)
    body = {"token": reset_links.token_for(owner), "password": NEW}
    assert client.post("/reset-password", body).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_four_uses_of_a_link_at_once_one_counts(owner):
    token, barrier = reset_links.token_for(owner), Barrier(4)

    def use(number: int) -> bool:
        try:
            barrier.wait(timeout=60)
            services.reset_password(token=token, password=f"{NEW} {number}")
        except LinkRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(4))) == 1


@pytest.mark.parametrize("change", ["password", "email", "verification", "inactive"])
def test_a_link_is_dead_after_the_account_changed(change, person):
    user = person("late", verified=False)
    token = reset_links.token_for(user)
    if change == "password":
        user.set_password(NEW)
    elif change == "email":
        user.email = "other@example.com"
    elif change == "verification":
        user.email_verified_at = timezone.now()
    else:
        user.is_active = False
    user.save()
    assert_problem(client_of().post(RESET, {"token": token, "password": PASSWORD}), 400, "link_not_valid")


@pytest.mark.parametrize(("age", "status"), [(59, 204), (61, 400)])
def test_a_link_lives_for_an_hour(age, status, owner, monkeypatch):
    then = reset_links._now() - timedelta(minutes=age)
    with monkeypatch.context() as patch:
        patch.setattr(type(reset_links), "_now", lambda self: then)
        token = reset_links.token_for(owner)
    assert client_of().post(RESET, {"token": token, "password": NEW}).status_code == status


def test_links_of_one_purpose_do_not_serve_another(owner, person):
    waiting = person("charlie", verified=False)
    verify, reset = verification_links.token_for(waiting), reset_links.token_for(waiting)
    assert_problem(client_of().post(RESET, {"token": verify, "password": NEW}), 400, "link_not_valid")
    assert_problem(
        client_of().post("/api/v1/auth/verify", {"token": reset, "new_password": "entirely new horse battery"}),
        400,
        "link_not_valid",
    )
    mixed = f"{reset_links.token_for(owner).partition('.')[0]}.{reset.partition('.')[2]}"
    assert_problem(client_of().post(RESET, {"token": mixed, "password": NEW}), 400, "link_not_valid")


def test_a_forged_host_does_not_lead_the_link_elsewhere(real_mail, owner, run_tasks, settings):
    settings.ALLOWED_HOSTS = ["*"]
    client_of().post(
        FORGOT, {"email": owner.email}, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    )
    run_tasks()
    assert "evil.example" not in mails_to(owner.email)[0]["text"]


def test_a_change_needs_the_old_password_ends_every_session_and_goes_on_in_a_new_one(owner):
    here, there = open_session(owner, user_agent=""), open_session(owner, user_agent="")
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {here.access}")
    wrong = client.post(CHANGE, {"current_password": "wrong", "new_password": NEW})
    assert_problem(wrong, 400, "invalid", {"current_password"})
    answer = client.post(CHANGE, {"current_password": PASSWORD, "new_password": NEW})
    assert answer.status_code == 200
    for dead in (here, there):
        old = client_of()
        old.credentials(HTTP_AUTHORIZATION=f"Bearer {dead.access}")
        assert_problem(old.get(PROFILE), 401, "session_ended")
        assert_problem(client_of().post("/api/v1/auth/refresh", {"refresh": dead.refresh}), 401)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
    assert client.get(PROFILE).status_code == 200
    assert Session.objects.alive().count() == 1
    assert (_can_sign_in(owner, PASSWORD), _can_sign_in(owner, NEW)) == (False, True)
    assert Notification.objects.mails().get(kind="password_changed").user == owner
    kept = str(list(AuditEntry.objects.values_list("before", "after")))
    assert NEW not in kept
    assert User.objects.get(pk=owner.pk).password not in kept


@pytest.mark.parametrize("password", ["short", "1234567890123", "password123", PASSWORD, "owner-owner", "x" * 129])
def test_a_weak_or_unchanged_password_is_refused_and_nothing_changes(password, owner, api):
    User.objects.filter(pk=owner.pk).update(email="owner-owner@example.com", display_name="Owner Owner")
    body = {"current_password": PASSWORD, "new_password": password}
    assert_problem(api(owner).post(CHANGE, body), 400, "invalid", {"new_password"})
    assert User.objects.get(pk=owner.pk).check_password(PASSWORD)


def test_a_password_counts_exactly_as_it_was_typed(owner, api):
    typed = "  Three SMALL red Boats, ünder  "
    assert api(owner).post(CHANGE, {"current_password": PASSWORD, "new_password": typed}).status_code == 200
    others = [typed.strip(), typed.lower(), typed[:-1], typed + " ", typed.replace("ü", "u")]
    assert [_can_sign_in(owner, password) for password in others] == [False] * len(others)
    assert _can_sign_in(owner, typed)


def test_a_password_does_not_age(owner):
    long_ago = timezone.now() - timedelta(days=3650)
    User.objects.filter(pk=owner.pk).update(joined_at=long_ago, last_login=long_ago)
    assert _can_sign_in(owner, PASSWORD)


def test_a_password_like_one_s_name_is_refused(registration, db):
    body = registration(display_name="Wilhelmina Tell", password="wilhelmina-tell")
    assert_problem(client_of().post(REGISTER, body), 400, "invalid", {"password"})


class _Range(BaseHTTPRequestHandler):
    """The range protocol, for one breached password."""

    asked: list[str] = []
    answer: tuple[int, str] = (200, "")

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, text = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def breaches(settings) -> Iterator[type[_Range]]:
    """A service that knows NEW from a breach."""
    digest = hashlib.sha1(NEW.encode()).hexdigest().upper()
    _Range.asked, _Range.answer = [], (200, f"{'0' * 35}:3\r\n{digest[5:]}:1742\r\n{'F' * 35}:0")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Range)
    thread = Thread(target=server.serve_forever)
    thread.start()
    settings.BREACHED_PASSWORDS_URL = f"http://127.0.0.1:{server.server_port}"
    yield _Range
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_breached_password_is_refused_and_only_five_digits_of_its_digest_are_told(breaches, registration, db):
    body = registration(password=NEW)
    problem = assert_problem(client_of().post(REGISTER, body), 400, "invalid", {"password"})
    assert [fault["code"] for fault in problem["errors"]] == ["password_breached"]
    assert breaches.asked == [f"/range/{hashlib.sha1(NEW.encode()).hexdigest().upper()[:5]}"]


def test_a_row_of_padding_is_no_breach(breaches, registration, db):
    breaches.answer = (200, breaches.answer[1].replace(":1742", ":0"))
    assert client_of().post(REGISTER, registration(password=NEW)).status_code == 201


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("LuxeWin-2026", True),
        ("rafflewinner!", True),
        ("Bijoux&Cie 26", True),
        ("luxewin, a horse and a battery", False),
        ("tick3t-0ffice-door", False),
    ],
)
def test_words_of_the_site_and_of_its_operator_do_not_make_a_password(password, refused, owner, settings):
    settings.PASSWORD_WORDS = ["Bijoux", "cie"]
    assert ("password_of_site" in [fault.code for fault in faults_of(password, owner)]) == refused


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("Summer2026!", True),
        ("1q2w3e4r5t6y", True),
        ("P@ssw0rd123!", True),
        ("Elisabeth1987", True),
        ("ab1" * 40, True),
        ("k7vq9zpw2m", False),
        ("three small red boats", False),
    ],
)
def test_what_lists_names_and_keyboards_lead_to_is_refused(password, refused, owner):
    assert ("password_guessable" in [fault.code for fault in faults_of(password, owner)]) == refused


@pytest.mark.parametrize("failure", ["500", "garbage", "closed"])
def test_while_the_service_fails_passwords_pass_and_a_line_says_so(
    failure, breaches, registration, settings, closed_port, caplog, db
):
    breaches.answer = {"500": (500, ""), "garbage": (200, "\x00<html>"), "closed": (200, "")}[failure]
    if failure == "closed":
        settings.BREACHED_PASSWORDS_URL = f"http://127.0.0.1:{closed_port}"
    with caplog.at_level(logging.WARNING, logger="accounts.passwords"):
        assert client_of().post(REGISTER, registration(password=NEW)).status_code == 201
    assert any("does not answer" in line for line in caplog.messages) is (failure != "garbage")
    assert NEW not in caplog.text


def test_nobody_is_asked_unless_the_setting_says_so(breaches, registration, settings, db):
    settings.BREACHED_PASSWORDS_URL = ""
    assert client_of().post(REGISTER, registration(password=NEW)).status_code == 201
    assert breaches.asked == []


COMPOSED, APART = "r\u00e9sum\u00e9 of a qui\u0301et horse", "re\u0301sume\u0301 of a qui\u0301et horse"


@pytest.mark.parametrize(("first", "then"), [(COMPOSED, APART), (APART, COMPOSED), (NEW, f"\uff51{NEW[1:]}")])
def test_a_password_is_the_same_from_every_keyboard(owner, first, then):
    owner.set_password(first)
    owner.save()
    assert _can_sign_in(owner, then)
    assert _can_sign_in(owner, first)
    assert not _can_sign_in(owner, first + ".")


def test_an_old_hash_works_once_as_it_was_typed_and_then_from_every_keyboard(owner):
    old = Argon2Hasher().encode(APART, "of-before-the-folding")
    User.objects.filter(pk=owner.pk).update(password=old)
    open_session(owner, user_agent="")
    assert not _can_sign_in(owner, COMPOSED)
    assert _can_sign_in(owner, APART)
    new = User.objects.get(pk=owner.pk).password
    assert new != old
    assert _can_sign_in(owner, COMPOSED)
    assert User.objects.get(pk=owner.pk).password == new
    # A hash that is renewed is no new password.
    assert Session.objects.alive().filter(user=owner).count() == 3


def test_a_wrong_password_and_an_old_hash_cost_one_hash(owner, monkeypatch):
    User.objects.filter(pk=owner.pk).update(password=Argon2Hasher().encode(NEW, "of-before-the-folding"))
    hashed = []
    verify = argon2.PasswordHasher.verify
    monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda *given: hashed.append(1) or verify(*given))
    assert not _can_sign_in(owner, APART)
    assert len(hashed) == 1


def test_another_way_to_type_the_old_password_is_no_new_one(owner):
    owner.set_password(COMPOSED)
    owner.save()
    answer = client_of(owner).post(CHANGE, {"current_password": COMPOSED, "new_password": APART})
    assert assert_problem(answer, 400, "invalid", {"new_password"})["errors"][0]["code"] == "same_password"


def test_what_is_short_or_common_once_folded_is_refused(owner):
    assert {fault.code for fault in faults_of("pa\uff53\uff53word12", owner)} & {
        "password_too_common",
        "password_of_site",
    }
    assert "password_too_short" in {fault.code for fault in faults_of("e\u0301" * 9, owner)}
