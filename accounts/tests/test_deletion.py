"""Deletion: the account closes at once, can be had back for two weeks, and then names nobody any more."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import services, tasks
from accounts.links import verification_links
from accounts.models import (
    Authenticator,
    Deletion,
    EmailChange,
    ExcludedAddress,
    Identity,
    LinkRequest,
    Notification,
    Preferences,
    RecoveryCode,
    Safeguards,
    Session,
    SpendLimit,
    Terms,
    TermsAcceptance,
    User,
)
from accounts.notifications import notify
from accounts.tests.browsing import Device
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from luxewin.tests.searching import tables_with

DELETE = "/api/v1/users/delete"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def owner(alice) -> User:
    """Alice, who has a password."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


def _delete(user: User):
    return client_of(user).post(DELETE, {"password": PASSWORD})


def _pass_time(run_tasks) -> None:
    Deletion.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    tasks.carry_out_deletions()
    run_tasks()


def _undo_link() -> str:
    sent = next(message for message in reversed(mail.outbox) if "/keep-account?token=" in message.body)
    return re.search(r"token=(\S+)", sent.body)[1]


def test_it_closes_the_account_at_once_and_signs_every_device_out(owner, run_tasks):
    client = client_of(owner)
    answer = client.post(DELETE, {"password": PASSWORD})
    assert answer.status_code == 202
    due = Deletion.objects.get().due_at
    assert timedelta(days=13) < due - timezone.now() <= timedelta(days=14)
    assert client.get("/api/v1/users/profile").status_code == 401
    assert Device("bearer").sign_in(owner.email, PASSWORD).status_code == 401
    # Nothing is gone yet.
    owner.refresh_from_db()
    assert (owner.email, owner.is_active) == ("alice@example.com", False)
    run_tasks()
    assert [message.to for message in mail.outbox] == [[owner.email]]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_who_does_not_know_the_password_deletes_nothing(password, owner):
    client = client_of(owner)
    with nothing_written():
        client.post(DELETE, {})
    assert_problem(client.post(DELETE, {"password": password}), 400, "invalid", {"password"})
    assert not Deletion.objects.exists()


def test_the_mailed_link_takes_it_back_once_and_only_by_its_button(owner, run_tasks):
    _delete(owner)
    run_tasks()
    token, browser = _undo_link(), Client()
    with nothing_written():
        assert b"<button" in browser.get(f"/keep-account?token={token}").content
    assert browser.post("/keep-account", {"token": token}).status_code == 302
    assert browser.post("/keep-account", {"token": token}).status_code == 400
    assert Device("bearer").sign_in(owner.email, PASSWORD).status_code == 200
    _pass_time(run_tasks)
    owner.refresh_from_db()
    assert owner.email == "alice@example.com"


def test_afterwards_nothing_names_the_person(owner, run_tasks):
    device = Device("bearer")
    device.http.defaults["REMOTE_ADDR"] = "203.0.113.77"
    device.sign_in(owner.email, PASSWORD)
    User.objects.filter(pk=owner.pk).update(date_of_birth=None)
    said = {"display_name": "Alicia Unmistakable", "date_of_birth": "1987-03-21", "region": "GB-WLS"}
    assert device.ask("patch", "users/profile", said).status_code == 200
    notify(owner, "email_changed", about="x", to="older-alice@example.com", email=owner.email)
    LinkRequest.objects.create(kind="reset_password", email=owner.email)
    EmailChange.objects.create(user=owner, email="newer-alice@example.com")
    Identity.objects.create(user=owner, provider="supabase", subject=owner.pk, email=owner.email)
    Authenticator.of(owner).save()
    RecoveryCode.renew(owner)
    SpendLimit.objects.create(user=owner, currency="gbp", amount=1)
    terms = Terms.objects.create(version="1", url="https://example.com", effective_from=timezone.now())
    TermsAcceptance.objects.create(user=owner, terms=terms, address="203.0.113.77")
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=owner, content_type=kind, object_id=str(owner.pk), object_repr=str(owner), action_flag=CHANGE
    )
    run_tasks()
    assert {"accounts_user", "accounts_session"} <= tables_with("alice@example.com") | tables_with("203.0.113.77")
    assert device.ask("post", "users/delete", {"password": PASSWORD}).status_code == 202
    run_tasks()
    _pass_time(run_tasks)
    for word in ("alice@example.com", "older-alice", "newer-alice", "Unmistakable", "1987-03-21", "GB-WLS"):
        assert tables_with(word) == set(), word
    # From where things were done is kept in the audit, for a reason (docs/privacy.md), and nowhere else.
    assert tables_with("203.0.113.77") == {"audit_auditentry"}
    user = User.objects.get(pk=owner.pk)
    assert (user.is_active, user.has_usable_password(), user.country) == (False, False, "GB")
    assert re.fullmatch(r"deleted-[0-9a-f]{32}@deleted\.invalid", user.email)
    assert not Session.objects.filter(user=user).exists()
    for model in (Preferences, Authenticator, RecoveryCode, SpendLimit, Identity):
        assert not model.objects.filter(user=user).exists(), model
    # What was agreed stays agreed.
    assert TermsAcceptance.objects.filter(user=user, terms=terms).exists()
    assert AuditEntry.objects.filter(action="user.deleted", subject_id=str(user.pk)).count() == 1


