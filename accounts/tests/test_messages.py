"""What became of a message, what it said, and sending it again: for staff, as long as retention allows."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import services
from accounts.errors import MessageGone, MessageUnderWay
from accounts.mail import REMOVED
from accounts.models import Notification, RetentionRule, User
from accounts.notifications import compose, notify
from accounts.tasks import deliver_notification
from accounts.tests.catching import mails_to, token_in
from luxewin.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/notification/"
WON = {"raffle": "A fine watch", "raffle_id": "1", "prize": "A watch", "ticket": 1}
TOKEN = re.compile(r"[\w-]{20,}:[\w-]{4,}|[\w-]+:[\w-]+:[\w-]{20,}")


def _sent(user: User, kind: str = "draw_won", about: str = "x", **context) -> Notification:
    notify(user, kind, about=about, **context or WON)
    told = Notification.objects.mails().get(user=user, kind=kind)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    return told


def test_what_the_mail_server_answered_and_what_was_written_is_kept(real_mail, person):
    user = person(f"k{timezone.now().timestamp()}")
    told = _sent(user)
    assert (told.status, told.answer) == ("accepted", "250 Caught")
    (caught,) = mails_to(user.email)
    assert (told.recipient, told.subject, told.text) == (user.email, caught["subject"], caught["text"])


@pytest.mark.parametrize("kind", ["verify_email", "reset_password"])
def test_what_opens_an_account_is_mailed_and_not_kept(kind, real_mail, person):
    user = person(f"o{timezone.now().timestamp()}", verified=kind != "verify_email")
    told = _sent(user, kind, email=user.email)
    (caught,) = mails_to(user.email)
    token = token_in(caught)
    assert told.text == caught["text"].replace(token, REMOVED)
    assert not TOKEN.search(told.text)


def test_a_link_that_unsubscribes_and_a_receipt_are_not_kept(alice, monkeypatch):
    monkeypatch.setitem(compose.__globals__["ADDED"], "purchase_paid", lambda _: {"receipt": '{"nonce":"0f"}'})
    told = _sent(alice, "purchase_paid", raffle="R", tickets={"first": 1, "last": 1, "count": 1})
    assert '{"nonce":"0f"}' in mail.outbox[0].body
    assert "unsubscribe?token=" in mail.outbox[0].body
    assert "nonce" not in told.text
    assert "token=" not in told.text


def test_one_event_is_one_message_a_channel(alice):
    told = _sent(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        Notification.objects.create(user=alice, kind=told.kind, dedupe_key=told.dedupe_key)


def test_a_message_is_on_its_way_while_the_mail_server_has_it(alice, monkeypatch):
    seen = []

    def compose_and_look(notification):
        seen.append(Notification.objects.mails().values_list("status", flat=True).get())
        return compose(notification)

    monkeypatch.setattr("accounts.channels.mail.compose", compose_and_look)
    assert _sent(alice).status == "accepted"
    assert seen == ["sent"]


def test_a_failed_message_keeps_what_would_have_been_sent(alice, settings, closed_port):
    settings.MAILERS = {
        "default": {"BACKEND": "accounts.mail.SmtpBackend", "OPTIONS": {"host": "127.0.0.1", "port": closed_port}}
    }
    told = _sent(alice)
    assert told.status == "queued"
    assert "ConnectionRefusedError" in told.error
    assert told.subject == "A fine watch: you won A watch"


@pytest.mark.parametrize("status", ["accepted", "failed", "suppressed"])
def test_what_is_sent_again_is_another_mail_with_its_own_id_and_an_audit_row(status, alice, sam):
    told = _sent(alice)
    Notification.objects.mails().update(status=status)
    services.send_again(told.pk, reason="She lost it.", actor=sam)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert (told.status, told.attempts, told.resends) == ("accepted", 1, 1)
    first, second = (each.message()["Message-ID"] for each in mail.outbox)
    assert (first, second) == (f"<{told.pk}@luxewin.example>", f"<{told.pk}.1@luxewin.example>")
    row = AuditEntry.objects.get(action="notification.sent_again")
    assert (row.actor, row.subject_id, row.before) == (sam.pk, str(told.pk), {"status": status})
    assert row.after == {"status": "queued", "kind": "draw_won", "reason": "She lost it."}


@pytest.mark.parametrize("status", Notification.OPEN)
def test_what_is_being_sent_is_not_sent_twice(status, alice, sam):
    notify(alice, "draw_won", about="x", **WON)
    Notification.objects.mails().update(status=status, attempts=3)
    with pytest.raises(MessageUnderWay):
        services.send_again(Notification.objects.mails().get().pk, reason="r", actor=sam)
    assert Notification.objects.mails().get().attempts == 3


def test_after_retention_words_are_gone_and_nothing_half_empty_is_sent(alice, sam, client):
    told = _sent(alice)
    days = RetentionRule.objects.get(pk="message_contents").keep_days
    Notification.objects.mails().update(created_at=timezone.now() - timedelta(days=days + 1))
    assert services.apply_rule("message_contents") == 1
    assert services.apply_rule("message_contents") == 0
    told.refresh_from_db()
    assert {name: getattr(told, name) for name in Notification.CONTENTS} == Notification.CONTENTS
    assert told.sent_at
    with pytest.raises(MessageGone):
        services.send_again(told.pk, reason="r", actor=sam)
    client.force_login(sam)
    assert "Removed on" in client.get(f"{LIST}{told.pk}/change/").content.decode()


def test_support_reads_a_message_and_sends_it_again_with_a_reason(alice, sam, client):
    told = _sent(alice)
    client.force_login(sam)
    page = client.get(f"{LIST}{told.pk}/change/").content.decode()
    assert "ticket 1 was picked in the draw of A fine watch" in page
    chosen = {"action": "send_again", "_selected_action": [str(told.pk)]}
    asked = client.post(LIST, chosen).content.decode()
    assert "Reason" in asked
    assert Notification.objects.mails().get().status == "accepted"
    answer = client.post(LIST, chosen | {"confirmed": "1", "reason": "She lost it."}, follow=True)
    assert "is queued again" in answer.content.decode()
    assert Notification.objects.mails().get().status == "queued"
    history = client.get(f"{LIST}{told.pk}/change/").content.decode()
    assert "notification.sent_again (accepted): She lost it." in history


def test_managers_send_again_and_do_not_read_what_was_written_to_somebody(alice, mona, client):
    told = _sent(alice)
    client.force_login(mona)
    page = client.get(f"{LIST}{told.pk}/change/").content.decode()
    assert "draw_won" in page
    assert "was picked" not in page
    chosen = {"action": "send_again", "_selected_action": [str(told.pk)], "confirmed": "1", "reason": "r"}
    client.post(LIST, chosen, follow=True)
    assert Notification.objects.mails().get().status == "queued"


def test_auditors_read_and_send_nothing(alice, audrey, client):
    told = _sent(alice)
    client.force_login(audrey)
    assert "was picked" in client.get(f"{LIST}{told.pk}/change/").content.decode()
    chosen = {"action": "send_again", "_selected_action": [str(told.pk)], "confirmed": "1", "reason": "r"}
    client.post(LIST, chosen, follow=True)
    assert Notification.objects.mails().get().status == "accepted"
