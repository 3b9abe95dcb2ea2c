"""A new address counts once its owner and the owner of the old one have both opened their links."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from uuid import uuid4

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.links import CHANGE, change_token, reset_links
from accounts.models import EmailChange, User
from accounts.services import addresses
from accounts.tasks import apply_rule
from accounts.tests.catching import mails_to, token_in
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of

EMAIL, CONFIRM = "/api/v1/users/email", "/api/v1/auth/email/confirm"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def owner(person) -> User:
    """Somebody with PASSWORD, at an address of their own: the mail catcher forgets nothing."""
    user = person(f"owner-{uuid4().hex}")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def new() -> str:
    """Where the owner wants to go."""
    return f"new-{uuid4().hex}@example.com"


@pytest.fixture
def change(owner, new, api) -> EmailChange:
    """Asked for."""
    assert api(owner).post(EMAIL, {"email": new.upper(), "password": PASSWORD}).status_code == 202
    return EmailChange.objects.get()


def _confirm(change: EmailChange, side: str):
    return client_of().post(CONFIRM, {"token": change_token(change.pk.hex, side)})


def test_both_mailed_links_together_change_it_and_the_old_address_hears_of_it(real_mail, owner, change, new, run_tasks):
    old = owner.email
    run_tasks()
    (to_old,), (to_new,) = mails_to(old), mails_to(new)
    assert owner.display_name not in to_new["text"]
    half = client_of().post(CONFIRM, {"token": token_in(to_new)})
    assert (half.status_code, half.json()["changed"]) == (200, False)
    assert User.objects.get(pk=owner.pk).email == old
    assert client_of().post(CONFIRM, {"token": token_in(to_old)}).json()["changed"] is True
    owner.refresh_from_db()
    assert (owner.email, owner.has_verified_email) == (new, True)
    run_tasks()
    assert mails_to(old)[-1]["subject"] == "Your e-mail address was changed"
    assert len(mails_to(new)) == 1
    entry = AuditEntry.objects.get(action="user.email_changed")
    # The audit, which forgets nothing, knows that it changed and no address.
    assert (entry.before, entry.after) == ({}, {"changed": ["email"]})


@pytest.mark.parametrize("side", ["old", "new"])
def test_one_side_alone_changes_nothing_however_often_it_says_yes(side, owner, change):
    assert _confirm(change, side).json()["changed"] is False
    for _ in range(2):
        assert_problem(_confirm(change, side), 400, "link_not_valid")
    assert User.objects.get(pk=owner.pk).email == owner.email


def test_a_password_reset_ends_a_change_under_way(owner, change):
    services.reset_password(token=reset_links.token_for(owner), password="entirely new horse battery")
    for side in ("new", "old"):
        assert_problem(_confirm(change, side), 400, "link_not_valid")


MANY = 4


def _at_once(user: User) -> list[int]:
    """The statuses of MANY changes that one person asks for at one moment."""
    start, clients = Barrier(MANY), [client_of(user) for _ in range(MANY)]

    def ask(number: int) -> int:
        clients[number].raise_request_exception = False
        try:
            connection.ensure_connection()
            start.wait(60)
            body = {"email": f"n{number}@example.com", "password": PASSWORD}
            return clients[number].post(EMAIL, body).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(ask, range(MANY)))


@pytest.fixture
def all_look_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has taken away what was waits a moment for the others to do so, before the audit's row and the new change."""
    looked, record = Barrier(MANY), addresses.record

    def wait(*args: object, **kwargs: object) -> None:
        with suppress(BrokenBarrierError):
            looked.wait(1)
        record(*args, **kwargs)

    monkeypatch.setattr(addresses, "record", wait)


@pytest.mark.django_db(transaction=True)
def test_of_changes_asked_for_at_once_one_stands(owner, all_look_first):
    assert _at_once(owner) == [202] * MANY
    assert EmailChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_of_the_person_they_would_fail(owner, all_look_first, without_row_locks):
    assert sorted(_at_once(owner)) == [202] + [500] * (MANY - 1)


