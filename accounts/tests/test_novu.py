"""Novu: people are told once, whatever it answers and whoever dies; what it takes without telling is a failure."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts import services, tasks
from accounts.models import ForgottenSubscriber, Notification
from accounts.notification_types import MAILED_ONLY
from accounts.notifications import notify, notify_all
from accounts.novu import client, workflows
from accounts.services.deletion import pseudonymise
from accounts.tasks import (
    deliver_notification,
    deliver_waiting_notifications,
    forget_subscriber,
    forget_subscribers,
    requeue_dropped_notifications,
)
from accounts.words import kinds
from dev.services.novu import Novu, handler
from dev.services.web import Server

pytestmark = pytest.mark.django_db
LOST = {"raffle": "A fine watch", "raffle_id": "7"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Novu, str]]:
    """The stand-in, in a thread."""
    novu = Novu(key="the-key")
    started = Server(0, handler(novu))
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield novu, f"http://127.0.0.1:{started.server_port}"
    started.shutdown()
    started.server_close()


@pytest.fixture
def novu(server, settings) -> Novu:
    """The stand-in with all our workflows, told of nothing yet, and configured."""
    made, settings.NOVU_API_URL = server
    settings.NOVU_SECRET_KEY = "the-key"
    for each in (made.subscribers, made.told, made.requests, made.faults, made.answered, made.workflows):
        each.clear()
    made.workflows |= {name: {"active": True, "tags": [], **each} for name, each in workflows.workflows().items()}
    return made


def _messages() -> list[Notification]:
    return list(Notification.objects.filter(channel="novu").order_by("pk"))


def _tell(user, about="x") -> Notification:
    notify(user, "draw_lost", about=about, **LOST)
    return Notification.objects.get(channel="novu", dedupe_key__startswith=f"draw_lost:{about}:")


def _deliver(*messages: Notification) -> list[Notification]:
    deliver_notification(*(str(each.pk) for each in messages))
    for each in messages:
        each.refresh_from_db()
    return list(messages)


def test_without_a_key_nothing_is_written_for_novu_and_nobody_is_asked(alice, novu, settings):
    told = _tell(alice)
    settings.NOVU_SECRET_KEY = ""
    notify(alice, "draw_lost", about="y", **LOST)
    assert _messages() == [told]
    Notification.objects.mails().delete()
    assert (deliver_waiting_notifications(), forget_subscribers(), novu.requests) == (0, 0, [])


def test_a_message_triggers_the_workflow_of_its_kind_with_its_words_and_without_name_and_address(alice, novu):
    alice.preferences.language, alice.preferences.time_zone = "de", "Europe/Vienna"
    alice.preferences.save()
    (told,) = _deliver(_tell(alice))
    assert (told.status, told.answer, told.subject) == ("accepted", "processed", "Die Ziehung von A fine watch")
    (event,) = novu.told
    assert event["name"] == "luxewin-draw-lost"
    assert event["to"] == {"subscriberId": str(alice.pk), "locale": "de", "timezone": "Europe/Vienna"}
    assert event["transactionId"] == str(told.pk)
    assert event["payload"] == {
        "event": "draws",
        "subject": told.subject,
        "text": told.text,
        "links": [{"label": event["payload"]["links"][0]["label"], "url": "http://127.0.0.1:8000/verify/7"}],
    }
    assert alice.email not in str(novu.told)
    assert novu.subscribers == {str(alice.pk): event["to"]}


def test_up_to_a_hundred_messages_are_one_request(people, novu):
    many = people(101)
    notify_all("draw_lost", ((user, "x", LOST) for user in many))
    Notification.objects.mails().delete()
    assert deliver_waiting_notifications() == 101
    messages = _messages()
    _deliver(*messages[:100])
    _deliver(messages[100])
    assert novu.requests == [("POST", "/v1/events/trigger/bulk"), ("POST", "/v1/events/trigger")]
    assert {each.status for each in _messages()} == {"accepted"}
    assert len(novu.told) == 101


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"active": False}, "trigger_not_active"),
        ({"steps": []}, "no_workflow_steps_defined"),
        (None, "workflow_not_found"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_taken_is_not_told_and_staff_hear_of_it(change, said, count, alice, bob, mona, novu):
    if change is None:
        del novu.workflows["luxewin-draw-lost"]
    else:
        novu.workflows["luxewin-draw-lost"] |= change
    messages = [_tell(alice), _tell(bob, "y")][:count]
    for told in _deliver(*messages):
        assert told.status == "queued"
        assert said in told.error
    (alarm,) = Notification.objects.filter(kind="mail_failed")
    assert (alarm.user, said in alarm.context["reason"]) == (mona, True)


def test_one_faulty_event_holds_up_no_other(alice, bob, novu):
    del novu.workflows["luxewin-payment-failed"]
    notify(bob, "payment_failed", about="y", raffle="R")
    failed = Notification.objects.get(channel="novu")
    told, failed = _deliver(_tell(alice), failed)
    assert (told.status, failed.status) == ("accepted", "queued")


@pytest.mark.parametrize(
    ("fault", "least", "alarms"),
    [("unavailable", 0, 0), ("busy", 0, 0), ("strange", 0, 0), ("refused", 0, 1)],
)
def test_what_novu_did_not_take_is_tried_again_under_another_idempotency_key(fault, least, alarms, alice, mona, novu):
    novu.faults.append(fault)
    told = _tell(alice)
    _deliver(told)
    assert (told.status, told.attempts, novu.told) == ("queued", 1, [])
    assert told.error
    assert Notification.objects.filter(kind="mail_failed").count() == alarms
    _deliver(told)
    assert (told.status, told.attempts, told.error, len(novu.told)) == ("accepted", 2, "", 1)


def test_novu_says_how_long_it_wants_to_be_left_alone(alice, novu, monkeypatch):
    monkeypatch.setitem(
        handler.__globals__["FAULTS"], "rate_limited", (429, {"statusCode": 429}, {"Retry-After": "1800"})
    )
    novu.faults.append("rate_limited")
    (told,) = _deliver(_tell(alice))
    pause = told.claimed_until - timezone.now()
    assert timedelta(minutes=29) < pause < timedelta(minutes=31)
    assert client._pause("999999") == timedelta(hours=1)
    assert client._pause("soon") == client._pause(None) == timedelta()


@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_answer_and_a_dead_worker_tell_nobody_twice(count, alice, bob, novu, monkeypatch):
    messages = [_tell(user, str(number)) for number, user in enumerate((alice, bob)[:count])]
    novu.faults.append("lost")
    _deliver(*messages)
    assert [(each.status, len(novu.told)) for each in messages] == [("queued", count)] * count
    # Killed after Novu took them, before that was recorded.
    monkeypatch.setattr(tasks, "_accept", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        deliver_notification(*(str(each.pk) for each in messages))
    assert {each.status for each in _messages()} == {"sent"}
    monkeypatch.undo()
    Notification.objects.mails().delete()
    Notification.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert (requeue_dropped_notifications(), deliver_waiting_notifications()) == (count, count)
    _deliver(*messages)
    assert [each.status for each in messages] == ["accepted"] * count
    assert len(novu.told) == count
    assert len(novu.requests) == 3


def test_a_novu_that_refuses_a_transaction_it_knows_has_told_already(alice, novu, monkeypatch):
    refused = {"status": "error", "error": "transactionId property is not unique"}
    monkeypatch.setattr("accounts.channels.novu.trigger", lambda events, salt: [refused])
    (told,) = _deliver(_tell(alice))
    assert told.status == "accepted"


def test_sent_again_by_staff_it_is_another_transaction(alice, sam, novu):
    (told,) = _deliver(_tell(alice))
    services.send_again(told.pk, reason="r", actor=sam)
    _deliver(told)
    assert [each["transactionId"] for each in novu.told] == [str(told.pk), f"{told.pk}.1"]


def test_our_preferences_win_also_those_changed_meanwhile(alice, novu):
    told = _tell(alice)
    services.update_preferences(alice, notifications={"draws": {"novu": False}})
    _deliver(told)
    assert (told.status, novu.requests) == ("suppressed", [])
    notify(alice, "draw_lost", about="later", **LOST)
    assert len(_messages()) == 1


def test_excluded_people_hear_no_marketing_from_novu(alice, novu):
    services.update_preferences(alice, marketing_consent=True)
    notify(alice, "raffle_new", about="x", **LOST)
    (told,) = _messages()
    services.exclude_from_buying(alice, months=6, password=None, actor=alice)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert (told.status, novu.told) == ("suppressed", [])


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_novu_is_called(alice, novu, monkeypatch):
    seen = []
    monkeypatch.setattr(client, "release_connection", lambda: seen.append(connection.in_atomic_block))
    _deliver(_tell(alice))
    assert seen == [False]


def test_an_erasure_has_novu_forget_the_person_once_nobody_is_sending_any_more(alice, bob, novu):
    _deliver(_tell(alice))
    _tell(bob, "y")
    pseudonymise(bob)  # Novu was never told of him
    pseudonymise(alice)
    (note,) = ForgottenSubscriber.objects.all()
    assert note.pk == alice.pk
    assert note.claimed_until > timezone.now() + tasks.LEASE
    assert forget_subscribers() == 0
    ForgottenSubscriber.objects.update(claimed_until=None)
    assert forget_subscribers() == 1
    novu.faults.append("unavailable")
    forget_subscriber(str(alice.pk))
    assert (list(novu.subscribers), ForgottenSubscriber.objects.count()) == ([str(alice.pk)], 1)
    forget_subscriber(str(alice.pk))
    assert (novu.subscribers, ForgottenSubscriber.objects.count()) == ({}, 0)
    # Whom Novu does not know it has forgotten.
    ForgottenSubscriber.objects.create(pk=alice.pk)
    forget_subscriber(str(alice.pk))
    assert not ForgottenSubscriber.objects.exists()


def _sync(*arguments: str) -> str:
    out = StringIO()
    call_command("novu_sync", *arguments, stdout=out)
    return out.getvalue()


def test_sync_creates_what_is_missing_and_says_what_tells_nobody(novu, settings):
    wanted = {workflows.workflow_of(kind) for kind in kinds() if kind not in MAILED_ONLY}
    assert set(novu.workflows) == wanted
    assert f"All {len(wanted)} workflows are active" in _sync("--check")
    novu.workflows["luxewin-draw-won"]["active"] = False
    novu.workflows["luxewin-draw-lost"]["steps"] = []
    del novu.workflows["luxewin-purchase-paid"]
    out = StringIO()
    with pytest.raises(CommandError, match=f"3 of {len(wanted)} workflows tell nobody"):
        call_command("novu_sync", "--check", stdout=out)
    assert set(out.getvalue().splitlines()) == {
        "luxewin-draw-won: inactive",
        "luxewin-draw-lost: without steps",
        "luxewin-purchase-paid: missing",
    }
    assert "luxewin-purchase-paid" not in novu.workflows
    with pytest.raises(CommandError, match="2 of"):
        _sync()
    made = novu.workflows["luxewin-purchase-paid"]
    assert (made["active"], [step["type"] for step in made["steps"]]) == (True, ["in_app"])
    # People change their preferences here, not there.
    assert made["preferences"]["user"]["all"]["readOnly"]
    novu.faults.append("refused")
    with pytest.raises(CommandError, match="401"):
        _sync()
    settings.NOVU_SECRET_KEY = ""
    with pytest.raises(CommandError, match="NOVU_SECRET_KEY is not set"):
        _sync()
