"""A mailbox is one person: every spelling of an address is one address, or none, at every door."""

import socket
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import throttle
from accounts.addresses import AddressRefused, canonical_address, lookup_address, mailbox_key
from accounts.eligibility import eligibility_of
from accounts.links import verification_links
from accounts.models import EmailChange, LinkRequest, SignInDelay, User
from accounts.services import exclude_from_buying, register_user, request_deletion, verify_email
from accounts.services.deletion import pseudonymise
from accounts.tests.spellings import ALIASES, REFUSED, SAME
from luxewin.tests.asking import assert_problem, client_of, nothing_written

ALICE, PASSWORD = "alice@example.com", "correct horse battery staple"


def spelled(*kinds: dict[str, str]):
    return pytest.mark.parametrize(
        "text", [pytest.param(text, id=name) for kind in kinds for name, text in kind.items()]
    )


@pytest.fixture
def alice(alice) -> User:
    """With PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture
def root(person) -> Client:
    """Somebody at the back office who may do everything."""
    user = person("root", is_superuser=True)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(pk=user.pk))
    return client


@spelled(SAME)
def test_all_spellings_come_out_the_same(text):
    assert canonical_address(text) == lookup_address(text) == mailbox_key(text) == ALICE


@spelled(REFUSED)
def test_what_no_mail_reaches_is_refused_and_still_looked_up_as_itself(text):
    with pytest.raises(AddressRefused) as refusal:
        canonical_address(text)
    assert str(refusal.value)
    assert lookup_address(text) == text.strip().lower()
    assert mailbox_key(mailbox_key(text)) == mailbox_key(text) != ALICE


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a.l.i.c.e@gmail.com", "alice@gmail.com"),
        ("Alice+x@GoogleMail.com", "alice@gmail.com"),
        ("a.lice@example.com", "a.lice@example.com"),
        ("+tag@example.com", "+tag@example.com"),
        ("al-i_ce@protonmail.com", "alice@proton.me"),
        ("alice@pm.me", "alice@proton.me"),
        ("alice@me.com", "alice@icloud.com"),
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
        ("a@bu\u0308cher.example", "a@xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"),
        ("a@stra\u00dfe.example", "a@xn--strae-oqa.example"),
        ("a@strasse.example", "a@strasse.example"),
    ],
)
def test_an_address_leads_to_its_mailbox(text, key):
    assert mailbox_key(text) == key
    assert mailbox_key(key) == key


def test_nothing_asks_the_network_about_an_address(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("getaddrinfo", "gethostbyname", "socket"):
        monkeypatch.setattr(socket, name, refuse)
    assert canonical_address("somebody@no-such-domain-at-all.com")


@spelled(SAME, ALIASES)
def test_registering_meets_the_account_of_the_mailbox(text, alice, registration):
    free = client_of().post("/api/v1/auth/register", registration())
    answer = client_of().post("/api/v1/auth/register", registration(email=text))
    assert (
        (answer.status_code, answer.json()["detail"])
        == (free.status_code, free.json()["detail"])
        == (201, free.json()["detail"])
    )
    assert User.objects.filter(mailbox=ALICE).get() == alice
    assert [told.kind for told in alice.notifications.all()] == ["already_registered"]


@spelled(REFUSED)
@pytest.mark.parametrize("path", ["register", "login", "verify/resend", "password/forgot"])
def test_the_api_refuses_what_no_mail_reaches(path, text, registration, db):
    taken = {"login": ("email", "password"), "register": registration()}.get(path, ("email",))
    body = {name: value for name, value in registration(email=text).items() if name in taken}
    with nothing_written():
        answer = client_of().post(f"/api/v1/auth/{path}", body)
    assert_problem(answer, 400, "invalid", {"email"})


def test_every_spelling_signs_in_and_asks_for_links_and_counts_as_one(alice):
    for text in SAME.values():
        caches["default"].clear()
        login = client_of().post("/api/v1/auth/login", {"email": text, "password": PASSWORD})
        assert login.status_code == 200, login.content
        client_of().post("/api/v1/auth/password/forgot", {"email": text})
    assert set(LinkRequest.objects.values_list("email", flat=True)) == {ALICE}
    # Ten failures in a row cost nothing, however the address is written; then there is a wait for all spellings.
    for text in [*SAME.values(), *ALIASES.values()][: throttle.FREE + 1]:
        caches["default"].clear()
        client_of().post("/api/v1/auth/login", {"email": text, "password": "wrong"})
    caches["default"].clear()
    assert_problem(client_of().post("/api/v1/auth/login", {"email": ALICE, "password": PASSWORD}), 429)
    assert SignInDelay.objects.count() == 1


@pytest.mark.parametrize(("path", "limit"), [("login", 10), ("password/forgot", 10), ("verify/resend", 10)])
def test_limits_by_account_count_all_spellings_and_aliases_together(path, limit, db):
    spellings = [*SAME.values(), *ALIASES.values()] * 2
    secret = {"password": "wrong"} if path == "login" else {}
    answers = [
        client_of().post(f"/api/v1/auth/{path}", {"email": text} | secret).status_code
        for text in spellings[: limit + 2]
    ]
    assert answers[-1] == 429


@spelled(SAME, ALIASES)
def test_nobody_changes_their_address_to_a_mailbox_that_has_an_account(text, alice, bob, api):
    bob.set_password(PASSWORD)
    bob.save()
    answer = api(bob).post("/api/v1/users/email", {"email": text, "password": PASSWORD})
    assert answer.status_code == 202
    assert [told.kind for told in alice.notifications.all()] == ["already_registered"]
    assert not bob.notifications.filter(kind="email_change_new").exists()


def test_a_change_of_address_refuses_what_no_mail_reaches(alice, api):
    client = api(alice)
    for text in REFUSED.values():
        caches["default"].clear()
        answer = client.post("/api/v1/users/email", {"email": text, "password": PASSWORD})
        assert_problem(answer, 400, "invalid", {"email"})
    assert not EmailChange.objects.exists()


def test_to_another_address_of_ones_own_mailbox_one_may_change(alice, api):
    api(alice).post("/api/v1/users/email", {"email": "alice+raffles@example.com", "password": PASSWORD})
    assert EmailChange.objects.get().email == "alice+raffles@example.com"
    assert alice.notifications.filter(kind="email_change_new").exists()


@spelled(SAME)
def test_supabase_finds_the_account_of_the_address(text, alice, project):
    token = project.token(project.person(text))
    answer = client_of().post("/api/v1/auth/supabase", {"access_token": token})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(alice.pk))


@spelled(ALIASES)
def test_supabase_opens_no_account_by_another_address_of_its_mailbox(text, alice, project):
    token = project.token(project.person(text))
    with nothing_written():
        answer = client_of().post("/api/v1/auth/supabase", {"access_token": token})
    assert_problem(answer, 403, "password_wanted")


@pytest.mark.parametrize("text", [*REFUSED.values(), "alice@stra\u00dfe.example"])
def test_supabase_makes_no_account_for_what_no_mail_reaches(text, project, db):
    token = project.token(project.person(text))
    with nothing_written():
        answer = client_of().post("/api/v1/auth/supabase", {"access_token": token})
    assert_problem(answer, 403, "email_not_verified")


def test_the_back_office_makes_no_second_account_of_a_mailbox_and_none_without_one(alice, root):
    fields = {"display_name": "A", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    for text in [*SAME.values(), *ALIASES.values(), *REFUSED.values()]:
        answer = root.post("/admin/accounts/user/add/", fields | {"email": text})
        assert answer.status_code == 200, text
        assert "errorlist" in answer.content.decode(), text
    assert User.objects.count() == 2
    assert not LogEntry.objects.exists()


def test_the_back_offices_sign_in_takes_every_spelling(alice):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    for text in SAME.values():
        caches["default"].clear()
        answer = Client(raise_request_exception=False).post(
            "/admin/login/", {"username": text, "password": PASSWORD, "next": "/admin/"}
        )
        assert answer.status_code == 302, text
    for text in REFUSED.values():
        caches["default"].clear()
        answer = Client(raise_request_exception=False).post("/admin/login/", {"username": text, "password": PASSWORD})
        # Django's field for names reads full-width letters as plain ones before we see them.
        assert answer.status_code == (302 if text.startswith("\uff41") else 200), text


def test_support_finds_who_calls_under_every_spelling(alice, sam):
    client = Client(raise_request_exception=False)
    client.force_login(sam)
    for text in [*SAME.values(), *REFUSED.values()]:
        fields = {"email": text, "wish": "pause 24", "reason": "She called.", "confirmed": "1"}
        answer = client.post("/admin/accounts/safeguards/add/", fields)
        assert answer.status_code == (302 if text in SAME.values() else 200), text


@spelled(SAME)
def test_commands_take_every_spelling(text, alice):
    with pytest.raises(CommandError, match=r"alice@example\.com has no second factor"):
        call_command("reset_second_factor", text)


def test_createsuperuser_makes_no_second_account_of_a_mailbox_and_none_without_one(alice, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    monkeypatch.setattr(BaseCommand, "check_migrations", lambda self: None)  # each time a tenth of a second
    for text in [*SAME.values(), *ALIASES.values(), *REFUSED.values()]:
        if "\0" in text:
            continue  # no command line has one
        with pytest.raises(CommandError):
            call_command("createsuperuser", interactive=False, email=text, display_name="A", stdout=StringIO())
    assert User.objects.count() == 1
    call_command("createsuperuser", interactive=False, email="R@EXAMPLE\u3002com", display_name="R", stdout=StringIO())
    assert User.objects.get(is_superuser=True).email == "r@example.com"


def test_whatever_code_writes_an_address_it_is_canonical(db):
    for make in (User.objects.create, lambda **fields: User.objects.bulk_create([User(**fields)])[0]):
        user = make(email="Dana+x@EXAM\u200bPLE.com", display_name="D")
        user.refresh_from_db()
        assert (user.email, user.mailbox) == ("dana+x@example.com", "dana@example.com")
        user.email = "E.Ve@GoogleMail.com"
        user.save(update_fields=["email"])
        user.refresh_from_db()
        assert (user.email, user.mailbox) == ("e.ve@googlemail.com", "eve@gmail.com")
        user.delete()


def test_a_second_account_of_a_mailbox_is_refused_by_the_manager(alice):
    with pytest.raises(ValidationError):
        User.objects.create_user("alice+2@example.com", PASSWORD, display_name="A")


@spelled(SAME, ALIASES)
def test_an_exclusion_that_outlives_the_account_bars_every_address_of_the_mailbox(text, alice, registration):
    exclude_from_buying(alice, months=6, password=None, actor=alice)
    pseudonymise(alice)
    assert User.objects.get().mailbox != ALICE
    fields = registration(email=text) | {"date_of_birth": timezone.now().date().replace(year=1990, month=1, day=1)}
    register_user(**fields | {"email": canonical_address(text), "country": "GB"})
    newcomer = User.objects.get(mailbox=ALICE)
    User.objects.filter(pk=newcomer.pk).update(email_verified_at=None)
    verify_email(token=verification_links.token_for(newcomer), password=PASSWORD)
    assert "self_excluded" in eligibility_of(newcomer.pk).barriers


def test_a_deleted_account_leaves_its_mailbox(alice, registration, run_tasks):
    request_deletion(alice, actor=alice)
    client_of().post("/api/v1/auth/register", registration(email="alice+new@example.com"))
    # It can still be taken back: nobody else comes to the mailbox meanwhile.
    assert User.objects.filter(mailbox=ALICE).get() == alice
    pseudonymise(User.objects.get(pk=alice.pk))
    caches["default"].clear()
    client_of().post("/api/v1/auth/register", registration(email="alice+new@example.com"))
    assert User.objects.get(mailbox=ALICE).email == "alice+new@example.com"
