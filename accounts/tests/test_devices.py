"""The devices on which one is signed in: listed by name and place, ended one by one or all others, dead at once."""

from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.devices import device_name, place
from accounts.models import Notification, Session, User
from accounts.notifications import compose
from accounts.services import signing_in
from accounts.tests.refreshing import time_passes
from accounts.tokens import RefreshToken, open_session, start_session
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of

SESSIONS, PROFILE, REFRESH = "/api/v1/auth/sessions", "/api/v1/users/profile", "/api/v1/auth/refresh"
CONFIRM, PASSWORD = f"{SESSIONS}/confirm", "three small red boats"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
AGENTS = {
    f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15": "Safari on macOS",
    f"{MAC} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36": "Chrome on macOS",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0": "Firefox on Windows",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0": "Edge on Windows",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140.0 Mobile Safari/604.1": "Chrome on iPhone",
    "Mozilla/5.0 (Linux; Android 15) SamsungBrowser/28 Chrome/140.0 Safari/537.36": "Samsung Internet on Android",
    "python-httpx/0.28.1": "python-httpx",
    "Mozilla/5.0 (X11; Linux x86_64)": "Linux",
    "<script>alert(1)</script>": "Unknown device",
    "a" * 500: "a" * 40,
    "": "Unknown device",
}


@pytest.mark.parametrize(("agent", "name"), AGENTS.items(), ids=[name[:20] for name in AGENTS.values()])
def test_a_device_has_a_short_name(agent, name):
    assert device_name(agent) == name


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        (None, ""),
    ],
)
def test_a_place_is_no_finer_than_a_network(address, network):
    assert place(address) == network


@pytest.fixture
def devices(alice):
    """A client for each of two devices of Alice, and what they were given."""
    pairs = {name: open_session(alice, user_agent=name) for name in ("here", "there")}
    clients = {}
    for name, pair in pairs.items():
        clients[name] = client_of()
        clients[name].credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    return clients, pairs


def _session(pair) -> str:
    return jwt.decode(pair.access, options={"verify_signature": False})["sid"]


def _is_signed_in(client, pair) -> bool:
    """Whether the access token opens the profile; a refresh is tried too, and must agree."""
    opens = client.get(PROFILE).status_code == 200
    assert (client_of().post(REFRESH, {"refresh": pair.refresh}).status_code == 200) is opens
    return opens


def test_one_sees_one_s_own_devices_and_which_of_them_asks(devices, bob, alice):
    clients, _ = devices
    open_session(bob, user_agent="bob's")
    answer = clients["here"].get(SESSIONS).json()
    assert [(each["device"], each["current"]) for each in answer["results"]] == [("there", False), ("here", True)]
    assert set(answer["results"][0]) == {
        "id",
        "device",
        "place",
        "created_at",
        "last_used_at",
        "second_factor",
        "current",
    }
    # Neither the whole address nor what the device said is shown to whoever took one's access token.
    Session.objects.filter(user=alice).update(address="203.0.113.77")
    assert "203.0.113.77" not in clients["here"].get(SESSIONS).content.decode()


def test_a_device_that_is_signed_out_is_out_at_once(devices, alice):
    clients, pairs = devices
    assert clients["here"].delete(f"{SESSIONS}/{Session.objects.get(user_agent='there').pk}").status_code == 204
    assert_problem(clients["there"].get(PROFILE), 401, "session_ended")
    assert not _is_signed_in(clients["there"], pairs["there"])
    assert _is_signed_in(clients["here"], pairs["here"])
    assert AuditEntry.objects.get(action="session.ended").actor == alice.pk


@pytest.mark.parametrize("which", ["another's", "already ended", "nobody's"])
def test_what_is_not_one_s_own_is_not_found_and_goes_on(which, devices, bob):
    clients, pairs = devices
    theirs = open_session(bob, user_agent="")
    if which == "already ended":
        Session.objects.filter(user_agent="there").end()
    target = {"another's": _session(theirs), "already ended": _session(pairs["there"]), "nobody's": uuid4()}[which]
    assert_problem(clients["here"].delete(f"{SESSIONS}/{target}"), 404, "not_found")
    assert Session.objects.alive().filter(user=bob).count() == 1


