"""Preferences: what one is told of by which channel, what one consented to, and the link that ends mails."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.links import unsubscribe_token
from accounts.models import Notification, Preferences
from accounts.notification_types import ALWAYS, CHANNELS, OPTIONAL, event_of
from accounts.notifications import compose, notify
from accounts.services import preferences
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

PREFERENCES = "/api/v1/users/preferences"
LOST = {"raffle": "A fine watch", "raffle_id": "1"}
KINDS = [(kind, name) for name, event in OPTIONAL.items() for kind in sorted(event.kinds)]


def _told(user, kind: str) -> int:
    notify(user, kind, about=timezone.now().isoformat(), **LOST)
    return Notification.objects.mails().filter(user=user, kind=kind).count()


def test_preferences_change_and_are_kept(alice):
    change = {"time_zone": "Europe/Vienna", "language": "de", "winner_name": "anonymous", "marketing_consent": True}
    client = client_of(alice)
    assert client.patch(PREFERENCES, change).json().items() >= change.items()
    assert client.get(PREFERENCES).json().items() >= change.items()


def test_every_event_is_shown_with_every_channel_and_on_at_first(alice):
    shown = client_of(alice).get(PREFERENCES).json()["notifications"]
    assert shown == {event: dict.fromkeys(CHANNELS, True) for event in (*OPTIONAL, ALWAYS)}


def test_a_switch_changes_alone(alice):
    client = client_of(alice)
    client.patch(PREFERENCES, {"notifications": {"draws": {"email": False}}})
    answer = client.patch(PREFERENCES, {"notifications": {"purchases": {"email": False}, "account": {"email": True}}})
    wanted = {"draws": False, "purchases": False, "raffles": True, "holds": True, "reminders": True, "account": True}
    shown = {event: dict.fromkeys(CHANNELS, True) | {"email": is_on} for event, is_on in wanted.items()}
    assert answer.json()["notifications"] == shown
    client.patch(PREFERENCES, {"notifications": {"draws": {"email": True}}})
    # Only what is off is kept: what comes later begins switched on.
    assert Preferences.objects.get(user=alice).switched_off == {"purchases": ["email"]}


def test_a_change_to_what_it_was_writes_nothing(alice):
    client = client_of(alice)
    with nothing_written():
        client.patch(
            PREFERENCES, {"notifications": {"draws": {"email": True}}, "language": "en", "marketing_consent": False}
        )


def test_every_wrong_preference_is_named(alice):
    wrong = {
        "language": "xx",
        "time_zone": "Mars/Olympus",
        "winner_name": "king",
        "marketing_consent": "x",
        "notifications": {
            "drawz": {"email": False},
            "draws": {"fax": True, "email": "x"},
            "purchases": False,
            "account": {"email": False},
        },
    }
    fields = {"language", "time_zone", "winner_name", "marketing_consent", "notifications.drawz"}
    fields |= {"notifications.draws.fax", "notifications.draws.email"}
    fields |= {"notifications.purchases", "notifications.account.email"}
    client = client_of(alice)
    with nothing_written():
        response = client.patch(PREFERENCES, wrong)
    assert_problem(response, 400, "invalid", fields)


@pytest.mark.parametrize(("kind", "event"), KINDS)
def test_preferences_switch_off_what_is_optional(kind, event, alice):
    services.update_preferences(alice, notifications={event: {"email": False}}, marketing_consent=True)
    assert _told(alice, kind) == 0
    services.update_preferences(alice, notifications={event: {"email": True}})
    assert _told(alice, kind) == 1


@pytest.mark.parametrize("kind", ["draw_won", "purchase_refunded", "verify_email", "already_registered"])
def test_what_people_must_know_is_always_sent(kind, alice):
    assert event_of(kind) == ALWAYS
    services.update_preferences(alice, notifications={event: {"email": False} for event in OPTIONAL})
    assert _told(alice, kind) == 1


def test_news_of_raffles_go_to_those_alone_who_consented_and_are_still_there(alice, bob, person):
    gone = person("gone", is_active=False)
    for each in (alice, gone):
        services.update_preferences(each, marketing_consent=True)
    stranger = person("stranger")
    Preferences.objects.filter(user=stranger).delete()
    told = [user.email for user in (alice, bob, gone, stranger) if _told(user, "raffle_new")]
    assert told == [alice.email]
    services.withdraw_consent(alice, by="a test")
    assert _told(alice, "raffle_new") == 1


def test_consent_keeps_its_time_until_it_is_withdrawn(alice):
    client = client_of(alice)
    given = client.patch(PREFERENCES, {"marketing_consent": True}).json()["marketing_consent_at"]
    assert timezone.now() - Preferences.objects.get(user=alice).marketing_consent_at < timedelta(minutes=1)
    dated = {"marketing_consent": True, "marketing_consent_at": "2000-01-01T00:00:00Z"}
    assert_problem(client.patch(PREFERENCES, dated), 400, fields={"marketing_consent_at"})
    assert client.patch(PREFERENCES, {"marketing_consent": True}).json()["marketing_consent_at"] == given
    assert client.patch(PREFERENCES, {"marketing_consent": False}).json()["marketing_consent_at"] is None


def test_when_consent_was_given_and_withdrawn_from_where_and_to_which_words_can_be_proved(alice):
    client = client_of(alice)
    for consent in (True, True, False):
        client.patch(PREFERENCES, {"marketing_consent": consent})
    proof = AuditEntry.objects.filter(action__startswith="consent.").order_by("id")
    rows = [(row.action, row.subject_id, row.actor, row.address, row.after) for row in proof]
    said = {"to": "marketing", "by": "preferences"}
    assert rows == [
        ("consent.given", str(alice.pk), alice.pk, "127.0.0.1", said | {"text": services.preferences.CONSENT_TEXT}),
        ("consent.withdrawn", str(alice.pk), alice.pk, "127.0.0.1", said),
    ]


def _link_of(user, kind: str) -> str:
    told = Notification(user=user, kind=kind, context=LOST | {"tickets": {"first": 1, "last": 1, "count": 1}})
    mail = compose(told)
    headers = mail.message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Id"] == f"<{event_of(kind)}.{headers['Message-ID'].partition('@')[2]}"
    link = headers["List-Unsubscribe"].strip("<>")
    # Up to the second in which it was signed.
    assert link.partition(":1")[0] in mail.body
    return link


@pytest.mark.parametrize(("kind", "event"), KINDS)
def test_one_click_of_a_mail_program_switches_that_event_off_and_no_other(kind, event, alice, bob):
    for each in (alice, bob):
        services.update_preferences(each, marketing_consent=True)
    link = _link_of(alice, kind)
    # As RFC 8058 has it: a form of one field, no cookies, and no page before it.
    answer = Client(enforce_csrf_checks=True).post(link, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert {name: _told(alice, name) for name, _ in KINDS} == {name: 0 if of == event else 1 for name, of in KINDS}
    assert _told(bob, kind) == 1


def test_opening_the_link_switches_nothing_off_and_its_button_does(alice):
    link = _link_of(alice, "draw_lost")
    browser = Client()
    with nothing_written():
        assert b"<button" in browser.get(link).content
    assert browser.post(link).status_code == 200
    assert Preferences.objects.get(user=alice).switched_off == {"draws": ["email"]}
    with nothing_written():
        assert browser.post(link).status_code == 200


def test_unsubscribing_from_marketing_withdraws_the_consent(alice):
    services.update_preferences(alice, marketing_consent=True)
    Client().post(_link_of(alice, "raffle_new"))
    assert not Preferences.objects.get(user=alice).marketing_consent
    assert AuditEntry.objects.get(action="consent.withdrawn").after["by"] == "unsubscribe"


def test_mails_that_are_always_sent_offer_no_way_to_end_them(alice):
    message = compose(Notification(user=alice, kind="password_changed")).message()
    assert message["List-Unsubscribe"] is None
    assert message["List-Id"] is None


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: "", lambda token: f"x{token}", "x" * 400])
def test_a_token_that_is_not_ours_is_refused(change, alice):
    token = unsubscribe_token(alice, "draws", "email")
    token = change if isinstance(change, str) else change(token)
    with nothing_written():
        answer = Client().post(f"/unsubscribe?token={token}")
    assert answer.status_code == 400


def _switch_two_at_once(alice, monkeypatch) -> set[str]:
    """Two requests, of which the first reads and then dawdles until the second is through; what is off at the end."""
    read, through, merged = threading.Event(), threading.Event(), preferences.merged

    def slow(*arguments):
        if not read.is_set():
            read.set()
            through.wait(1)
        return merged(*arguments)

    monkeypatch.setattr(preferences, "merged", slow)

    def switch(event: str) -> None:
        try:
            services.update_preferences(alice, notifications={event: {"email": False}})
        finally:
            connection.close()

    first = threading.Thread(target=switch, args=("draws",))
    first.start()
    assert read.wait(30)
    second = threading.Thread(target=switch, args=("purchases",))
    second.start()
    second.join(0.5)
    through.set()
    for each in (first, second):
        each.join(30)
    return set(Preferences.objects.get(user=alice).switched_off)


@pytest.mark.django_db(transaction=True)
def test_two_switches_at_once_are_both_kept(alice, monkeypatch):
    assert _switch_two_at_once(alice, monkeypatch) == {"draws", "purchases"}


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_one_of_two_switches_at_once_is_lost(alice, monkeypatch, without_row_locks):
    assert _switch_two_at_once(alice, monkeypatch) == {"draws"}
