"""A link to an account elsewhere is made by whoever is let in, is shown to its owner, and ends."""

from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.utils import timezone

from accounts import services
from accounts.links import change_token, reset_links
from accounts.models import EmailChange, Identity, Notification, Session, User
from accounts.tests.phones import PASSWORD, Phone, enrolled, half_a_minute_passes
from accounts.tests.project import Project
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

IDENTITIES, SUPABASE, SECOND = "/api/v1/users/identities", "/api/v1/auth/supabase", "/api/v1/auth/login/second"


@pytest.fixture
def owner(alice) -> User:
    """Alice, who has a password."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture
def subject(project, owner) -> str:
    """Somebody with Alice's mailbox, linked."""
    subject = project.person(owner.email)
    assert _sign_in(project, subject).status_code == 200
    return subject


def _sign_in(project: Project, subject: str) -> Any:
    return client_of().post(SUPABASE, {"access_token": project.token(subject)})


def _moved(user: User, email: str) -> None:
    change = EmailChange.objects.create(user=user, email=email, old_confirmed_at=timezone.now())
    assert services.confirm_email_change(token=change_token(change.pk.hex, "new"))


def test_a_password_reset_ends_it_and_the_address_does_not_bring_it_back(project, owner, subject, run_tasks):
    services.reset_password(token=reset_links.token_for(owner), password="entirely new horse battery")
    with nothing_written():
        assert_problem(_sign_in(project, subject), 403, "password_wanted")
    assert not Session.objects.alive().exists()
    entry = AuditEntry.objects.get(action="user.unlinked")
    assert entry.after == {"provider": "supabase", "subject": subject, "because": "password reset"}
    run_tasks()
    assert "Supabase no longer signs you in" in {sent.subject for sent in mail.outbox if sent.to == [owner.email]}


def test_after_a_password_reset_nobody_links_who_waited_with_an_account_elsewhere(project, owner):
    subject = project.person(owner.email)
    services.reset_password(token=reset_links.token_for(owner), password="entirely new horse battery")
    with nothing_written():
        assert_problem(_sign_in(project, subject), 403, "password_wanted")


def test_a_new_address_ends_it_and_what_came_in_by_it(project, owner, subject):
    _moved(owner, "safe@example.com")
    assert not Session.objects.alive().exists()
    answer = _sign_in(project, subject).json()
    # The old address is anybody's now: its owner elsewhere has an account of their own.
    assert (answer["user"]["email"], answer["user"]["id"] != str(owner.pk)) == ("alice@example.com", True)
    assert AuditEntry.objects.get(action="user.unlinked").after["because"] == "new address"
    assert Notification.objects.mails().get(kind="identity_unlinked").user == owner


def test_who_owes_the_second_factor_has_linked_nothing_yet(project, owner):
    phone = enrolled(owner)
    subject = project.person(owner.email)
    owed = assert_problem(_sign_in(project, subject), 401, "second_factor_required")
    assert not Identity.objects.exists()
    assert not Notification.objects.mails().filter(kind="identity_linked").exists()
    body = {"challenge": owed["challenge"]}
    assert_problem(client_of().post(SECOND, body | {"code": phone.wrong_code()}), 401, "wrong_code")
    assert not Identity.objects.exists()
    assert client_of().post(SECOND, body | {"code": phone.code()}).status_code == 200
    assert str(Identity.objects.get(user=owner).subject) == subject
    assert Notification.objects.mails().get(kind="identity_linked").user == owner


@pytest.mark.parametrize("change", ["a new address", "a new password", "unlinked", "linked elsewhere"])
def test_a_challenge_links_nothing_after_what_its_owner_changed(change, project, owner, bob):
    phone = enrolled(owner)
    subject = project.person(owner.email)
    owed = assert_problem(_sign_in(project, subject), 401, "second_factor_required")
    if change == "a new address":
        _moved(User.objects.get(pk=owner.pk), "safe@example.com")
    elif change == "a new password":
        services.reset_password(token=reset_links.token_for(owner), password="entirely new horse battery")
    elif change == "unlinked":
        User.objects.filter(pk=owner.pk).update(links_by_address=False)
    else:
        Identity.objects.create(provider="supabase", subject=subject, user=bob, email=bob.email)
    answer = client_of().post(SECOND, {"challenge": owed["challenge"], "code": phone.code()})
    assert answer.status_code in {401, 403}, answer.content
    assert not Identity.objects.filter(user=owner).exists()
    assert not Session.objects.alive().exists()


def test_a_first_sign_in_beside_a_change_of_the_account_links_nothing(project, owner, monkeypatch):
    """The owner gets the account back while an intruder is being let in."""
    from accounts.services import signing_in

    look = signing_in.authenticator_of

    def then_the_owner_resets(user: User) -> Any:
        services.reset_password(token=reset_links.token_for(owner), password="entirely new horse battery")
        return look(user)

    monkeypatch.setattr(signing_in, "authenticator_of", then_the_owner_resets)
    assert_problem(_sign_in(project, project.person(owner.email)), 403, "password_wanted")
    assert (Identity.objects.count(), Session.objects.count()) == (0, 0)


def test_they_are_listed_to_their_owner_alone(owner, bob, subject, api):
    (shown,) = api(owner).get(IDENTITIES).json()["results"]
    assert set(shown) == {"id", "provider", "email", "created_at"}
    assert (shown["provider"], shown["email"]) == ("supabase", owner.email)
    assert api(bob).get(IDENTITIES).json()["results"] == []


def test_its_owner_unlinks_it_and_other_devices_are_signed_out(project, owner, subject, api, run_tasks):
    client, path = api(owner), f"{IDENTITIES}/{Identity.objects.get().pk}/unlink"
    with nothing_written():
        assert_problem(client.post(path, {}), 400, "invalid", {"password"})
    assert_problem(client.post(path, {"password": "wrong"}), 400, "invalid", {"password"})
    assert Identity.objects.exists()
    assert client.post(path, {"password": PASSWORD}).status_code == 204
    assert_problem(client.post(path, {"password": PASSWORD}), 404, "not_found")
    assert client.get(IDENTITIES).json()["results"] == []
    assert [session.user_agent for session in Session.objects.alive()] == ["test"]
    assert AuditEntry.objects.get(action="user.unlinked").after["because"] == "unlinked"
    with nothing_written():
        assert_problem(_sign_in(project, subject), 403, "password_wanted")
    run_tasks()
    assert "Supabase no longer signs you in" in {sent.subject for sent in mail.outbox}


def test_who_has_a_second_factor_unlinks_with_a_code(owner, subject, api):
    phone: Phone = enrolled(owner)
    client, path = api(owner), f"{IDENTITIES}/{Identity.objects.get().pk}/unlink"
    for body in ({"password": PASSWORD}, {"password": PASSWORD, "code": phone.wrong_code()}):
        assert_problem(client.post(path, body), 400, "invalid", {"code"})
    half_a_minute_passes(owner)
    assert client.post(path, {"password": PASSWORD, "code": phone.code()}).status_code == 204


def test_an_id_of_nobody_or_of_somebody_else_is_not_found(owner, bob, subject, api):
    bob.set_password(PASSWORD)
    bob.save()
    for number in (Identity.objects.get().pk, uuid4()):
        assert_problem(api(bob).post(f"{IDENTITIES}/{number}/unlink", {"password": PASSWORD}), 404, "not_found")
    assert Identity.objects.exists()