def test_all_others_are_signed_out_and_this_one_stays(devices, bob):
    clients, pairs = devices
    other = open_session(bob, user_agent="")
    assert clients["here"].delete(SESSIONS).status_code == 204
    assert not _is_signed_in(clients["there"], pairs["there"])
    assert _is_signed_in(clients["here"], pairs["here"])
    assert Session.objects.alive().filter(pk=_session(other)).exists()


@pytest.mark.parametrize("which", ["all others", "one"])
def test_who_only_holds_a_device_signs_no_other_one_out(which, devices, alice):
    clients, pairs = devices
    alice.set_password(PASSWORD)
    User.objects.filter(pk=alice.pk).update(password=alice.password)
    path = SESSIONS if which == "all others" else f"{SESSIONS}/{UUID(_session(pairs['there']))}"
    Session.objects.update(confirmed_at=timezone.now() - timedelta(minutes=16))
    assert_problem(clients["here"].delete(path), 403, "confirmation_needed")
    assert_problem(clients["here"].post(CONFIRM, {"password": "a guess"}), 400, "invalid", {"password"})
    assert_problem(clients["here"].delete(path), 403, "confirmation_needed")
    assert _is_signed_in(clients["there"], pairs["there"])
    assert clients["here"].post(CONFIRM, {"password": PASSWORD}).status_code == 204
    assert clients["here"].delete(path).status_code == 204
    assert_problem(clients["there"].get(PROFILE), 401, "session_ended")


def test_this_device_signs_itself_out_without_a_word(devices):
    clients, pairs = devices
    Session.objects.update(confirmed_at=timezone.now() - timedelta(days=1))
    assert clients["here"].delete(f"{SESSIONS}/{UUID(_session(pairs['here']))}").status_code == 204


def _by_form(user: User) -> None:
    user.set_password("another good secret")
    user.save()


def _by_command(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: "another good secret")
    call_command("changepassword", username=user.email, verbosity=0)


def _by_deactivation(user: User) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


@pytest.mark.parametrize("change", ["password", "command", "deactivation"])
def test_a_new_password_and_a_deactivation_end_every_session_by_whatever_door(change, devices, alice, monkeypatch):
    clients, pairs = devices
    if change == "command":
        _by_command(alice, monkeypatch)
    else:
        {"password": _by_form, "deactivation": _by_deactivation}[change](alice)
    for name in clients:
        assert not _is_signed_in(clients[name], pairs[name])
    # Coming back brings none of them back.
    User.objects.filter(pk=alice.pk).update(is_active=True)
    for name in clients:
        assert not _is_signed_in(clients[name], pairs[name])


def test_any_other_change_of_the_account_ends_none(devices, alice):
    clients, pairs = devices
    alice.display_name = "Alice B."
    alice.save()
    assert _is_signed_in(clients["here"], pairs["here"])


