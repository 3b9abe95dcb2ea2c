"""Signing in through Supabase: whose account it is, who lies in wait for it, and who is sent away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from accounts.errors import SecondFactorRequired
from accounts.links import verification_links
from accounts.models import EmailChange, Identity, Notification, Preferences, Session, User
from accounts.roles import SUPPORT
from accounts.services import identities, unclaimed
from accounts.supabase import Person
from accounts.tests.browsing import MODES, Device
from accounts.tests.phones import enrolled
from accounts.tests.project import JWKS, SETTINGS, USER, Project
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

SUPABASE, LOGIN, PROFILE = "/api/v1/auth/supabase", "/api/v1/auth/login", "/api/v1/users/profile"
PASSWORD = "correct horse battery staple"


def _sign_in(project: Project, subject: str) -> Any:
    return client_of().post(SUPABASE, {"access_token": project.token(subject)}, headers={"User-Agent": "Firefox"})


def test_the_first_sign_in_makes_an_account_and_later_ones_open_it(project, db):
    subject = project.person("Eve@Example.com", user_metadata={"full_name": "  Eve Adams "})
    answer = _sign_in(project, subject).json()
    user = User.objects.get()
    assert answer["user"]["id"] == str(user.pk)
    assert (user.email, user.display_name, user.date_of_birth, user.country) == (
        "eve@example.com",
        "Eve Adams",
        None,
        "",
    )
    assert (user.has_verified_email, user.has_usable_password()) == (True, False)
    assert Preferences.objects.filter(user=user).exists()
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer['access']}")
    assert client.get(PROFILE).json()["email_verified"] is True
    assert _sign_in(project, subject).json()["user"]["id"] == str(user.pk)
    assert [session.device for session in Session.objects.all()] == ["Firefox", "Firefox"]
    # Only the first time anything but keys is asked for.
    assert project.asked == {JWKS: 1, USER: 1, SETTINGS: 1}


def test_each_sign_in_is_audited_with_its_way(project, db):
    subject = project.person()
    _sign_in(project, subject)
    entries = {entry.action: entry for entry in AuditEntry.objects.filter(action__startswith="user.")}
    assert set(entries) == {"user.registered", "user.linked", "user.signed_in"}
    assert entries["user.linked"].after == {"provider": "supabase", "subject": subject}
    assert entries["user.signed_in"].after["by"] == "supabase"
    assert entries["user.signed_in"].address == "127.0.0.1"


@pytest.mark.parametrize("mode", MODES)
def test_both_modes_work_as_after_a_sign_in_with_a_password(mode, project, db):
    device = Device(mode)
    device.fetch_csrf()
    body = {"access_token": project.token(project.person()), "mode": mode}
    assert device.take(device.ask("post", "auth/supabase", body)).status_code == 200
    assert device.ask("get", "users/profile").status_code == 200
    assert device.refresh().status_code == 200
    assert device.sign_out().status_code == 204
    assert device.ask("get", "users/profile").status_code == 401


def test_in_cookie_mode_a_page_of_another_site_signs_nobody_in(project, db):
    body = {"access_token": project.token(project.person()), "mode": "cookie"}
    with nothing_written():
        assert_problem(Device("cookie").ask("post", "auth/supabase", body), 403, "csrf_failed")


def test_who_has_a_verified_account_here_signs_in_to_it_and_is_told(alice, project):
    alice.set_password(PASSWORD)
    alice.save()
    device = open_session(alice, user_agent="")
    answer = _sign_in(project, project.person("ALICE@example.com")).json()
    assert answer["user"]["id"] == str(alice.pk)
    assert Notification.objects.mails().get().kind == "identity_linked"
    # It stays as it was.
    alice.refresh_from_db()
    assert (alice.display_name, alice.country) == ("Alice", "GB")
    assert client_of().post(LOGIN, {"email": alice.email, "password": PASSWORD}).status_code == 200
    assert client_of().post("/api/v1/auth/refresh", {"refresh": device.refresh}).status_code == 200


def test_the_mail_about_it_can_be_written(alice, project, run_tasks, mailoutbox):
    _sign_in(project, project.person(alice.email))
    run_tasks()
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == ([alice.email], "You can now sign in through Supabase")


UNVERIFIED: dict[str, dict[str, Any]] = {
    "never clicked": {"email_confirmed_at": None},
    "a phone alone": {"email": "", "phone": "4912345", "phone_confirmed_at": "2026-01-01T00:00:00Z"},
    "no address": {"email": None},
    "an address of another kind": {"email": ["alice@example.com"]},
    "no e-mail address": {"email": "alice"},
    "two": {"email": "alice@example.com, eve@example.com"},
    "a letter that becomes ASCII in lower case": {"email": "\u212aate@example.com"},
    "a full-width letter": {"email": "\uff41lice@example.com"},
    "anonymous": {"is_anonymous": True},
    "a company says so": {"app_metadata": {"provider": "sso:8b5e1d0e-1d0e-4d6e-9d0e-8b5e1d0e8b5e"}},
}


@pytest.mark.parametrize("kind", UNVERIFIED)
def test_an_address_that_supabase_has_not_verified_opens_nothing(kind, alice, charlie, project):
    for email in (alice.email, charlie.email, "new@example.com"):
        subject = project.person(email)
        project.people[subject] |= UNVERIFIED[kind]
        with nothing_written():
            assert_problem(_sign_in(project, subject), 403, "email_not_verified")


@pytest.mark.parametrize("autoconfirm", [True, None, "false", 0])
def test_a_project_that_confirms_addresses_without_a_mail_verifies_none(autoconfirm, alice, project, caplog):
    project.autoconfirm = autoconfirm
    with nothing_written():
        assert_problem(_sign_in(project, project.person(alice.email)), 403, "email_not_verified")
    assert "Confirm email" in caplog.text


def test_what_the_person_writes_of_themselves_verifies_nothing(alice, project):
    said = {"email": alice.email, "email_verified": True, "email_confirmed_at": "2026-01-01T00:00:00Z"}
    subject = project.person("eve@example.com", email_confirmed_at=None, user_metadata=said)
    token = project.token(subject, email=alice.email, user_metadata=said, email_verified=True)
    with nothing_written():
        assert_problem(client_of().post(SUPABASE, {"access_token": token}), 403, "email_not_verified")
    # With an address of their own they get in, and into their own account.
    project.people[subject]["email_confirmed_at"] = "2026-01-01T00:00:00Z"
    answer = client_of().post(SUPABASE, {"access_token": token}).json()
    assert (answer["user"]["email"], answer["user"]["id"]) != (alice.email, str(alice.pk))


def test_nobody_lies_in_wait_in_an_account_of_anothers_address(project, registration, db):
    """Mallory registers Eve's address first, with a password, a session and a change of address of before."""
    mallory = registration(display_name="Mallory")
    assert client_of().post("/api/v1/auth/register", mallory).status_code == 201
    signed_in = client_of().post(LOGIN, {"email": mallory["email"], "password": mallory["password"]}).json()
    user = User.objects.get()
    EmailChange.objects.create(user=user, email="mallory@example.com")
    Preferences.objects.filter(user=user).update(winner_name="full")
    link = verification_links.token_for(user)

    answer = _sign_in(project, project.person(mallory["email"])).json()

    old, user = user, User.objects.get(email=mallory["email"])
    assert (answer["user"]["id"], user.has_verified_email) == (str(user.pk), True)
    assert user.pk != old.pk
    assert (user.display_name, user.date_of_birth, user.country) == ("Eve", None, "")
    assert Preferences.objects.get(user=user).winner_name == "initials"
    assert not EmailChange.objects.filter(user=user).exists()
    assert_problem(client_of().post(LOGIN, {k: mallory[k] for k in ("email", "password")}), 401, "wrong_credentials")
    assert_problem(client_of().post("/api/v1/auth/refresh", {"refresh": signed_in["refresh"]}), 401)
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {signed_in['access']}")
    assert_problem(client.get(PROFILE), 401, "session_ended")
    assert_problem(
        client_of().post("/api/v1/auth/verify", {"token": link, "new_password": "entirely new horse battery"}),
        400,
        "link_not_valid",
    )
    assert AuditEntry.objects.get(action="user.registered_again").subject_id == str(old.pk)


