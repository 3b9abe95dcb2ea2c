"""Whether a message is wanted is asked again right before it is sent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.links import unsubscribe_token
from accounts.models import Notification, User
from accounts.notification_types import UNTIL
from accounts.notifications import notify
from accounts.services import exclude_from_buying, pause_buying, unsubscribe, update_preferences
from accounts.tasks import deliver_notification

pytestmark = pytest.mark.django_db
CHANGES = {
    "excluded": lambda user: exclude_from_buying(user, months=6, password=None, actor=user),
    "paused": lambda user: pause_buying(user, hours=24, actor=user),
    "consent withdrawn": lambda user: update_preferences(user, marketing_consent=False),
    "unsubscribed": lambda user: unsubscribe(token=unsubscribe_token(user, "raffles", "email")),
    "closed": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    "forgotten": lambda user: User.objects.filter(pk=user.pk).update(email="deleted-1@deleted.invalid"),
}
MARKETING = {"raffle": "A fine watch", "slug": "a-fine-watch", "raffle_id": "1"}


def status_after_sending(told):
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    return told.status


def written(user, kind, **context):
    notify(user, kind, about=timezone.now().isoformat(), **context)
    return Notification.objects.mails().get(user=user, kind=kind)


@pytest.fixture
def consenting(alice):
    update_preferences(alice, marketing_consent=True)
    return alice


@pytest.mark.parametrize("change", CHANGES)
def test_marketing_that_was_written_before_is_not_sent_after(change, consenting):
    told = written(consenting, "raffle_new", **MARKETING)
    CHANGES[change](consenting)
    assert status_after_sending(told) == "suppressed"


@pytest.mark.parametrize("change", ["excluded", "paused"])
def test_no_marketing_is_written_to_who_keeps_themselves_from_buying(change, consenting):
    CHANGES[change](consenting)
    notify(consenting, "raffle_new", about="x", **MARKETING)
    assert not Notification.objects.mails().filter(kind="raffle_new").exists()


def test_what_was_switched_off_meanwhile_is_not_sent(alice):
    told = written(alice, "draw_lost", raffle="A fine watch", raffle_id="1")
    update_preferences(alice, notifications={"draws": {"email": False}})
    assert status_after_sending(told) == "suppressed"


@pytest.mark.parametrize("kind", ["reset_password", "verify_email"])
def test_no_link_goes_to_an_account_that_was_closed_meanwhile(kind, alice):
    told = written(alice, kind)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert status_after_sending(told) == "suppressed"


def test_what_is_about_tickets_and_the_account_is_told_in_a_pause_too(alice):
    told = written(alice, "draw_lost", raffle="A fine watch", raffle_id="1")
    pause_buying(alice, hours=24, actor=alice)
    assert status_after_sending(told) == "accepted"
    assert status_after_sending(Notification.objects.mails().get(kind="paused")) == "accepted"


@pytest.mark.parametrize("kind", sorted(UNTIL))
def test_a_reminder_of_a_time_that_has_passed_is_not_sent(kind, alice, bob):
    facts = {"raffle": "A fine watch", "raffle_id": "1", "claims": []}
    told = {
        user: written(user, kind, until=(timezone.now() + timedelta(minutes=left)).isoformat(), **facts)
        for user, left in ((alice, -1), (bob, 5))
    }
    assert [status_after_sending(each) for each in told.values()] == ["suppressed", "accepted"]
