"""Registering mails a link that verifies the address once, and tells nobody who has an account."""

import json
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.errors import LinkRefused, TokenRefused, WrongCredentials
from accounts.links import verification_links
from accounts.models import Notification, Preferences, User
from accounts.notifications import compose
from accounts.tests.catching import mails_to, token_in
from accounts.tokens import rotate
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

REGISTER, VERIFY = "/api/v1/auth/register", "/api/v1/auth/verify"


def test_the_mail_is_sent_and_its_link_verifies_the_address_once(real_mail, registration, run_tasks, db):
    client, body = client_of(), registration()
    response = client.post(REGISTER, body)
    assert response.status_code == 201
    assert set(response.json()) == {"email", "detail"}
    assert mails_to(body["email"]) == []
    run_tasks()
    (mail,) = mails_to(body["email"])
    user = User.objects.get(email=body["email"])
    assert not user.has_verified_email
    assert user.country == "GB"
    answer = client.post(VERIFY, {"token": token_in(mail), "password": body["password"]})
    assert (answer.status_code, answer.json()["email_verified"]) == (200, True)
    assert_problem(client.post(VERIFY, {"token": token_in(mail), "password": body["password"]}), 400, "link_not_valid")
    actions = AuditEntry.objects.filter(subject_id=str(user.pk)).values_list("action", flat=True)
    assert list(actions.order_by("id")) == ["user.registered", "user.verified"]


def test_the_link_leads_to_a_page_that_verifies_when_asked(real_mail, registration, run_tasks, db):
    body = registration()
    client_of().post(REGISTER, body)
    run_tasks()
    token = token_in(mails_to(body["email"])[0])
    page = Client().get("/verify-email", {"token": token})
    assert page.status_code == 200
    # A mail scanner that follows the link uses nothing up.
    assert not User.objects.get(email=body["email"]).has_verified_email
    assert Client().post("/verify-email", {"token": token, "password": body["password"]}).status_code == 302
    assert User.objects.get(email=body["email"]).has_verified_email
    assert Client().post("/verify-email", {"token": token, "password": body["password"]}).status_code == 400


@pytest.mark.parametrize("token", ["", "x", "<script>alert(1)</script>", "a\x00b", "x" * 5000])
def test_the_page_refuses_any_other_token_and_writes_none_into_its_html(token, db):
    assert "<script>alert" not in Client().get("/verify-email", {"token": token}).content.decode()
    assert Client(raise_request_exception=False).post("/verify-email", {"token": token}).status_code == 400


@pytest.mark.parametrize("change", ["email", "password", "inactive", "deleted"])
def test_a_link_is_dead_after_the_account_changed(change, charlie):
    token = verification_links.token_for(charlie)
    if change == "email":
        charlie.email = "other@example.com"
    elif change == "password":
        charlie.set_unusable_password()
    elif change == "inactive":
        charlie.is_active = False
    charlie.save() if change != "deleted" else charlie.delete()
    with pytest.raises(LinkRefused):
        services.verify_email(token=token)


def test_a_link_expires(charlie, settings):
    token = verification_links.token_for(charlie)
    settings.PASSWORD_RESET_TIMEOUT = -1
    with pytest.raises(LinkRefused):
        services.verify_email(token=token)


def test_a_link_of_one_person_verifies_nobody_else(charlie, person):
    other = person("dave", verified=False)
    mine, theirs = verification_links.token_for(charlie), verification_links.token_for(other)
    forged = f"{theirs.partition('.')[0]}.{mine.partition('.')[2]}"
    with pytest.raises(LinkRefused):
        services.verify_email(token=forged)


@pytest.mark.parametrize(
    "token", ["", "x", "...", "a.b", "ä.ö", "AAAA.bbb-ccc", "=.=", "MDE5.", "x" * 200, "\U0001f48e"]
)
def test_a_link_that_was_never_mailed_is_refused(token, charlie):
    with pytest.raises(LinkRefused):
        services.verify_email(token=token)


