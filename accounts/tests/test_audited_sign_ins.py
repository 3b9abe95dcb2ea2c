"""Every sign-in, right or wrong, and every end of one is in the audit: who, from where, and nothing that was typed."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts import services
from accounts.links import change_token
from accounts.models import EmailChange, SignInDelay, User
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "wet-Otter-7-lamps"
LOGIN = "/api/v1/auth/login"


@pytest.fixture
def owner(alice) -> User:
    alice.set_password(PASSWORD)
    alice.save()
    return alice


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def attempt(api: Any, email: str, password: str) -> int:
    return api().post(LOGIN, {"email": email, "password": password}, REMOTE_ADDR="192.0.2.7").status_code


def test_a_sign_in_is_recorded_with_its_place(api, owner):
    assert attempt(api, owner.email, PASSWORD) == 200
    (entry,) = entries("user.signed_in")
    assert (entry.actor, entry.subject_id, entry.address) == (owner.pk, str(owner.pk), "192.0.2.7")
    assert len(entry.request_id) >= 8


def test_failed_sign_ins_are_recorded_alike_for_known_and_unknown_addresses(api, owner):
    for email in (owner.email, "Nobody@example.com", "nobody@example.com"):
        assert attempt(api, email, "wrong-Otter-7") == 401
    known, unknown, again = entries("user.sign_in_failed")
    assert unknown.subject_id == again.subject_id != known.subject_id
    assert {bytes(each.key).hex() for each in SignInDelay.objects.all()} == {known.subject_id, unknown.subject_id}
    for entry in (known, unknown):
        assert (entry.actor, entry.address, entry.after) == (None, "192.0.2.7", {"to": "api"})


def test_neither_what_was_typed_nor_an_address_is_in_the_audit(api, owner):
    attempt(api, owner.email, "wrong-Otter-7")
    attempt(api, "nobody@example.com", PASSWORD)
    kept = json.dumps(list(AuditEntry.objects.values()), default=str)
    for word in ("Otter", "nobody", owner.email):
        assert word not in kept


def test_tries_that_no_password_was_looked_at_for_leave_no_rows(api, owner):
    """So nobody fills the audit faster than the limits let them guess."""
    answers = [attempt(api, owner.email, "wrong-Otter-7") for _ in range(14)]
    assert answers.count(401) == len(entries("user.sign_in_failed")) < 14


def test_the_back_office_records_sign_ins_failures_and_sign_outs(owner, settings):
    settings.STAFF_SECOND_FACTOR = False
    owner.is_staff = True
    owner.save()
    client = Client(REMOTE_ADDR="192.0.2.7")
    for password, status in (("wrong-Otter-7", 200), (PASSWORD, 302)):
        form = {"username": owner.email, "password": password}
        assert client.post("/admin/login/", form).status_code == status
    assert client.post("/admin/logout/").status_code == 200
    (failed,), (entered,), (left,) = map(entries, ("user.sign_in_failed", "user.signed_in", "user.signed_out"))
    assert failed.after == {"to": "back office"}
    assert entered.after["to"] == "back office"
    assert (left.actor, left.address, left.after) == (owner.pk, "192.0.2.7", {"from": "back office"})


def test_a_session_that_its_owner_ends_is_recorded_by_their_name(api, owner):
    pair = open_session(owner, user_agent="test")
    assert api().post("/api/v1/auth/logout", {"refresh": pair.refresh}).status_code == 204
    (entry,) = entries("session.ended")
    assert (entry.actor, entry.after) == (owner.pk, {"user": str(owner.pk)})


def test_sessions_that_staff_end_are_recorded_by_theirs(person, alice, api, settings):
    settings.STAFF_SECOND_FACTOR = False
    root = person("root", is_superuser=True, role="support")
    api(alice), api(alice)
    desk = Client()
    desk.force_login(root)
    chosen = {"action": "end", "_selected_action": [str(each.pk) for each in alice.sessions.all()]}
    assert desk.post("/admin/accounts/session/", chosen).status_code == 200
    assert not entries("session.ended")
    confirmed = chosen | {"confirmed": "1", "reason": "Their phone was stolen."}
    assert desk.post("/admin/accounts/session/", confirmed).status_code == 302
    assert [entry.actor for entry in entries("session.ended")] == [root.pk] * 2
    assert alice.sessions.filter(ended_at=None).count() == 0


def test_a_wrong_password_of_somebody_signed_in_is_recorded(api, owner):
    body = {"current_password": "wrong-Otter-7", "new_password": "dry-Otter-7-lamps"}
    assert api(owner).post("/api/v1/users/password", body).status_code == 400
    (entry,) = entries("user.password_refused")
    assert (entry.actor, entry.subject_id) == (owner.pk, str(owner.pk))


def test_mailed_links_are_recorded_when_they_are_sent_and_used(api, charlie, run_tasks):
    assert api().post("/api/v1/auth/verify/resend", {"email": charlie.email}).status_code == 202
    run_tasks()
    (sent,) = entries("user.link_sent")
    assert (sent.subject_id, sent.after) == (str(charlie.pk), {"kind": "verify_email"})
    api().post("/api/v1/auth/verify/resend", {"email": "nobody@example.com"})
    run_tasks()
    assert len(entries("user.link_sent")) == 1


def test_each_yes_to_a_new_address_is_recorded_and_neither_address_is(owner):
    services.request_email_change(owner, email="new@example.com", password=PASSWORD)
    (asked,) = entries("user.email_change_requested")
    assert asked.actor == owner.pk
    change = EmailChange.objects.get()
    for side in ("old", "new"):
        services.confirm_email_change(token=change_token(change.pk.hex, side))
    assert [entry.after for entry in entries("user.email_change_confirmed")] == [{"side": "old"}, {"side": "new"}]
    kept = json.dumps(list(AuditEntry.objects.values("before", "after")))
    assert "example.com" not in kept