def test_a_hash_that_is_renewed_at_sign_in_ends_none(alice, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    alice.set_password("a good old secret")
    alice.save()
    pair = open_session(alice, user_agent="")
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[::-1]
    assert alice.check_password("a good old secret")
    assert User.objects.get(pk=alice.pk).password.startswith("argon2")
    assert client_of().post(REFRESH, {"refresh": pair.refresh}).status_code == 200


@pytest.mark.parametrize("field", ["last_used_at", "created_at"])
def test_a_session_ends_by_its_age_however_new_its_tokens_are(field, devices, settings):
    clients, pairs = devices
    life = {"last_used_at": settings.SESSION_IDLE_LIFETIME, "created_at": settings.SESSION_LIFETIME}
    old = timezone.now() - life[field] - timedelta(seconds=1)
    Session.objects.filter(user_agent="there").update(**{field: old})
    assert [each["device"] for each in clients["here"].get(SESSIONS).json()["results"]] == ["here"]
    assert_problem(client_of().post(REFRESH, {"refresh": pairs["there"].refresh}), 401, "token_not_valid")


def test_an_access_token_of_another_s_session_is_refused(alice, bob):
    """Person and session belong together, even in a token with a good signature."""
    mixed = RefreshToken()
    mixed["user_id"], mixed["sid"] = str(bob.pk), _session(open_session(alice, user_agent=""))
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {mixed.access_token}")
    assert_problem(client.get(PROFILE), 401, "user_not_found")


def test_a_replay_of_a_refresh_token_is_audited(alice):
    pair = open_session(alice, user_agent="")
    for status in (200, 401, 401):
        time_passes()
        assert client_of().post(REFRESH, {"refresh": pair.refresh}).status_code == status
    assert AuditEntry.objects.filter(action="session.reused", subject_id=str(Session.objects.get().pk)).count() == 1


FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
NEWER, PHONE = FIREFOX.replace("143", "144"), "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) CriOS/140.0 Mobile Safari/604.1"


def test_a_sign_in_on_a_new_device_is_told_once(alice):
    def sign_in(agent, **headers):
        body = {"email": alice.email, "password": PASSWORD}
        answer = client_of().post("/api/v1/auth/login", body, headers={"User-Agent": agent, **headers})
        assert answer.status_code == 200
        return [(each.context["device"], each.context["place"]) for each in told.order_by("id")]

    alice.set_password(PASSWORD)
    alice.save()
    told = Notification.objects.mails().filter(user=alice, kind="new_sign_in")
    assert sign_in(FIREFOX) == []  # the first of all
    assert sign_in(NEWER) == []  # updated since
    assert sign_in(PHONE) == [("Chrome on iPhone", "127.0.0.0/24")]
    assert sign_in(FIREFOX) == sign_in(PHONE) == [("Chrome on iPhone", "127.0.0.0/24")]
    # What a program calls itself is not mailed to anybody.
    assert sign_in("evil.example.com/1")[1:] == [("", "127.0.0.0/24")]
    mail = compose(told.first())
    assert "Chrome on iPhone" in mail.body
    assert "127.0.0.0/24" in mail.body
    # Where nobody confirmed the address, it may be a stranger's.
    User.objects.filter(pk=alice.pk).update(email_verified_at=None)
    assert len(sign_in("Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0")) == 2


def test_a_new_device_is_told_of_its_own_sign_in_not_of_one_that_came_between(alice, monkeypatch):
    open_session(alice, user_agent=FIREFOX)

    def another_comes_between(user, **facts):
        session = start_session(user, **facts)
        open_session(user, user_agent=FIREFOX)
        return session

    monkeypatch.setattr(signing_in, "start_session", another_comes_between)
    signing_in.finish_sign_in(alice, user_agent=PHONE)
    told = Notification.objects.mails().get(user=alice, kind="new_sign_in")
    assert told.context["device"] == "Chrome on iPhone"


def test_staff_are_told_of_a_sign_in_to_the_back_office_on_a_new_device(person, settings):
    settings.STAFF_SECOND_FACTOR = False
    root = person("root", role="support")
    root.set_password(PASSWORD)
    root.save()
    told = Notification.objects.mails().filter(user=root, kind="new_sign_in").order_by("id")

    def sign_in(agent):
        form = {"username": root.email, "password": PASSWORD}
        assert Client(headers={"User-Agent": agent}).post("/admin/login/", form).status_code == 302
        return [each.context["device"] for each in told.all()]

    assert sign_in(FIREFOX) == []  # the first of all
    assert sign_in(NEWER) == []
    assert sign_in(PHONE) == sign_in(PHONE) == ["Chrome on iPhone"]
    # A device known from there is known here.
    client_of().post("/api/v1/auth/login", {"email": root.email, "password": PASSWORD}, headers={"User-Agent": PHONE})
    assert told.count() == 1
