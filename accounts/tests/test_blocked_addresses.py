"""Addresses to which no mails go: those that bounce for good, those that complained, and those that staff block."""

import pytest
from django.test import Client

from accounts import services
from accounts.models import BlockedAddress, Notification
from accounts.notifications import notify
from accounts.tasks import deliver_notification
from luxewin.audit.models import AuditEntry
from luxewin.mail_providers import PROVIDERS

pytestmark = pytest.mark.django_db
LOST = {"raffle": "A fine watch", "raffle_id": "7"}
# As each provider names them.
PERMANENT = {
    "brevo": [{"event": "hard_bounce"}, {"event": "invalid_email"}],
    "postmark": [{"Type": "HardBounce"}, {"Type": "BadEmailAddress"}],
    "sparkpost": [{"msys": {"message_event": {"bounce_class": each}}} for each in ("10", "30")],
}
TRANSIENT = {
    "brevo": [{"event": "soft_bounce"}, {}],
    "postmark": [{"Type": "SoftBounce"}, {"Type": None}],
    "sparkpost": [{"msys": {"message_event": {"bounce_class": "22"}}}, {"msys": {}}, {"msys": 5}, None],
}


def told(user, about="x", **context):
    notify(user, "draw_lost", about=about, **LOST, **context)
    message = Notification.objects.mails().get(user=user, dedupe_key__startswith=f"draw_lost:{about}:")
    deliver_notification(str(message.pk))
    message.refresh_from_db()
    return message


def audited():
    return [
        (row.action, row.actor, row.before, row.after)
        for row in AuditEntry.objects.filter(action__contains="address_").order_by("id")
    ]


@pytest.mark.parametrize("name", PROVIDERS)
def test_only_what_will_never_arrive_is_permanent(name):
    assert all(PROVIDERS[name].is_permanent(each) for each in PERMANENT[name])
    assert not any(PROVIDERS[name].is_permanent(each) for each in TRANSIENT[name])


def test_no_mail_goes_to_a_blocked_address_and_the_message_says_so(alice, bob):
    sent = told(alice)
    for _ in range(2):
        services.block_recipient(str(sent.pk), resends=0, because="bounced", said="No\nsuch user")
    kept = told(alice, "y")
    assert (kept.status, kept.error) == ("suppressed", "No mails go to this address.")
    assert Notification.objects.get(user=alice, channel="inbox", dedupe_key=kept.dedupe_key).status == "delivered"
    assert told(alice, "z", to="Other@example.com").status == told(bob).status == "accepted"
    assert BlockedAddress.objects.get().detail == "No such user"
    assert audited() == [("user.address_blocked", None, {}, {"because": "bounced"})]


def test_an_address_is_blocked_for_what_went_there_and_not_for_an_earlier_sending(alice, sam):
    sent = told(alice, to="other@example.com")
    for key, resends in ((sent.pk, 1), ("00000000-0000-0000-0000-000000000000", 0)):
        services.block_recipient(str(key), resends=resends, because="complained", said="")
    assert not BlockedAddress.objects.exists()
    services.block_recipient(str(sent.pk), resends=0, because="complained", said="")
    assert BlockedAddress.objects.get().email == "other@example.com"


def test_staff_block_and_unblock_an_address_with_a_reason(alice, sam, settings):
    settings.STAFF_SECOND_FACTOR = False
    desk = Client()
    desk.force_login(sam)

    def act(page, name, row, **more):
        sent = {"action": name, "_selected_action": [str(row.pk)], **more}
        answer = desk.post(f"/admin/accounts/{page}/", sent, follow=True)
        assert answer.status_code == 200
        return answer.content.decode()

    def confirmed(page, name, row, reason):
        return act(page, name, row, confirmed="1", reason=reason)

    assert "No mail at all" in act("user", "block_address", alice)
    assert not BlockedAddress.objects.exists()
    confirmed("user", "block_address", alice, "She called.")
    assert "No mails go to this address already." in confirmed("user", "block_address", alice, "Again.")
    blocked = BlockedAddress.objects.get()
    assert (blocked.user, blocked.email, blocked.because) == (alice, alice.email, "staff")
    assert "are not sent since" in desk.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    assert alice.email in desk.get("/admin/accounts/blockedaddress/").content.decode()
    assert told(alice).status == "suppressed"
    confirmed("blockedaddress", "unblock", blocked, "She called again.")
    assert told(alice, "y").status == "accepted"
    assert audited() == [
        ("user.address_blocked", sam.pk, {}, {"because": "staff", "reason": "She called."}),
        ("user.address_unblocked", sam.pk, {"because": "staff"}, {"reason": "She called again."}),
    ]
