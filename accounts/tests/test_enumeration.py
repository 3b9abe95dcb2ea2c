"""Nobody learns who has an account: the same answer for the same work, whoever is asked for."""

import pytest
from django.core import mail

from accounts.models import LinkRequest, Notification, User
from accounts.privacy.exports import AREAS
from accounts.tests.hashing import work
from luxewin.tests.asking import client_of

PASSWORD = "correct horse battery staple"


@pytest.fixture
def addresses(person) -> dict[str, str]:
    """One of each sort that an attacker could ask for."""
    inactive, unusable = person("ivy", is_active=False), person("uma")
    known, waiting = person("alice"), person("charlie", verified=False)
    for each in (inactive, known, waiting):
        each.set_password(PASSWORD)
        each.save()
    sorts = {"known": known, "not verified": waiting, "inactive": inactive, "without a password": unusable}
    return {sort: user.email for sort, user in sorts.items()} | {"unknown": "nobody@example.com"}


def _ask(path: str, body: dict[str, str]):
    """What an attacker sees, without what is random or their own words, and the work behind it."""
    with work() as done:
        response = client_of().post(f"/api/v1/auth/{path}", body)
    seen = {name: value for name, value in response.json().items() if name not in {"request_id", "email"}}
    headers = {name for name, _ in response.items()}
    assert mail.outbox == []
    return response.status_code, seen, headers, done


def test_a_failed_sign_in_says_and_does_the_same_for_everybody(addresses):
    outcomes = {
        sort: _ask("login", {"email": email, "password": "a wrong password"}) for sort, email in addresses.items()
    }
    assert outcomes["unknown"][0] == 401
    assert outcomes["unknown"][3].hashes == 1
    assert {sort: outcome for sort, outcome in outcomes.items() if outcome != outcomes["unknown"]} == {}


def test_the_right_password_of_a_closed_account_is_as_wrong_as_any(addresses):
    closed = _ask("login", {"email": addresses["inactive"], "password": PASSWORD})
    assert closed == _ask("login", {"email": addresses["unknown"], "password": PASSWORD})


@pytest.mark.parametrize("path", ["password/forgot", "verify/resend"])
def test_asking_for_a_link_says_and_does_the_same_for_everybody(path, addresses):
    outcomes = {sort: _ask(path, {"email": email}) for sort, email in addresses.items()}
    assert outcomes["unknown"][0] == 202
    assert (outcomes["unknown"][3].hashes, outcomes["unknown"][3].mails) == (0, 1)
    assert {sort: outcome for sort, outcome in outcomes.items() if outcome != outcomes["unknown"]} == {}


def test_registering_says_the_same_and_hashes_once_for_everybody(addresses, registration):
    outcomes = {sort: _ask("register", registration(email=email)) for sort, email in addresses.items()}
    seen = {
        sort: (status, body, headers, done.hashes, done.mails)
        for sort, (status, body, headers, done) in outcomes.items()
    }
    assert seen["unknown"][0] == 201
    assert seen["unknown"][3:] == (1, 1)
    assert {sort: facts for sort, facts in seen.items() if facts != seen["unknown"]} == {}


def test_a_change_to_a_taken_address_says_the_same_and_mails_its_owner_no_link(alice, bob, api):
    alice.set_password(PASSWORD)
    alice.save()
    answers = []
    for email in (bob.email, "free@example.com"):
        with work() as done:
            response = api(alice).post("/api/v1/users/email", {"email": email, "password": PASSWORD})
        answers.append((response.status_code, response.json(), done.hashes, done.mails))
    assert answers[0] == answers[1]
    assert answers[0][0] == 202
    assert [told.kind for told in Notification.objects.mails().filter(user=bob)] == ["already_registered"]


def test_an_export_does_not_tell_whether_the_address_one_asked_for_has_an_account(alice, bob, api):
    alice.set_password(PASSWORD)
    alice.save()
    told = []
    for email in (bob.email, "free@example.com"):
        Notification.objects.mails().filter(user=alice).delete()
        api(alice).post("/api/v1/users/email", {"email": email, "password": PASSWORD})
        told.append([(row["kind"], set(row["context"])) for row in AREAS["account/messages.json"].rows(alice)])
        changes = list(AREAS["account/address_change.json"].rows(alice))
        assert [row["email"] for row in changes] == [email]
    assert told[0] == told[1] == [("email_change_old", {"change", "email"})]


def test_what_waits_to_be_answered_is_forgotten_whether_there_is_an_account_or_not(addresses, run_tasks):
    for email in addresses.values():
        _ask("password/forgot", {"email": email})
    run_tasks()
    assert LinkRequest.objects.count() == 0
    told = set(Notification.objects.mails().filter(kind="reset_password").values_list("user__email", flat=True))
    assert told == {addresses[sort] for sort in ("known", "not verified", "without a password")}


def test_the_resent_verification_goes_to_those_who_wait_for_it(addresses, run_tasks):
    for email in addresses.values():
        _ask("verify/resend", {"email": email})
    run_tasks()
    told = list(Notification.objects.mails().filter(kind="verify_email").values_list("user__email", flat=True))
    assert told == [addresses["not verified"]]
    assert not User.objects.get(email=addresses["not verified"]).has_verified_email
