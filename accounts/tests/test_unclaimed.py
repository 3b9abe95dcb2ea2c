"""Whoever comes to an address that nobody has shown to be theirs begins anew: nothing of a lurker's is theirs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from accounts import services
from accounts.links import verification_links
from accounts.models import Deletion, EmailChange, Identity, Notification, Safeguards, Terms, TermsAcceptance, User
from accounts.services import registration as registering
from accounts.services import unclaimed
from accounts.tests.hashing import work
from accounts.tests.project import Project
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

REGISTER, LOGIN = "/api/v1/auth/register", "/api/v1/auth/login"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def lurker(registration, db) -> User:
    """Somebody who registered another's address, accepted what there is, and set up what there is."""
    Terms.objects.create(version="1", url="https://example.com", effective_from=timezone.now())
    body = registration(display_name="Lurker", terms_version="1")
    assert client_of().post(REGISTER, body, REMOTE_ADDR="203.0.113.66").status_code == 201
    assert client_of().post(LOGIN, {name: body[name] for name in ("email", "password")}).status_code == 200
    user = User.objects.get()
    EmailChange.objects.create(user=user, email="lurker@example.com")
    Safeguards.objects.create(user=user, excluded_forever=True)
    return user


def _by_registering(email: str, registration: Callable[..., Any], project: Project) -> None:
    assert client_of().post(REGISTER, registration(email=email, display_name="Eve")).status_code == 201
    services.verify_email(token=verification_links.token_for(User.objects.get(email=email)), password=PASSWORD)


def _by_supabase(email: str, registration: Callable[..., Any], project: Project) -> None:
    token = project.token(project.person(email))
    assert client_of().post("/api/v1/auth/supabase", {"access_token": token}).status_code == 200


WAYS = {"register": _by_registering, "supabase": _by_supabase}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_a_lurker_left_is_the_newcomer_s(way, lurker, registration, project, run_tasks):
    run_tasks()
    WAYS[way](lurker.email, registration, project)
    newcomer = User.objects.get(email=lurker.email)
    assert (newcomer.pk != lurker.pk, newcomer.display_name, newcomer.has_verified_email) == (True, "Eve", True)
    for model in (TermsAcceptance, Safeguards, EmailChange):
        assert not model.objects.filter(user=newcomer).exists(), model
    assert newcomer.sessions.filter(created_at__lt=newcomer.joined_at).count() == 0
    assert not lurker.sessions.alive().exists()
    assert AuditEntry.objects.get(action="user.registered_again").subject_id == str(lurker.pk)


@pytest.mark.parametrize("way", WAYS)
def test_the_lurker_s_account_is_pseudonymised_by_the_worker(way, lurker, registration, project, run_tasks):
    address = lurker.email
    WAYS[way](address, registration, project)
    run_tasks()
    lurker.refresh_from_db()
    assert (lurker.is_deleted, lurker.is_active, lurker.display_name) == (True, False, "Deleted")
    assert Deletion.objects.get(user=lurker).status == "done"
    assert TermsAcceptance.objects.get(user=lurker).address is None
    newcomer = User.objects.get(email=address)
    # Nor does the exclusion of who never showed that the address is theirs come back with it.
    services.request_deletion(newcomer, actor=newcomer)
    assert not Safeguards.objects.filter(user=newcomer).exists()


def test_mails_of_the_lurker_that_wait_are_not_sent(lurker, registration):
    assert Notification.objects.mails().filter(user=lurker).open().exists()
    client_of().post(REGISTER, registration(email=lurker.email))
    assert not Notification.objects.mails().filter(user=lurker).open().exists()
    assert [told.kind for told in Notification.objects.mails().open()] == ["verify_email"]


def test_a_lurker_who_asks_to_be_forgotten_keeps_nobody_out(lurker, registration):
    services.request_deletion(lurker, actor=lurker)
    address = lurker.email
    client_of().post(REGISTER, registration(email=address))
    assert User.objects.get(email=address).pk != lurker.pk
    assert Deletion.objects.get().due_at <= timezone.now()


def test_whom_staff_closed_the_account_of_does_not_begin_anew(lurker, registration, project):
    lurker.is_active = False
    lurker.save()
    client_of().post(REGISTER, registration(email=lurker.email))
    assert User.objects.get().pk == lurker.pk
    assert Notification.objects.mails().filter(kind="already_registered").count() == 1
    token = project.token(project.person(lurker.email))
    with nothing_written():
        assert_problem(client_of().post("/api/v1/auth/supabase", {"access_token": token}), 401, "user_inactive")
    assert not Identity.objects.exists()


def test_setting_an_account_aside_costs_few_statements_and_no_hash(registration, db):
    costs = []
    for _ in range(2):
        with work() as done:
            client_of().post(REGISTER, registration(email="same@example.com"))
        costs.append((done.hashes, len(done.statements)))
    (fresh_hashes, fresh), (again_hashes, again) = costs
    assert (fresh_hashes, again_hashes) == (1, 1)
    # What there is to erase, in every app, is the worker's: an outsider with a stopwatch sees next to nothing of it.
    assert again - fresh <= 15


MANY = 4


def _at_once(registration: Callable[..., Any]) -> list[int]:
    """The statuses of MANY people who register one address."""
    start = Barrier(MANY)

    def run(number: int) -> int:
        try:
            connection.ensure_connection()
            start.wait(60)
            client = client_of()
            client.raise_request_exception = False
            return client.post(REGISTER, registration(email="same@example.com", display_name=f"N{number}")).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


@pytest.fixture
def all_look_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who found the address free waits a moment for the others to find it so."""
    looked, look = Barrier(MANY), unclaimed.release_unverified_email

    def wait(email: str) -> User | None:
        found = look(email)
        with suppress(BrokenBarrierError):
            looked.wait(1)
        return found

    monkeypatch.setattr(registering, "release_unverified_email", wait)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("taken", [False, True], ids=["new", "begun before"])
def test_of_registrations_at_once_the_last_stands_alone(taken, registration, all_look_first):
    if taken:
        client_of().post(REGISTER, registration(email="same@example.com"))
    assert _at_once(registration) == [201] * MANY
    assert User.objects.filter(email="same@example.com", is_active=True).count() == 1
    assert User.objects.filter(is_active=True).count() == 1
    assert User.objects.count() == MANY + taken


@pytest.mark.django_db(transaction=True)
def test_without_turns_and_second_looks_all_but_one_would_fail(registration, all_look_first, monkeypatch):
    monkeypatch.setattr(unclaimed, "take_turns", lambda key: None)
    once = registering._register
    refused: list[IntegrityError] = []

    def one_look(*args: Any) -> None:
        try:
            once(*args)
        except IntegrityError as error:
            refused.append(error)

    monkeypatch.setattr(registering, "_register", one_look)
    _at_once(registration)
    assert len(refused) == MANY - 1