def test_that_somebody_was_told_stays_and_what_stood_there_goes(owner, run_tasks):
    notify(owner, "draw_won", about="x", prize="A watch", ticket=1, raffle="R", raffle_id="1")
    run_tasks()
    _delete(owner)
    _pass_time(run_tasks)
    told = Notification.objects.mails().get(kind="draw_won")
    assert (told.status, told.context, told.recipient, told.subject, told.text) == ("accepted", {}, "", "", "")


def test_nobody_who_is_gone_is_written_to(owner, run_tasks):
    _delete(owner)
    _pass_time(run_tasks)
    mail.outbox.clear()
    notify(User.objects.get(pk=owner.pk), "purchase_refunded", about="x", raffle="R", reason="r")
    run_tasks()
    assert not mail.outbox


def test_the_address_can_register_again(owner, registration, run_tasks):
    _delete(owner)
    _pass_time(run_tasks)
    assert client_of().post("/api/v1/auth/register", registration(email="alice@example.com")).status_code == 201
    assert User.objects.get(email="alice@example.com").pk != owner.pk


def test_who_works_here_is_let_go_first(owner, sam):
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    problem = assert_problem(_delete(owner), 409, "deletion_blocked")
    assert [each["code"] for each in problem["obstacles"]] == ["staff"]
    owner.refresh_from_db()
    assert owner.is_active


def test_what_comes_up_meanwhile_postpones_it(owner, run_tasks):
    _delete(owner)
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    _pass_time(run_tasks)
    deletion = Deletion.objects.get()
    assert (deletion.status, deletion.obstacles) == ("waiting", ["staff"])
    assert timedelta(hours=23) < deletion.due_at - timezone.now() < timedelta(hours=25)
    User.objects.filter(pk=owner.pk).update(is_staff=False)
    _pass_time(run_tasks)
    deletion.refresh_from_db()
    assert (deletion.status, deletion.obstacles) == ("done", [])


def test_a_task_that_runs_twice_or_too_early_does_nothing(owner, run_tasks):
    _delete(owner)
    deletion = Deletion.objects.get()
    tasks.carry_out_deletion(str(deletion.pk))
    assert User.objects.get(pk=owner.pk).email == "alice@example.com"
    _pass_time(run_tasks)
    address = User.objects.get(pk=owner.pk).email
    tasks.carry_out_deletion(str(deletion.pk))
    assert User.objects.get(pk=owner.pk).email == address


def test_a_deletion_that_fails_half_way_takes_nothing_away(owner, monkeypatch, run_tasks):
    from accounts.privacy import erasure

    _delete(owner)
    Deletion.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    with monkeypatch.context() as failing:
        failing.setattr(erasure, "ERASERS", erasure.ERASERS)
        erasure.ERASERS.append(lambda user: 1 / 0)
        try:
            with pytest.raises(ZeroDivisionError):
                tasks.carry_out_deletion(str(Deletion.objects.get().pk))
        finally:
            erasure.ERASERS.pop()
    assert Preferences.objects.filter(user=owner).exists()
    assert User.objects.get(pk=owner.pk).email == "alice@example.com"


def _ask(client: Client, action: str, user: User) -> None:
    """Staff do it in the back office, and say why."""
    sent = {"action": action, "_selected_action": [str(user.pk)], "confirmed": "1", "reason": "They wrote a letter."}
    client.post("/admin/accounts/user/", sent)


def test_support_may_start_both_on_a_written_request_and_it_is_audited(owner, sam, client):
    client.force_login(sam)
    for action in ("export", "forget"):
        _ask(client, action, owner)
    owner.refresh_from_db()
    assert not owner.is_active
    done = AuditEntry.objects.filter(actor=sam.pk, subject_id=str(owner.pk)).values_list("action", flat=True)
    assert set(done) >= {"user.export_requested", "user.deletion_requested"}


def test_auditors_look_and_start_nothing(owner, audrey, client):
    client.force_login(audrey)
    for action in ("export", "forget"):
        _ask(client, action, owner)
    assert not Deletion.objects.exists()


def _excluded(user: User, **facts) -> None:
    Safeguards.objects.create(user=user, **facts)


def _register_again(email: str) -> User:
    services.register_user(
        email=email, password=PASSWORD, display_name="New", date_of_birth=timezone.now().date(), country="GB"
    )
    return User.objects.get(email=email)


@pytest.mark.parametrize("forever", [True, False])
def test_an_exclusion_outlives_the_account(forever, owner, run_tasks):
    until = None if forever else timezone.now() + timedelta(days=200)
    _excluded(owner, excluded_until=until, excluded_forever=forever)
    _delete(owner)
    _pass_time(run_tasks)
    assert b"alice" not in bytes(ExcludedAddress.objects.get().digest)
    again = _register_again("alice@example.com")
    # Registering tells nothing and looks nothing up; showing that the address is theirs brings it back.
    assert not Safeguards.objects.filter(user=again).exists()
    services.verify_email(token=verification_links.token_for(again), password="correct horse battery staple")
    carried = Safeguards.objects.get(user=again)
    assert (carried.excluded_until, carried.excluded_forever) == (until, forever)


