"""Staff where STAFF_SECOND_FACTOR is on: nothing of the back office and nothing that a role gives without a code."""

import re
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import throttle
from accounts.back_office.signing_in import SIGNED_IN_AT
from accounts.models import Authenticator, Notification, RecoveryCode, SignInDelay, User
from accounts.tests.phones import PASSWORD, Phone, enrolled, half_a_minute_passes
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of

PAGE, LOGIN, OFFICE = "/admin/second-factor/", "/admin/login/", "/admin/"


@pytest.fixture(autouse=True)
def mandatory(settings) -> None:
    """As in production; limits per minute are tested elsewhere."""
    settings.STAFF_SECOND_FACTOR = True
    settings.RATELIMIT_ENABLE = False


@pytest.fixture
def manager(mona) -> User:
    """Mona with PASSWORD, and no second factor yet."""
    mona.set_password(PASSWORD)
    mona.save()
    return mona


def _sign_in(client: Client, user: User, code: str = ""):
    return client.post(LOGIN, {"username": user.email, "password": PASSWORD, "code": code, "next": OFFICE})


def _secret_of(answer) -> str:
    return re.search(r"<code>([A-Z2-7]{32})</code>", answer.content.decode())[1]


def _phone_of(answer) -> Phone:
    return Phone(f"otpauth://totp/x?secret={_secret_of(answer)}&digits=6&period=30")


def _is_open(client: Client) -> bool:
    return client.get(OFFICE).status_code == 200


def test_whoever_has_none_is_led_to_set_one_up_and_nothing_else_opens(manager):
    client = Client()
    assert _sign_in(client, manager).status_code == 302
    landing = client.get(OFFICE, follow=True)
    assert landing.redirect_chain[-1] == (PAGE, 302)
    paths = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]
    for path in (OFFICE, "/admin/password_change/", "/admin/jsi18n/", "/admin/autocomplete/", *paths):
        for verb in (client.get, client.post):
            answer = verb(path)
            assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, LOGIN), path
    page = client.get(PAGE).content.decode()
    # Not even the names of what is inside.
    assert "app-raffles" not in page
    assert "/admin/password_change/" not in page


def test_the_page_switches_it_on_shows_the_codes_once_and_opens_the_back_office(manager):
    client = Client()
    _sign_in(client, manager)
    offered = client.get(PAGE)
    assert "<svg" in offered.content.decode()
    assert "style=" not in offered.content.decode().partition("<svg")[2].partition("</svg>")[0]
    assert "no-store" in offered["Cache-Control"]
    phone, before = _phone_of(offered), client.session.session_key
    wrong = client.post(PAGE, {"code": phone.wrong_code()})
    assert "This code is wrong" in wrong.content.decode()
    # The same secret as before, so that the phone need not scan again.
    assert _secret_of(wrong) == phone.facts["secret"]
    assert not _is_open(client)
    shown = client.post(PAGE, {"code": phone.code()})
    assert len(re.findall(r"<code>[a-z2-7-]{27}</code>", shown.content.decode())) == 10
    assert client.session.session_key != before
    assert _is_open(client)
    later = client.get(PAGE).content.decode()
    assert "10 recovery codes left" in later
    assert phone.facts["secret"] not in later
    assert AuditEntry.objects.filter(action="user.second_factor_added", actor=manager.pk).exists()
    assert Notification.objects.mails().filter(kind="second_factor_added", user=manager).exists()


def test_a_secret_that_another_browser_was_shown_is_never_set_up_in_this_one(manager):
    """Whoever else knows the password asks for a secret meanwhile: theirs does not become the owner's."""
    client, other = Client(), Client()
    _sign_in(client, manager)
    ours = _phone_of(client.get(PAGE))
    assert _secret_of(client.get(PAGE)) == ours.facts["secret"]
    _sign_in(other, manager)
    theirs = _secret_of(other.get(PAGE))
    shown = client.post(PAGE, {"code": ours.code()})
    assert "This code is wrong" in shown.content.decode()
    assert _secret_of(shown) not in {theirs, ours.facts["secret"]}
    assert client.post(PAGE, {"code": _phone_of(shown).code()}).status_code == 200
    assert _is_open(client)
    assert not _is_open(other)