def test_registering_a_taken_address_answers_the_same_and_mails_its_owner_a_hint(
    real_mail, registration, run_tasks, db
):
    client, body = client_of(), registration()
    fresh = client.post(REGISTER, body)
    run_tasks()
    services.verify_email(token=token_in(mails_to(body["email"])[0]), password=body["password"])
    owner = User.objects.get()
    again = client.post(
        REGISTER, registration(email=body["email"].upper(), display_name="Mallory", password="another good secret")
    )
    assert (again.status_code, again.json()) == (fresh.status_code, fresh.json())
    run_tasks()
    subjects = [mail["subject"] for mail in mails_to(body["email"])]
    assert subjects == ["Confirm your e-mail address", "You already have an account"]
    owner_now = User.objects.get()
    assert (owner_now.display_name, owner_now.password) == ("Dana", owner.password)
    # Once a day is enough, however often somebody tries.
    client.post(REGISTER, registration(email=body["email"]))
    assert run_tasks() == 0


def test_an_address_nobody_verified_can_be_registered_again_and_only_the_newest_link_works(
    real_mail, registration, run_tasks, db
):
    client, body = client_of(), registration(display_name="Lies in wait", password="the first secret")
    client.post(REGISTER, body)
    run_tasks()
    old = token_in(mails_to(body["email"])[0])
    tokens = services.log_in(email=body["email"], password="the first secret", user_agent="")[1]
    client.post(REGISTER, registration(email=body["email"], display_name="Owner", password="the second secret"))
    run_tasks()
    new = token_in(mails_to(body["email"])[1])
    assert_problem(client.post(VERIFY, {"token": old, "password": "the first secret"}), 400, "link_not_valid")
    assert client.post(VERIFY, {"token": new, "password": "the second secret"}).json()["display_name"] == "Owner"
    with pytest.raises(WrongCredentials):
        services.log_in(email=body["email"], password="the first secret", user_agent="")
    with pytest.raises(TokenRefused):
        rotate(tokens.refresh)


@pytest.mark.parametrize("right", [{"is_staff": True}, {"is_superuser": True}, {"role": "finance"}])
def test_an_account_with_a_right_is_never_taken_over_by_registering_its_address(right, person, registration):
    role = right.pop("role", "")
    colleague = person("colleague", verified=False, role=role)
    User.objects.filter(pk=colleague.pk).update(**{"is_staff": False} | right)
    client_of().post(REGISTER, registration(email=colleague.email, password="the taker's secret"))
    assert User.objects.get(pk=colleague.pk).password == colleague.password
    assert [told.kind for told in Notification.objects.mails()] == ["already_registered"]


def test_refusals_do_not_tell_who_has_an_account_either(registration, alice):
    faulty = registration(password="short", country="XX", date_of_birth=f"{timezone.now():%Y-%m-%d}")
    free, taken = client_of().post(REGISTER, faulty), client_of().post(REGISTER, faulty | {"email": alice.email})
    assert free.json()["errors"] == taken.json()["errors"]


def test_a_mail_goes_out_exactly_if_the_registration_is_committed(registration, db):
    with transaction.atomic():
        client_of().post(REGISTER, registration())
        transaction.set_rollback(True)
    assert (User.objects.count(), Notification.objects.mails().count()) == (0, 0)


def test_every_fault_of_a_registration_is_named_and_nothing_is_written(db):
    client = client_of()
    faulty = {
        "email": "no address",
        "password": "12345",
        "display_name": "x" * 81,
        "date_of_birth": "yesterday",
        "country": "ZZ",
    }
    with nothing_written():
        response = client.post(REGISTER, faulty)
    assert_problem(response, 400, "invalid", {"email", "display_name", "date_of_birth", "country", "password"})


@pytest.mark.parametrize(
    "password", ["short", "1234567890123", "password123", "dana-dana-dana@example.com", "x" * 129, "   "]
)
def test_a_weak_password_is_refused_by_name(password, registration, db):
    body = registration(password=password, email="dana-dana-dana@example.com")
    with nothing_written():
        response = client_of().post(REGISTER, body)
    assert_problem(response, 400, "invalid", {"password"})


