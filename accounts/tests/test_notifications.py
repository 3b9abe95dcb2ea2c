"""Notifications: at least once, under one Message-ID, tried again while the mail server is away, given up at last."""

import logging
import socket
import threading
from datetime import timedelta
from email import message_from_bytes

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from accounts.channels.mail import MailChannel
from accounts.models import Notification, User
from accounts.notifications import compose, notify, notify_all
from accounts.tasks import (
    LEASE,
    MOST_WAITING,
    deliver_notification,
    deliver_waiting_notifications,
    requeue_dropped_notifications,
)
from accounts.tests.catching import mails_to
from luxewin import settings as project_settings
from luxewin.tasks.queue import enqueue

LOST = {"raffle": "A fine watch", "raffle_id": "1"}


@pytest.fixture
def mail_is_away(settings) -> None:
    """The configured mail server's port is closed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    mailer = project_settings.MAILERS["default"]
    settings.MAILERS = {"default": mailer | {"OPTIONS": mailer["OPTIONS"] | {"port": port}}}


def _told(user) -> Notification:
    notify(user, "draw_lost", about="x", **LOST)
    return Notification.objects.mails().get(user=user)


def test_a_notification_is_written_with_its_change_and_sent_by_a_worker(real_mail, person, run_tasks):
    user = person(f"n{timezone.now().timestamp()}")
    told = _told(user)
    assert told.status == Notification.Status.QUEUED
    run_tasks()
    told.refresh_from_db()
    assert (told.status, told.attempts, told.error) == (Notification.Status.ACCEPTED, 1, "")
    assert [mail["subject"] for mail in mails_to(user.email)] == ["The draw of A fine watch"]


def test_nothing_is_told_of_a_change_that_was_rolled_back(alice):
    with transaction.atomic():
        _told(alice)
        transaction.set_rollback(True)
    assert Notification.objects.mails().count() == 0
    assert deliver_waiting_notifications() == 0


def test_the_same_news_is_told_once_and_other_news_again(alice, bob):
    for about in ("x", "x", "y"):
        notify(alice, "draw_lost", about=about, **LOST)
    notify(bob, "draw_lost", about="x", **LOST)
    assert Notification.objects.mails().filter(user=alice).count() == 2
    assert deliver_waiting_notifications() == 3
    # They are claimed now: another worker's sweep leaves them alone.
    assert deliver_waiting_notifications() == 0


def test_a_message_that_cannot_be_written_is_counted_logged_by_kind_and_given_up_too(alice, caplog):
    notify(alice, "export_ready", about="x")  # of no export
    told = Notification.objects.mails().get()
    for _ in range(Notification.MAX_ATTEMPTS):
        deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert (told.status, told.attempts) == (Notification.Status.FAILED, Notification.MAX_ATTEMPTS)
    assert told.error
    assert f"notification {told.pk} (export_ready, attempt 1) cannot be sent" in caplog.text


def test_a_task_that_runs_twice_sends_once(real_mail, person):
    user = person(f"t{timezone.now().timestamp()}")
    told = _told(user)
    for _ in range(3):
        deliver_notification(str(told.pk))
    assert len(mails_to(user.email)) == 1


def test_a_dead_mail_server_is_logged_counted_and_tried_again_under_the_same_message_id(
    mail_is_away, settings, person, run_tasks, caplog
):
    user = person(f"d{timezone.now().timestamp()}")
    told = _told(user)
    with caplog.at_level(logging.ERROR, logger="accounts.channels.mail"):
        run_tasks()
    told.refresh_from_db()
    assert (told.status, told.attempts) == (Notification.Status.QUEUED, 1)
    assert told.error
    assert told.claimed_until > timezone.now()
    assert [
        line for line in caplog.messages if line.startswith(f"mail server refused notification {told.pk} (attempt 1)")
    ]
    first = compose(told).message()["Message-ID"]
    settings.MAILERS = project_settings.MAILERS
    # The sweep leaves it alone until its pause is over, and then takes it up.
    assert deliver_waiting_notifications() == 0
    Notification.objects.mails().update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert deliver_waiting_notifications() == 1
    run_tasks()
    told.refresh_from_db()
    assert (told.status, told.attempts, told.error) == (Notification.Status.ACCEPTED, 2, "")
    assert len(mails_to(user.email)) == 1
    assert compose(told).message()["Message-ID"] == first == f"<{told.pk}@luxewin.example>"


def test_pauses_grow_up_to_an_hour_and_after_the_last_attempt_it_is_given_up(mail_is_away, alice):
    told = _told(alice)
    pauses = []
    for _ in range(Notification.MAX_ATTEMPTS):
        deliver_notification(str(told.pk))
        told.refresh_from_db()
        pauses.append(told.claimed_until - timezone.now())
    assert (told.status, told.attempts) == (Notification.Status.FAILED, Notification.MAX_ATTEMPTS)
    assert pauses == sorted(pauses) or pauses[-1] <= timedelta(hours=1)
    assert timedelta(seconds=8) < pauses[0] < timedelta(seconds=11)
    assert max(pauses) <= timedelta(hours=1)
    # Given up is given up, until an operator looks.
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert told.attempts == Notification.MAX_ATTEMPTS
    assert deliver_waiting_notifications() == 0


def test_a_worker_that_dies_while_sending_has_counted_its_attempt(alice, monkeypatch):
    told = _told(alice)

    def die(notification):
        raise SystemExit

    monkeypatch.setattr("accounts.channels.mail.compose", die)
    with pytest.raises(SystemExit):
        deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert (told.status, told.attempts) == (Notification.Status.SENT, 1)


def test_a_message_whose_worker_died_is_sent_again_after_its_lease(alice):
    told = _told(alice)
    Notification.objects.filter(pk=told.pk).update(status="sent", attempts=1, claimed_until=timezone.now() + LEASE)
    assert (requeue_dropped_notifications(), deliver_waiting_notifications()) == (0, 0)
    deliver_notification(str(told.pk))
    assert mail.outbox == []
    Notification.objects.filter(pk=told.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert (requeue_dropped_notifications(), deliver_waiting_notifications()) == (1, 1)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert (told.status, told.attempts, len(mail.outbox)) == ("accepted", 2, 1)


def test_a_message_that_was_enqueued_twice_is_sent_once_though_both_tasks_run_at_once(alice, monkeypatch):
    told = _told(alice)

    def another_task_runs(*messages):
        deliver_notification(str(told.pk))
        return compose(*messages)

    monkeypatch.setattr("accounts.channels.mail.compose", another_task_runs)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert (told.status, told.attempts, len(mail.outbox)) == ("accepted", 1, 1)


def test_mails_of_one_task_are_sent_at_the_same_time_and_each_has_its_own_answer(people, monkeypatch):
    everyone = people(3)
    notify_all("draw_lost", ((user, "x", LOST) for user in everyone))
    together = threading.Barrier(3)

    def send(sent):
        together.wait(timeout=30)
        if sent.to == [everyone[1].email]:
            raise OSError("no room")

    monkeypatch.setattr("accounts.mail.Mail.send", send)
    deliver_notification(*(str(each.pk) for each in Notification.objects.mails()))
    states = dict(Notification.objects.mails().values_list("user", "status"))
    assert [states[user.pk] for user in everyone] == ["accepted", "queued", "accepted"]
    assert Notification.objects.mails().get(user=everyone[1]).error == "OSError: no room"


def test_what_cannot_wait_goes_first_and_many_mails_leave_the_queue_to_other_work(people, alice):
    notify_all("draw_lost", ((user, "x", LOST) for user in people(3 * MailChannel.most)))
    notify(alice, "payment_failed", about="x", **LOST)
    for _ in range(MOST_WAITING):
        enqueue(deliver_notification, "00000000-0000-0000-0000-000000000000")
    assert deliver_waiting_notifications() == MailChannel.most
    latest = OrmQ.objects.latest("id").task["args"]
    taken = Notification.objects.mails().filter(claimed_until__gt=timezone.now())
    assert {str(each.pk) for each in taken} >= set(latest)
    assert taken.filter(user=alice).exists()
    OrmQ.objects.all().delete()
    assert deliver_waiting_notifications() == 2 * MailChannel.most + 1


def test_a_name_with_a_line_break_cannot_write_headers(alice):
    alice.display_name = "Eve\nBcc: all@example.com"
    notify(alice, "draw_won", about="x", prize="A\r\nBcc: all@example.com\n", ticket=1, raffle="R", raffle_id="1")
    parsed = message_from_bytes(compose(Notification.objects.mails().select_related("user").get()).message().as_bytes())
    assert parsed["Bcc"] is None


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n", "\u202e"])
def test_what_is_stored_already_is_put_on_one_line_and_sent(odd, alice):
    User.objects.filter(pk=alice.pk).update(display_name=f"Al{odd}ice")
    notify(alice, "draw_won", about="x", raffle=f"A{odd}raffle", raffle_id="1", prize=f"A{odd}watch", ticket=1)
    deliver_notification(str(Notification.objects.mails().get().pk))
    (sent,) = mail.outbox
    assert sent.subject == "A raffle: you won A watch"
    assert "Hello Al ice,\n" in sent.body
    assert "ticket 1 was picked in the draw of A raffle" in sent.body
    assert Notification.objects.mails().get().status == Notification.Status.ACCEPTED


def test_a_mail_that_cannot_be_composed_alarms_staff_once_a_day_and_its_kind(alice, bob, mona, charlie):
    User.objects.filter(pk=charlie.pk).update(is_superuser=True)
    for person in (alice, bob):
        notify(person, "export_ready", about="x")  # of no export
    for told in Notification.objects.mails():
        for _ in range(2):
            deliver_notification(str(told.pk))
    alarms = Notification.objects.mails().filter(kind="mail_failed")
    assert {alarm.user for alarm in alarms} == {mona, charlie}
    assert alarms.count() == 2
    deliver_notification(str(alarms[0].pk))
    (sent,) = mail.outbox
    assert "export_ready" in sent.body
    assert "KeyError" in sent.body


def test_an_alarm_that_cannot_be_written_raises_no_further_one(mona, monkeypatch):
    notify(mona, "mail_failed", about="x")
    monkeypatch.setattr("accounts.channels.mail.compose", lambda _: 1 / 0)
    deliver_notification(str(Notification.objects.mails().get().pk))
    assert Notification.objects.mails().count() == 1


def test_a_message_that_is_given_up_because_of_the_mail_server_alarms_staff(mail_is_away, alice, mona):
    told = _told(alice)
    for _ in range(Notification.MAX_ATTEMPTS):
        deliver_notification(str(told.pk))
    assert [alarm.user for alarm in Notification.objects.mails().filter(kind="mail_failed")] == [mona]


def test_many_are_told_with_one_statement_for_every_thousand_and_nobody_twice_in_one(people, django_assert_num_queries):
    everyone = people(3)
    with django_assert_num_queries(4):  # who does not want it, the time, who has quiet hours, the rows
        notify_all("draw_lost", ((user, "x", LOST) for user in everyone * 2))
    assert Notification.objects.mails().count() == 3
    assert Notification.objects.mails()[0].context == LOST
    with django_assert_num_queries(0):
        notify_all("draw_lost", [])