def test_from_then_on_the_sign_in_asks_for_a_code(manager):
    phone, client = enrolled(manager), Client()
    for code, said in (("", "Enter the code"), (phone.wrong_code(), "This code is wrong")):
        answer = _sign_in(client, manager, code)
        assert (answer.status_code, said in answer.content.decode()) == (200, True)
        assert not _is_open(client)
    good = phone.code()
    assert _sign_in(client, manager, good).status_code == 302
    assert _is_open(client)
    assert "This code is wrong" in _sign_in(Client(), manager, good).content.decode()
    again = Client()
    assert _sign_in(again, manager, phone.recovery_codes[0]).status_code == 302
    assert _is_open(again)
    entries = AuditEntry.objects.filter(action="user.signed_in").order_by("id")
    after = {"to": "back office", "device": "", "second_factor": True}
    assert [entry.after for entry in entries] == [after] * 2


def test_with_a_wrong_password_the_sign_in_says_the_same_whatever_the_code(manager):
    phone = enrolled(manager)
    data = {"username": manager.email, "password": "wrong", "next": OFFICE}
    pages = []
    for code in ("", phone.code(), phone.recovery_codes[0]):
        text = Client().post(LOGIN, data | {"code": code}).content.decode()
        pages.append(re.findall(r'<p class="errornote">\s*(.*?)\s*</p>', text, re.DOTALL))
    assert pages[0]
    assert pages == [pages[0]] * 3
    assert RecoveryCode.objects.count() == 10


def test_codes_are_guessed_as_slowly_as_at_the_api(manager):
    phone = enrolled(manager)
    for _ in range(throttle.FREE + 1):
        assert "This code is wrong" in _sign_in(Client(), manager, phone.wrong_code()).content.decode()
    assert "Too many attempts" in _sign_in(Client(), manager, phone.code()).content.decode()
    body = {"email": manager.email, "password": PASSWORD, "code": phone.code()}
    assert_problem(client_of().post("/api/v1/auth/login", body), 429, "rate_limited")
    SignInDelay.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert _sign_in(Client(), manager, phone.code()).status_code == 302


def test_a_browser_that_only_has_the_password_s_session_is_sent_to_the_sign_in_and_sets_nothing_up(manager):
    enrolled(manager)
    client = Client()
    client.force_login(manager)
    for path in (OFFICE, PAGE):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, LOGIN)
    assert client.get(LOGIN).status_code == 200
    assert client.post(PAGE, {"code": "123456"}).status_code == 302
    assert Authenticator.objects.filter(confirmed=False).count() == 0


def test_a_password_given_long_ago_sets_nothing_up(manager):
    client = Client()
    _sign_in(client, manager)
    phone = _phone_of(client.get(PAGE))
    session = client.session
    session[SIGNED_IN_AT] = time.time() - 601
    session.save()
    assert client.post(PAGE, {"code": phone.code()})["Location"].partition("?")[0] == LOGIN
    assert not Authenticator.objects.filter(confirmed=True).exists()
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("who", ["nobody", "alice"])
def test_the_page_is_for_staff(who, request, db):
    client = Client()
    if who != "nobody":
        client.force_login(request.getfixturevalue(who))
    for verb in (client.get, client.post):
        assert verb(PAGE)["Location"].partition("?")[0] == LOGIN
    assert Authenticator.objects.count() == 0


def test_the_page_needs_the_csrf_token(manager):
    client = Client(enforce_csrf_checks=True)
    client.force_login(manager)
    assert client.post(PAGE, {"code": "123456"}).status_code == 403


def test_it_gives_new_recovery_codes_for_password_and_code(manager):
    phone, client = enrolled(manager), Client()
    _sign_in(client, manager, phone.code())
    half_a_minute_passes(manager)
    for body in ({"password": "wrong", "code": phone.code()}, {"password": PASSWORD, "code": phone.wrong_code()}, {}):
        assert "errornote" in client.post(PAGE, body).content.decode()
    page = client.post(PAGE, {"password": PASSWORD, "code": phone.code()}).content.decode()
    codes = re.findall(r"<code>([a-z2-7-]{27})</code>", page)
    assert len(codes) == 10
    assert not set(codes) & set(phone.recovery_codes)


# What a role gives over the API


def _client(user: User, *, second_factor: bool):
    client = client_of()
    pair = open_session(user, user_agent="", second_factor=second_factor)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    return client


def test_a_role_counts_in_sessions_with_a_second_factor_alone(manager, draft):
    raffle = draft()
    path = f"/api/v1/raffles/{raffle.pk}"
    without, having = (_client(manager, second_factor=shown) for shown in (False, True))
    assert_problem(without.patch(path, {"title": "Another"}), 403, "second_factor_needed")
    # A draft is shown to those alone who may change it.
    assert_problem(without.get(path), 404)
    assert having.get(path).status_code == 200
    assert having.patch(path, {"title": "Another"}).status_code == 200