def test_who_registers_the_address_later_gets_nowhere(project, registration, db):
    body = registration()
    _sign_in(project, project.person(body["email"]))
    assert client_of().post("/api/v1/auth/register", body).status_code == 201
    user = User.objects.get()
    assert (user.display_name, user.has_usable_password()) == ("Eve", False)
    assert Session.objects.alive().count() == 1


def test_an_account_is_known_by_its_id_and_not_by_its_address(project, alice):
    subject = project.person()
    first = _sign_in(project, subject).json()["user"]
    project.people[subject]["email"] = alice.email
    again = _sign_in(project, subject).json()["user"]
    assert (again["id"], again["email"]) == (first["id"], first["email"])


@pytest.mark.parametrize("linked", [True, False])
def test_the_inactive_are_refused(linked, project, person):
    ivy = person("ivy", is_active=False)
    subject = project.person(ivy.email)
    if linked:
        Identity.objects.create(provider="supabase", subject=subject, user=ivy, email=ivy.email)
    with nothing_written():
        assert_problem(_sign_in(project, subject), 401, "user_inactive")


RIGHTS: dict[str, Callable[[User], Any]] = {
    "staff": lambda user: setattr(user, "is_staff", True),
    "superuser": lambda user: setattr(user, "is_superuser", True),
    "a role": lambda user: user.groups.add(Group.objects.get(name=SUPPORT)),
}


@pytest.mark.parametrize("verified", [True, False], ids=["verified", "unverified"])
@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
@pytest.mark.parametrize("right", RIGHTS)
def test_those_who_work_here_sign_in_with_their_password(right, linked, verified, project, person):
    user = person("sam", verified=verified)
    RIGHTS[right](user)
    user.save()
    subject = project.person(user.email)
    if linked:
        Identity.objects.create(provider="supabase", subject=subject, user=user, email=user.email)
    with nothing_written():
        assert_problem(_sign_in(project, subject), 403, "password_wanted")


