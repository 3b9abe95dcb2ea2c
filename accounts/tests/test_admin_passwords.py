"""Passwords in the back office: the same guards, lengths, mails, ends of sessions, audit and waiting as the API's."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import throttle
from accounts.models import Identity, Notification, Session, User
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
OWN = "/admin/password_change/"
OLD, NEW = "correct horse battery staple", "wet-Otter-7-lamps"
WEAK = ["short", "luxewin-raffle", "1234567890123", "x" * 129 + "-Otter-7"]


@pytest.fixture
def officer(fiona, settings) -> User:
    """Fiona with OLD, signed in over the API too."""
    settings.STAFF_SECOND_FACTOR = False
    fiona.set_password(OLD)
    fiona.save()
    open_session(fiona, user_agent="")
    return fiona


@pytest.fixture
def root(person) -> User:
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    return root


@pytest.fixture
def desk(settings) -> Callable[[User], Client]:
    settings.STAFF_SECOND_FACTOR = False

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def change(client: Client, old: str, new: str, again: str | None = None) -> Any:
    return client.post(OWN, {"old_password": old, "new_password1": new, "new_password2": again or new})


def put(client: Client, user: User, password: str, **changes: Any) -> Any:
    sent = {"password1": password, "password2": password, "set-password": "1", "reason": "They lost their mailbox."}
    return client.post(f"/admin/accounts/user/{user.pk}/password/", sent | changes)


def test_one_s_own_is_changed_told_and_audited_and_every_other_session_ends(officer, desk):
    client, elsewhere = desk(officer), desk(officer)
    assert change(client, OLD, NEW).status_code == 302
    officer.refresh_from_db()
    assert officer.check_password(NEW)
    assert Notification.objects.mails().get(user=officer).kind == "password_changed"
    assert AuditEntry.objects.get(action="user.password_changed").actor == officer.pk
    assert not Session.objects.alive().exists()
    assert client.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


@pytest.mark.parametrize("new", [*WEAK, OLD])
def test_what_the_api_refuses_is_refused(new, officer, desk):
    answer = change(desk(officer), OLD, new)
    assert answer.context["form"].errors.get("new_password1")
    officer.refresh_from_db()
    assert officer.check_password(OLD)


def test_guessing_the_old_one_waits_and_is_audited_as_at_the_sign_in(officer, desk):
    client = desk(officer)
    for _ in range(throttle.FREE + 1):
        assert "old_password" in change(client, "wrong", NEW).context["form"].errors
    assert "Too many " in str(change(client, OLD, NEW).context["form"].errors)
    assert AuditEntry.objects.filter(action="user.password_refused", actor=officer.pk).count() == throttle.FREE + 1
    officer.refresh_from_db()
    assert officer.check_password(OLD)


def test_the_sign_in_hashes_no_endless_password(officer, settings):
    settings.STAFF_SECOND_FACTOR = False
    answer = Client().post("/admin/login/", {"username": officer.email, "password": "x" * 129})
    assert "password" in answer.context["form"].errors


def test_a_superuser_sets_one_which_ends_every_other_way_in(officer, root, desk):
    Identity.objects.create(user=officer, provider="supabase", subject=officer.pk, email=officer.email)
    browser = desk(officer)
    assert put(desk(root), officer, NEW).status_code == 302
    officer.refresh_from_db()
    assert officer.check_password(NEW)
    assert (Session.objects.alive().exists(), Identity.objects.exists(), officer.links_by_address) == (False,) * 3
    assert browser.get("/admin/").status_code == 302
    assert "password_set_by_staff" in Notification.objects.mails().filter(user=officer).values_list("kind", flat=True)
    entry = AuditEntry.objects.get(action="user.password_set")
    assert (entry.subject_id, entry.actor) == (str(officer.pk), root.pk)
    assert entry.after == {"usable": True, "reason": "They lost their mailbox."}


def test_a_superuser_takes_one_away_and_nobody_is_signed_in_any_more(officer, root, desk):
    assert put(desk(root), officer, "", **{"unset-password": "1"}).status_code == 302
    officer.refresh_from_db()
    assert not officer.has_usable_password()
    assert not Session.objects.alive().exists()
    assert AuditEntry.objects.get(action="user.password_set").after["usable"] is False


@pytest.mark.parametrize("password", WEAK)
def test_a_superuser_sets_no_weak_one(password, officer, root, desk):
    assert put(desk(root), officer, password).context["form"].errors.get("password1")
    officer.refresh_from_db()
    assert officer.check_password(OLD)


@pytest.mark.parametrize("changes", [{"reason": ""}, {"password2": "another-Otter-8"}, {"password1": ""}])
def test_nor_without_a_reason_or_typed_once(changes, officer, root, desk):
    assert put(desk(root), officer, NEW, **changes).context["form"].errors
    officer.refresh_from_db()
    assert officer.check_password(OLD)


def test_thirty_an_hour_are_enough(officer, root, desk):
    client = desk(root)
    for _ in range(30):
        put(client, officer, "short")
    assert "Too many " in str(put(client, officer, NEW).context["form"].errors)
