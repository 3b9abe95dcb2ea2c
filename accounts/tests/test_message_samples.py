"""Samples of messages in the back office, and messages that staff keep from being sent."""

import re

import pytest
from django.conf import settings

from accounts import services
from accounts.errors import MessageUnderWay
from accounts.message_samples import sample_mail
from accounts.models import Notification
from accounts.notifications import notify
from accounts.tasks import deliver_notification, deliver_waiting_notifications
from accounts.words import kinds
from luxewin.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/notification/"
TOKEN = re.compile(r"token=(?!sample\b)\S")


@pytest.mark.parametrize("language", dict(settings.LANGUAGES))
def test_every_kind_has_a_sample_without_gaps_and_working_links(language):
    for kind in kinds():
        mail = sample_mail(kind, language)
        html = mail.alternatives[0][0]
        assert "Ada Example" in mail.body
        assert not TOKEN.search(mail.body + html), kind
        # Where a value is missing, a space or a sign stands alone.
        assert not re.search(r" [.,]| :\s*$|\(\)|: *\n    ", mail.body.replace(" : ", ": ")), (kind, mail.body)


def test_staff_see_the_samples_and_others_do_not(sam, alice, client):
    assert client.get(f"{LIST}samples/").status_code == 302
    client.force_login(sam)
    assert f"{LIST}samples/" in client.get(LIST).content.decode()
    page = client.get(f"{LIST}samples/").content.decode()
    assert f"{LIST}samples/draw_won/fr/html/" in page
    shown = client.get(f"{LIST}samples/draw_won/fr/html/")
    assert "vous avez gagné A watch of gold" in shown.content.decode()
    policy = shown["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    text = client.get(f"{LIST}samples/draw_won/de/text/")
    assert text["Content-Type"] == "text/plain; charset=utf-8"
    assert "Herzlichen" not in text.content.decode()
    assert "herzlichen Glückwunsch" in text.content.decode()
    for wrong in ("draw_won/xx/html/", "nothing/en/html/", "draw_won/en/pdf/"):
        assert client.get(f"{LIST}samples/{wrong}").status_code == 404


def test_a_message_that_waits_is_not_sent_with_a_reason_and_can_be_sent_later(alice, sam, client):
    notify(alice, "draw_lost", about="x", raffle="R", raffle_id="1")
    told = Notification.objects.mails().get()
    client.force_login(sam)
    chosen = {"action": "suppress", "_selected_action": [str(told.pk)], "confirmed": "1", "reason": "Told by phone."}
    assert "is not sent" in client.post(LIST, chosen, follow=True).content.decode()
    told.refresh_from_db()
    assert told.status == "suppressed"
    assert deliver_waiting_notifications() == 0
    row = AuditEntry.objects.get(action="notification.suppressed")
    assert (row.actor, row.before, row.after["reason"]) == (sam.pk, {"status": "queued"}, "Told by phone.")
    services.send_again(told.pk, reason="r", actor=sam)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    assert told.status == "accepted"
    with pytest.raises(MessageUnderWay):
        services.suppress(told.pk, reason="r", actor=sam)