def test_an_exclusion_that_comes_back_ends_marketing_too(owner, run_tasks):
    _excluded(owner, excluded_forever=True)
    _delete(owner)
    _pass_time(run_tasks)
    again = _register_again("alice@example.com")
    services.update_preferences(again, marketing_consent=True)
    services.verify_email(token=verification_links.token_for(again), password="correct horse battery staple")
    assert not Preferences.objects.get(user=again).marketing_consent
    assert AuditEntry.objects.get(action="consent.withdrawn").after["by"] == "self-exclusion"


def test_an_exclusion_that_is_over_binds_nobody(owner, run_tasks):
    _excluded(owner, excluded_until=timezone.now() + timedelta(days=200))
    _delete(owner)
    _pass_time(run_tasks)
    ExcludedAddress.objects.update(until=timezone.now() - timedelta(seconds=1))
    again = _register_again("alice@example.com")
    services.verify_email(token=verification_links.token_for(again), password="correct horse battery staple")
    assert not Safeguards.objects.filter(user=again).exists()


def test_an_address_that_was_changed_away_stays_excluded(owner, run_tasks):
    _excluded(owner, excluded_until=timezone.now() + timedelta(days=200))
    change = EmailChange.objects.create(user=owner, email="fresh@example.com", old_confirmed_at=timezone.now())
    from accounts.links import change_token

    services.confirm_email_change(token=change_token(change.pk.hex, "new"))
    again = _register_again("alice@example.com")
    services.verify_email(token=verification_links.token_for(again), password="correct horse battery staple")
    assert Safeguards.objects.get(user=again).excluded_until > timezone.now() + timedelta(days=199)


def test_after_a_change_of_the_secret_key_an_exclusion_still_binds(owner, run_tasks, settings):
    _excluded(owner, excluded_forever=True)
    _delete(owner)
    _pass_time(run_tasks)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 50
    again = _register_again("alice@example.com")
    services.verify_email(token=verification_links.token_for(again), password="correct horse battery staple")
    assert Safeguards.objects.get(user=again).excluded_forever


def test_who_was_not_excluded_leaves_no_digest(owner, run_tasks):
    _delete(owner)
    _pass_time(run_tasks)
    assert not ExcludedAddress.objects.exists()


@pytest.fixture
def root(person, client) -> User:
    """A superuser in the back office."""
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    client.force_login(root)
    return root


def test_whom_staff_close_out_after_their_wish_does_not_let_themselves_in_again(owner, root, client, run_tasks):
    _delete(owner)
    run_tasks()
    token = _undo_link()
    _ask(client, "close", owner)
    assert Client().post("/keep-account", {"token": token}).status_code == 400
    owner.refresh_from_db()
    assert not owner.is_active
    assert AuditEntry.objects.get(action="user.kept_closed").actor == root.pk
    # The wish to be forgotten is carried out all the same.
    _pass_time(run_tasks)
    owner.refresh_from_db()
    assert owner.is_deleted


def test_whom_staff_closed_out_before_cannot_be_deleted_and_kept(owner, root, client):
    _ask(client, "close", owner)
    owner.refresh_from_db()
    assert not owner.is_active
    _ask(client, "forget", owner)
    assert not Deletion.objects.exists()


def test_an_account_that_staff_open_again_is_not_deleted(owner, root, client, run_tasks):
    _delete(owner)
    run_tasks()
    _ask(client, "reopen", owner)
    _pass_time(run_tasks)
    owner.refresh_from_db()
    assert (owner.is_active, owner.is_deleted) == (True, False)
    assert Deletion.objects.get().status == "cancelled"
    # And if it is closed again, the old link does not open it.
    token = _undo_link()
    _ask(client, "close", owner)
    assert Client().post("/keep-account", {"token": token}).status_code == 400


def test_closing_by_the_shell_counts_too(owner, run_tasks):
    _delete(owner)
    run_tasks()
    closed = User.objects.get(pk=owner.pk)
    closed.is_active = False
    closed.save()
    assert Client().post("/keep-account", {"token": _undo_link()}).status_code == 400


def test_a_refused_wish_leaves_a_record_of_who_asked_and_what_stood_in_the_way(sam, fiona, person, client):
    sam.set_password(PASSWORD)
    sam.save()
    assert_problem(client_of(sam).post("/api/v1/users/delete", {"password": PASSWORD}), 409, "deletion_blocked")
    entry = AuditEntry.objects.get(action="user.deletion_refused")
    assert (entry.subject_id, entry.actor, entry.after) == (str(sam.pk), sam.pk, {"obstacles": ["staff"]})
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    client.force_login(root)
    _ask(client, "forget", fiona)
    entry = AuditEntry.objects.get(action="user.deletion_refused", subject_id=str(fiona.pk))
    assert (entry.actor, entry.after) == (root.pk, {"obstacles": ["staff"], "reason": "They wrote a letter."})
    assert not Deletion.objects.exists()