def test_a_second_factor_is_asked_for_whatever_supabase_saw(project, alice):
    phone = enrolled(alice)
    subject = project.person(alice.email)
    token = project.token(subject, aal="aal2", amr=[{"method": "totp", "timestamp": 1}])
    owed = assert_problem(client_of().post(SUPABASE, {"access_token": token}), 401, SecondFactorRequired.code)
    assert not Session.objects.alive().exists()
    body = {"challenge": owed["challenge"], "code": phone.code()}
    assert client_of().post("/api/v1/auth/login/second", body).status_code == 200


@pytest.mark.parametrize("illness", ["failing", "garbage", "odd", "elsewhere"])
def test_while_supabase_is_unwell_nobody_new_gets_in_and_nothing_is_written(illness, project, alice):
    subject = project.person(alice.email)
    token = project.token(project.person())
    client_of().post(SUPABASE, {"access_token": token})  # its keys are known by now
    project.illness = illness
    with nothing_written():
        assert_problem(_sign_in(project, subject), 503, "supabase_unavailable")


def test_an_answer_about_somebody_else_is_none(project, alice):
    subject = project.person("eve@example.com")
    project.people[subject]["id"] = str(uuid4())
    with nothing_written():
        assert_problem(_sign_in(project, subject), 503, "supabase_unavailable")


def test_whoever_was_signed_out_banned_or_deleted_there_gets_no_account_here(project, db):
    subject = project.person()
    project.people.clear()
    with nothing_written():
        assert_problem(_sign_in(project, subject), 401, "token_not_valid")


NAMES: dict[str, tuple[Any, str]] = {
    "none": ({}, "New member"),
    "no object": ("Eve", "New member"),
    "no text": ({"full_name": {"a": 1}, "name": ["Eve"]}, "New member"),
    "blank": ({"full_name": "  ", "name": "Eve"}, "Eve"),
    "too long": ({"full_name": "a" * 81}, "New member"),
    "NUL": ({"full_name": "E\u0000ve"}, "New member"),
    "an address": ({"full_name": "https://evil.example", "name": "Eve"}, "Eve"),
    "half a surrogate pair": ({"full_name": "E\ud800ve"}, "New member"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_cannot_be_kept_is_no_500(kind, project, db):
    said, kept = NAMES[kind]
    assert _sign_in(project, project.person(user_metadata=said)).json()["user"]["display_name"] == kept


def test_too_many_from_one_address_have_to_wait(one_window, project, db):
    answers = [client_of().post(SUPABASE, {"access_token": "x"}).status_code for _ in range(31)]
    assert answers == [401] * 30 + [429]


def test_the_database_links_an_identity_once(alice, bob):
    subject = uuid4()
    Identity.objects.create(provider="supabase", subject=subject, user=alice, email=alice.email)
    with pytest.raises(IntegrityError), transaction.atomic():
        Identity.objects.create(provider="supabase", subject=subject, user=bob, email=bob.email)


MANY = 4


def _at_once(call: Callable[[], Any]) -> list[Any]:
    """What each of MANY threads got or met."""
    start = Barrier(MANY)

    def run(_: int) -> Any:
        try:
            connection.ensure_connection()
            start.wait(60)
            return call()
        except IntegrityError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


@pytest.fixture
def all_look_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody makes an account before everybody has found none, and nobody waits for their turn."""
    monkeypatch.setattr(unclaimed, "take_turns", lambda key: None)
    looked, make = Barrier(MANY), identities._made

    def wait(person: Person) -> User:
        looked.wait(60)
        return make(person)

    monkeypatch.setattr(identities, "_made", wait)


@pytest.mark.django_db(transaction=True)
def test_first_sign_ins_at_once_take_turns(project):
    subject = project.person()
    assert {answer.status_code for answer in _at_once(lambda: _sign_in(project, subject))} == {200}
    assert (User.objects.count(), Identity.objects.count(), Session.objects.count()) == (1, 1, MANY)


@pytest.mark.django_db(transaction=True)
def test_of_first_sign_ins_at_once_all_get_into_one_account(project, all_look_first):
    subject = project.person()
    answers = _at_once(lambda: _sign_in(project, subject))
    assert [answer.status_code for answer in answers] == [200] * MANY
    assert {answer.json()["user"]["id"] for answer in answers} == {str(User.objects.get().pk)}
    assert (Identity.objects.count(), Session.objects.count()) == (1, MANY)
    assert project.asked[JWKS] == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_second_look_all_but_one_would_fail(project, all_look_first):
    person = Person(uuid4(), "eve@example.com", "Eve")
    met = _at_once(lambda: identities._found_or_made(person))
    assert sum(isinstance(each, IntegrityError) for each in met) == MANY - 1
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_links_to_one_account_at_once_all_get_in(project, alice):
    subject = project.person(alice.email)
    assert [answer.status_code for answer in _at_once(lambda: _sign_in(project, subject))] == [200] * MANY
    assert (User.objects.count(), Identity.objects.count()) == (1, 1)