def test_a_used_up_change_is_dead_on_both_sides(owner, change):
    for side in ("new", "old"):
        _confirm(change, side)
    for side in ("new", "old"):
        assert_problem(_confirm(change, side), 400, "link_not_valid")


def test_the_page_of_the_links_changes_it_too_and_only_by_a_click(owner, change, new):
    for side, says in (("old", "Half way"), ("new", "Thank you")):
        token = change_token(change.pk.hex, side)
        assert token in Client().get("/confirm-email", {"token": token}).content.decode()
        assert says in Client().post("/confirm-email", {"token": token}, follow=True).content.decode()
    assert User.objects.get(pk=owner.pk).email == new


def test_without_the_password_nobody_asks_for_a_change(owner, new, api):
    problem = api(owner).post(EMAIL, {"email": new, "password": "wrong"})
    assert_problem(problem, 400, "invalid", {"password"})
    assert EmailChange.objects.count() == 0


def test_the_same_address_is_no_change(owner, api):
    problem = api(owner).post(EMAIL, {"email": owner.email.upper(), "password": PASSWORD})
    assert_problem(problem, 400, "invalid", {"email"})


def test_a_newer_request_ends_the_older_one(owner, change, api):
    _confirm(change, "old")
    api(owner).post(EMAIL, {"email": "third@example.com", "password": PASSWORD})
    assert_problem(_confirm(change, "new"), 400, "link_not_valid")
    newer = EmailChange.objects.get()
    assert (newer.email, newer.old_confirmed_at) == ("third@example.com", None)


def test_an_address_that_was_taken_meanwhile_is_refused(owner, change, new, person):
    _confirm(change, "old")
    taken = person("taken")
    User.objects.filter(pk=taken.pk).update(email=new, mailbox=new)
    assert_problem(_confirm(change, "new"), 400, "link_not_valid")
    assert User.objects.get(pk=owner.pk).email == owner.email


def test_the_link_to_a_taken_address_is_never_mailed(owner, api, bob, run_tasks, real_mail):
    taken = f"taken-{uuid4().hex}@example.com"
    User.objects.filter(pk=bob.pk).update(email=taken, mailbox=taken)
    bob.refresh_from_db()
    api(owner).post(EMAIL, {"email": bob.email, "password": PASSWORD})
    run_tasks()
    assert [mail["subject"] for mail in mails_to(bob.email)] == ["You already have an account"]


def test_links_expire_after_a_day_and_the_request_is_forgotten(owner, change, monkeypatch):
    then = signing.time.time() - timedelta(hours=24, minutes=1).total_seconds()
    with monkeypatch.context() as patch:
        patch.setattr(signing.time, "time", lambda: then)
        token = change_token(change.pk.hex, "new")
    assert_problem(client_of().post(CONFIRM, {"token": token}), 400, "link_not_valid")
    EmailChange.objects.update(created_at=timezone.now() - timedelta(hours=25))
    apply_rule("address_changes")
    assert EmailChange.objects.count() == 0


def test_a_deactivated_account_is_not_changed(owner, change):
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert_problem(_confirm(change, "old"), 400, "link_not_valid")


@pytest.mark.parametrize(
    "forge",
    [
        lambda change: "x",
        lambda change: f"{change.pk.hex}:old",
        lambda change: signing.dumps([change.pk.hex, "old"], salt="another purpose"),
        lambda change: signing.dumps([change.pk.hex, "old"], key="another key", salt=CHANGE),
        lambda change: "A" + change_token(change.pk.hex, "old"),
        lambda change: change_token(uuid4().hex, "old"),
    ],
    ids=["garbage", "unsigned", "another purpose", "another key", "altered", "another change"],
)
def test_a_link_that_was_never_mailed_is_refused(forge, change):
    assert_problem(client_of().post(CONFIRM, {"token": forge(change)}), 400, "link_not_valid")


def test_a_reset_link_for_the_old_address_is_dead_after_the_change(owner, change):
    token = reset_links.token_for(owner)
    for side in ("old", "new"):
        _confirm(change, side)
    body = {"token": token, "password": "quite another secret"}
    assert_problem(client_of().post("/api/v1/auth/password/reset", body), 400, "link_not_valid")