def test_what_everybody_may_needs_none(manager, on_sale):
    raffle = on_sale()
    client = _client(manager, second_factor=False)
    for path in (f"raffles/{raffle.pk}", "users/profile", "users/totp", "purchases/list"):
        assert client.get(f"/api/v1/{path}").status_code == 200


def test_whoever_sets_one_up_over_the_api_goes_on_with_it_in_the_same_session(manager, draft):
    raffle = draft()
    client = client_of()
    tokens = client.post("/api/v1/auth/login", {"email": manager.email, "password": PASSWORD}).json()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    publish = f"/api/v1/raffles/{raffle.pk}/publish"
    assert_problem(client.post(publish), 403, "second_factor_needed")
    phone = Phone(client.post("/api/v1/users/totp", {"password": PASSWORD}).json()["uri"])
    assert client.post("/api/v1/users/totp/confirm", {"code": phone.code()}).status_code == 200
    assert client.post(publish).status_code == 200


def test_those_without_the_right_hear_what_they_always_hear(alice, draft):
    answer = _client(alice, second_factor=False).patch(f"/api/v1/raffles/{draft().pk}", {"title": "Another"})
    assert_problem(answer, 403, "permission_denied")


# Somebody lost their phone


def test_an_operator_takes_it_away_and_everything_of_theirs_ends(manager):
    phone, client = enrolled(manager), Client()
    _sign_in(client, manager, phone.code())
    pair = open_session(manager, user_agent="", second_factor=True)
    said = StringIO()
    call_command("reset_second_factor", manager.email.upper(), stdout=said)
    assert manager.email in said.getvalue()
    assert not _is_open(client)
    # Whoever holds that browser sets nothing up in their place either.
    assert client.get(PAGE)["Location"].partition("?")[0] == LOGIN
    assert BrowserSession.objects.count() == 0
    bearer = {"Authorization": f"Bearer {pair.access}"}
    assert_problem(client_of().get("/api/v1/users/profile", headers=bearer), 401, "session_ended")
    assert (Authenticator.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    entry = AuditEntry.objects.get(action="user.second_factor_reset")
    assert (entry.actor, entry.subject_id) == (None, str(manager.pk))
    assert Notification.objects.mails().filter(kind="second_factor_reset", user=manager).exists()
    again = Client()
    _sign_in(again, manager)
    assert again.get(OFFICE, follow=True).redirect_chain[-1] == (PAGE, 302)


def test_others_stay_signed_in(manager, sam):
    enrolled(manager)
    other = Client()
    phone = enrolled(sam)
    _sign_in(other, sam, phone.code())
    call_command("reset_second_factor", manager.email, stdout=StringIO())
    assert _is_open(other)


@pytest.mark.parametrize("email", ["nobody@example.com", "mona@example.com"])
def test_where_there_is_none_to_take_away_the_command_says_so(email, manager):
    with pytest.raises(CommandError, match=re.escape(email)):
        call_command("reset_second_factor", email)
    assert not AuditEntry.objects.filter(action="user.second_factor_reset").exists()


# Where the setting is off


def test_in_development_staff_sign_in_as_before_and_those_who_have_one_show_it(manager, sam, settings):
    settings.STAFF_SECOND_FACTOR = False
    client = Client()
    _sign_in(client, manager)
    assert _is_open(client)
    phone, other = enrolled(sam), Client()
    assert "Enter the code" in _sign_in(other, sam).content.decode()
    _sign_in(other, sam, phone.code())
    assert _is_open(other)


def test_no_page_shows_a_secret_and_django_otps_own_are_gone(person, alice):
    enrolled(alice)
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    root.refresh_from_db()
    phone, client = enrolled(root), Client()
    _sign_in(client, root, phone.code())
    device = Authenticator.objects.get(user=alice)
    page = client.get(f"/admin/accounts/authenticator/{device.pk}/change/")
    assert page.status_code == 200
    assert client.post(f"/admin/accounts/authenticator/{device.pk}/change/", {"user": root.pk}).status_code == 403
    for secret in (device.key, device.secret, device.bin_key.hex()):
        assert secret not in page.content.decode()
    assert "totpdevice" not in {model._meta.model_name for model in admin.site._registry}
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