def _last_born_of_age(years: int) -> date:
    """Return the latest date of birth of somebody who is that many years old today in London."""
    today = timezone.localdate(timezone=ZoneInfo("Europe/London"))
    # 29 February has no anniversary in most years: who was born on the day after is not of age yet.
    day = 28 if (today.month, today.day) == (2, 29) else today.day
    return date(today.year - years, today.month, day)


@pytest.mark.parametrize("years", [18, 0])
def test_who_is_a_day_too_young_is_refused(years, registration, db):
    born = str(_last_born_of_age(years) + timedelta(days=1))
    with nothing_written():
        response = client_of().post(REGISTER, registration(date_of_birth=born))
    assert_problem(response, 400, "invalid", {"date_of_birth"})


@pytest.mark.parametrize("born", ["1899-12-31", "0001-01-01", "2999-01-01", "2001-02-30"])
def test_an_impossible_date_of_birth_is_refused(born, registration, db):
    with nothing_written():
        response = client_of().post(REGISTER, registration(date_of_birth=born))
    assert_problem(response, 400, "invalid", {"date_of_birth"})


def test_who_turns_18_today_may_register(registration, db):
    assert client_of().post(REGISTER, registration(date_of_birth=str(_last_born_of_age(18)))).status_code == 201


@pytest.mark.parametrize(
    "email", ["İ" * 60 + "@" + "İ" * 60 + ".example", "a@" + ".".join(["İ" * 60] * 4) + ".com", "a" * 250 + "@b.cd"]
)
def test_an_odd_address_is_no_500(email, registration, db):
    response = client_of().post(REGISTER, registration(email=email))
    assert response.status_code in {201, 400}, response.content


def test_addresses_and_preferences_are_kept_in_one_form(registration, db):
    client_of().post(REGISTER, registration(email="MiXed@EXAMPLE.com"))
    user = User.objects.get()
    assert user.email == "mixed@example.com"
    assert Preferences.objects.get(user=user).marketing_consent is False


def test_the_audit_and_the_log_never_hold_the_password_or_the_link(registration, db, caplog):
    body = registration()
    client_of().post(REGISTER, body)
    told = Notification.objects.mails().select_related("user").get()
    token = token_in({"text": compose(told).body})
    # The link itself is in the mail alone.
    kept = json.dumps([*AuditEntry.objects.values("before", "after"), told.context, told.dedupe_key]) + caplog.text
    assert body["password"] not in kept
    assert token not in kept
    assert token.partition(".")[2] not in kept


@pytest.mark.parametrize(
    ("sent", "accepts", "subject"),
    [
        ({}, "", "Confirm your e-mail address"),
        ({}, "de-AT,de;q=0.9,en;q=0.8", "Bestätigen Sie Ihre E-Mail-Adresse"),
        ({}, "fr,\0;q=x,*;q=0.1" + "a" * 9_000, "Confirm your e-mail address"),
        ({"language": "en"}, "de", "Confirm your e-mail address"),
        ({"language": "de"}, "en", "Bestätigen Sie Ihre E-Mail-Adresse"),
    ],
)
def test_the_first_mail_is_in_the_language_of_who_registers(sent, accepts, subject, registration, db, run_tasks):
    answer = client_of().post("/api/v1/auth/register", registration(**sent), headers={"Accept-Language": accepts})
    assert answer.status_code == 201, answer.content
    run_tasks()
    assert [message.subject for message in mail.outbox] == [subject]


@pytest.mark.parametrize("language", ["xx", "", 5, None, ["de"], "de\0"])
def test_a_language_that_no_mail_is_in_is_refused(language, registration, db):
    answer = client_of().post("/api/v1/auth/register", registration(language=language))
    assert_problem(answer, 400, "invalid", {"language"})
