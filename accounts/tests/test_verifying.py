"""Verification ends what came before it: whoever registered somebody's address has nothing of their account."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.test import Client

from accounts import services
from accounts.eligibility import eligibility_of
from accounts.links import change_token, reset_links, verification_links
from accounts.models import Deletion, EmailChange, LinkRequest, Notification, Preferences, TermsAcceptance, User
from accounts.notifications import compose
from accounts.tests.guarding import publish
from luxewin.tests.asking import assert_problem, client_of, nothing_written

VERIFY, LOGIN, REGISTER = "/api/v1/auth/verify", "/api/v1/auth/login", "/api/v1/auth/register"
THEIRS, OWN = "the squatter's own secret", "entirely new horse battery"
WORDS = "Win at prize-claims.example"


@pytest.fixture
def squatter(registration, db) -> User:
    """Somebody who registered an address that is not theirs, and is signed in."""
    publish("2026-11")
    body = registration(email="victim@example.com", password=THEIRS, display_name=WORDS, terms_version="2026-11")
    assert client_of().post(REGISTER, body).status_code == 201
    user = User.objects.get()
    Preferences.objects.filter(user=user).update(winner_name="full")
    EmailChange.objects.create(user=user, email="squatter@example.com")
    return user


def signed_in() -> tuple[str, str]:
    answer = client_of().post(LOGIN, {"email": "victim@example.com", "password": THEIRS}).json()
    return answer["access"], answer["refresh"]


def is_out(tokens: tuple[str, str]) -> bool:
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens[0]}")
    profile = client.get("/api/v1/users/profile").status_code
    return (profile, client_of().post("/api/v1/auth/refresh", {"refresh": tokens[1]}).status_code) == (401, 401)


def by_verifying(user: User) -> None:
    answer = client_of().post(VERIFY, {"token": verification_links.token_for(user), "new_password": OWN})
    assert (answer.status_code, answer.json()["email_verified"]) == (200, True), answer.content


def by_the_page(user: User) -> None:
    body = {"token": verification_links.token_for(user), "new_password": OWN}
    assert Client().post("/verify-email", body).status_code == 302


def by_resetting(user: User) -> None:
    body = {"token": reset_links.token_for(user), "password": OWN}
    assert client_of().post("/api/v1/auth/password/reset", body).status_code == 204


@pytest.mark.parametrize("arrive", [by_verifying, by_the_page, by_resetting])
def test_nothing_that_a_squatter_prepared_is_the_owners(arrive, squatter, run_tasks):
    tokens = signed_in()
    arrive(squatter)
    assert is_out(tokens)
    owner = User.objects.get(email="victim@example.com")
    assert owner.pk != squatter.pk
    assert (owner.has_verified_email, owner.password_proven, owner.display_name) == (True, True, "New member")
    assert (owner.date_of_birth, owner.country) == (None, "")
    assert owner.preferences.winner_name == "initials"
    assert not TermsAcceptance.objects.filter(user=owner).exists()
    assert not EmailChange.objects.filter(user=owner).exists()
    assert set(eligibility_of(owner.pk).barriers) == {"profile_incomplete", "terms_not_accepted"}
    assert_problem(client_of().post(LOGIN, {"email": owner.email, "password": THEIRS}), 401)
    assert client_of().post(LOGIN, {"email": owner.email, "password": OWN}).status_code == 200
    run_tasks()
    assert Deletion.objects.get(user=squatter).status == "done"


def test_with_the_password_of_the_registration_it_stays_and_earlier_sessions_end(squatter):
    tokens = signed_in()
    body = {"token": verification_links.token_for(squatter), "password": THEIRS}
    assert client_of().post(VERIFY, body).json()["display_name"] == WORDS
    assert is_out(tokens)
    user = User.objects.get(email="victim@example.com")
    assert (user.pk, user.password_proven, user.has_verified_email) == (squatter.pk, True, True)
    assert not EmailChange.objects.exists()
    assert client_of().post(LOGIN, {"email": user.email, "password": THEIRS}).status_code == 200


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({}, "required", "password"),
        ({"password": "wrong, all wrong"}, "wrong_password", "password"),
        ({"password": THEIRS, "new_password": OWN}, "one_of", "password"),
        ({"new_password": "short"}, "password_too_short", "new_password"),
    ],
)
def test_without_a_password_nothing_is_verified_and_the_link_stays_good(given, code, field, squatter):
    token = verification_links.token_for(squatter)
    problem = assert_problem(client_of().post(VERIFY, {"token": token} | given), 400, "invalid", {field})
    assert code in {fault["code"] for fault in problem["errors"]}
    assert not User.objects.get(pk=squatter.pk).has_verified_email
    assert Client().post("/verify-email", {"token": token}).status_code == 400
    assert client_of().post(VERIFY, {"token": token, "password": THEIRS}).status_code == 200


def test_a_colleague_keeps_rights_and_name_whichever_password_they_set(person):
    colleague = person("cole", verified=False, role="finance")
    colleague.set_password(THEIRS)
    colleague.save()
    by_verifying(colleague)
    colleague.refresh_from_db()
    assert (colleague.display_name, colleague.has_verified_email, colleague.check_password(OWN)) == ("Cole", True, True)
    assert [group.name for group in colleague.groups.all()] == ["finance"]


def test_whom_staff_added_without_a_password_is_the_same_account(charlie):
    by_verifying(charlie)
    charlie.refresh_from_db()
    assert (charlie.display_name, charlie.has_verified_email) == ("Charlie", True)


@pytest.mark.parametrize("proven", [True, False])
def test_linking_supabase_drops_a_password_that_was_never_proven(proven, alice, project):
    alice.set_password(THEIRS)
    alice.password_proven = proven
    alice.save()
    before = client_of().post(LOGIN, {"email": alice.email, "password": THEIRS}).json()
    token = project.token(project.person(alice.email))
    assert client_of().post("/api/v1/auth/supabase", {"access_token": token}).status_code == 200
    login = client_of().post(LOGIN, {"email": alice.email, "password": THEIRS})
    assert login.status_code == (200 if proven else 401)
    assert is_out((before["access"], before["refresh"])) is not proven


def test_who_has_not_verified_an_address_has_no_other_written_to(squatter, api):
    client = api(squatter)
    with nothing_written():
        answer = client.post("/api/v1/users/email", {"email": "other@example.com", "password": THEIRS})
    assert_problem(answer, 403, "email_not_verified")


@pytest.mark.parametrize("address", ["victim@example.com", "victim+new@example.com"])
def test_a_squatter_does_not_block_a_change_of_address(address, squatter, alice, api, run_tasks):
    alice.set_password(OWN)
    alice.save()
    assert api(alice).post("/api/v1/users/email", {"email": address, "password": OWN}).status_code == 202
    assert Notification.objects.mails().filter(user=alice, kind="email_change_new").exists()
    assert not squatter.notifications.filter(kind="already_registered").exists()
    change = EmailChange.objects.get(user=alice)
    for side in ("old", "new"):
        services.confirm_email_change(token=change_token(change.pk.hex, side))
    alice.refresh_from_db()
    assert (alice.email, alice.mailbox) == (address, "victim@example.com")
    run_tasks()
    assert User.objects.get(pk=squatter.pk).is_deleted


KINDS = ["verify_email", "reset_password", "already_registered", "password_changed", "deletion_requested"]


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_mails_to_an_address_that_nobody_confirmed_carry_no_typed_text(kind, language, squatter):
    Preferences.objects.filter(user=squatter).update(language=language)
    context = {"deletion": "0" * 32, "email": WORDS, "due_at": "2026-01-01T00:00:00+00:00"}
    mail = compose(Notification(user=squatter, kind=kind, context=context))
    assert "prize-claims" not in str(mail.message())


def test_only_the_own_confirmed_address_is_greeted_by_name(alice):
    assert "Alice" in compose(Notification(user=alice, kind="password_changed")).body
    elsewhere = Notification(user=alice, kind="password_changed", context={"to": "other@example.com"})
    assert "Alice" not in compose(elsewhere).body


MANY = 16


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [True, False])
def test_all_that_mails_a_mailbox_counts_together_also_at_once(known, registration, person, settings):
    """Registering, resending and resetting, under many spellings at one moment: no more mails than resetting sends."""
    if known:
        person("victim")
    start = Barrier(MANY)
    paths = ["register", "register", "verify/resend", "password/forgot"]

    def ask(number: int) -> int:
        try:
            connection.ensure_connection()
            start.wait(60)
            path, body = paths[number % 4], registration(email=f"victim+{number}@example.com")
            body = body if path == "register" else {"email": body["email"]}
            return client_of().post(f"/api/v1/auth/{path}", body).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(ask, range(MANY)))
    assert (sum(status < 300 for status in answers), answers.count(429)) == (10, MANY - 10)
    assert Notification.objects.mails().count() + LinkRequest.objects.count() <= 10
