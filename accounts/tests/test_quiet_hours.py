"""Quiet hours and digests: what can wait is sent later, in the person's time zone; the inbox has it at once."""

from datetime import UTC, datetime, time

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Notification, Preferences
from accounts.notifications import notify
from accounts.services import update_preferences
from accounts.tasks import deliver_waiting_notifications

pytestmark = pytest.mark.django_db
PREFERENCES = "/api/v1/users/preferences"
LOST = {"raffle": "A fine watch", "raffle_id": "7"}
NIGHT = {"quiet_from": time(22), "quiet_until": time(7)}


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-12-01T20:59", None),
        ("2026-12-01T21:00", "2026-12-02T06:00"),  # 22:00 in Vienna
        ("2026-12-02T05:59", "2026-12-02T06:00"),
        ("2026-12-02T06:00", None),
        # The night in which the clocks are put forward.
        ("2027-03-27T22:00", "2027-03-28T05:00"),
    ],
)
def test_they_may_pass_midnight_and_follow_the_persons_clock(now, ends):
    asleep = Preferences(time_zone="Europe/Vienna", **NIGHT)
    found = asleep.quiet_ends(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (found and found.astimezone(UTC)) == (ends and datetime.fromisoformat(ends).replace(tzinfo=UTC))


def test_within_a_day_and_without_any():
    at_noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert Preferences().quiet_ends(at_noon) is None
    assert Preferences(quiet_from=time(11), quiet_until=time(13)).quiet_ends(at_noon) == at_noon.replace(hour=13)
    assert Preferences(quiet_from=time(13), quiet_until=time(14)).quiet_ends(at_noon) is None


def test_what_can_wait_waits_and_what_cannot_is_sent(alice, bob, monkeypatch):
    now = datetime(2020, 12, 1, 23, tzinfo=UTC)
    monkeypatch.setattr("accounts.notifications.database_now", lambda: now)
    Preferences.objects.filter(user=alice).update(**NIGHT)
    for user in (alice, bob):
        notify(user, "draw_lost", about="x", **LOST)
        notify(user, "payment_failed", about="x", **LOST)
        notify(user, "purchase_paid", about="x", **LOST)
    waiting = Notification.objects.mails().filter(claimed_until__gt=now)
    (told,) = waiting
    assert (told.user, told.kind, told.claimed_until) == (alice, "draw_lost", datetime(2020, 12, 2, 7, tzinfo=UTC))
    assert {each.kind for each in Notification.objects.inbox_of(alice)} == {
        "draw_lost",
        "payment_failed",
        "purchase_paid",
    }
    waiting.update(claimed_until=datetime(2126, 1, 1, tzinfo=UTC))
    assert deliver_waiting_notifications() == 5
    waiting.filter(user=alice, kind="draw_lost").update(claimed_until=datetime(2026, 1, 1, tzinfo=UTC))
    assert deliver_waiting_notifications() == 1


def test_they_have_both_ends_which_differ(alice, api):
    client = api(alice)
    assert client.patch(PREFERENCES, {"quiet_from": "22:00", "quiet_until": "07:00"}).json()["quiet_from"] == "22:00:00"
    for body, field in (
        ({"quiet_from": None}, "quiet_from"),
        ({"quiet_until": "22:00"}, "quiet_until"),
        ({"quiet_until": "25:00"}, "quiet_until"),
    ):
        answer = client.patch(PREFERENCES, body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert client.patch(PREFERENCES, {"quiet_from": None, "quiet_until": None}).json()["quiet_until"] is None
    for broken in ({"quiet_from": time(1)}, {"quiet_from": time(1), "quiet_until": time(1)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Preferences.objects.filter(user=alice).update(**broken)


def mails_to(user):
    return [each for each in mail.outbox if each.to == [user.email]]


@pytest.mark.parametrize(
    ("now", "facts", "due"),
    [
        ("2026-12-01T07:59", {}, "2026-12-01T08:00"),  # 9:00 in Vienna
        ("2026-12-01T08:00", {}, "2026-12-02T08:00"),
        ("2026-12-01T05:00", NIGHT, "2026-12-01T06:00"),
        ("2027-03-27T09:00", {}, "2027-03-28T07:00"),  # the clocks are put forward
    ],
)
def test_a_digest_is_due_once_a_day_by_the_persons_clock(now, facts, due):
    found = Preferences(time_zone="Europe/Vienna", **facts).digest_at(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found.astimezone(UTC) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_digest_tells_all_of_an_event_by_one_mail_and_each_of_them_once(alice, bob, run_tasks):
    for user in (alice, bob):
        update_preferences(user, digest=user == alice, marketing_consent=True)
        for about in ("x", "y", "z"):
            notify(user, "draw_lost", about=about, **LOST | {"raffle": f"Watch {about}"})
        notify(user, "raffle_new", about="x", **LOST)
        notify(user, "payment_failed", about="x", **LOST)
    run_tasks()
    assert [len(mails_to(user)) for user in (alice, bob)] == [1, 5]
    rows = Notification.objects.mails().filter(user=alice)
    rows.filter(in_digest=True).update(claimed_until=timezone.now())
    run_tasks()
    run_tasks()
    told = mails_to(alice)[1:]
    assert sorted(each.subject for each in told) == ["New: A fine watch", "Your news of the day: 3 messages"]
    (digest,) = (each for each in told if "news of the day" in each.subject)
    assert digest.body.index("The draw of Watch x") < digest.body.index("The draw of Watch y")
    assert digest.extra_headers["List-Id"].startswith("<draws.")
    assert "The draw of Watch y" in digest.alternatives[0][0]
    assert set(rows.values_list("status", "attempts")) == {("accepted", 1)}
    assert Notification.objects.inbox_of(alice).count() == 5
