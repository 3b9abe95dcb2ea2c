"""The inbox: what a person was told, in their language, beside the mail, until retention or an erasure takes it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.errors import MessageUnderWay
from accounts.models import Notification
from accounts.notification_types import MAILED_ONLY
from accounts.notifications import notify
from accounts.privacy.account_data import _messages
from accounts.services.deletion import pseudonymise

pytestmark = pytest.mark.django_db
OURS = {"email", "inbox"}  # without Novu
INBOX = "/api/v1/users/notifications"
LOST = {"raffle": "A fine watch", "raffle_id": "7"}


def _told(user, count=1):
    for number in range(count):
        notify(user, "draw_lost", about=number, **LOST)
    return list(Notification.objects.inbox_of(user).order_by("-pk"))


def test_an_event_is_one_row_for_each_channel_and_in_the_inbox_at_once(alice, api):
    _told(alice)
    _told(alice)
    rows = Notification.objects.filter(user=alice)
    assert dict(rows.values_list("channel", "status")) == {"email": "queued", "inbox": "delivered"}
    assert rows.values("dedupe_key").distinct().count() == 1
    (shown,) = api(alice).get(INBOX).json()["results"]
    assert shown | {"id": None, "created_at": None} == {
        "id": None,
        "event": "draws",
        "kind": "draw_lost",
        "title": "The draw of A fine watch",
        "text": shown["text"],
        "links": [{"label": shown["links"][0]["label"], "url": "http://127.0.0.1:8000/verify/7"}],
        "created_at": None,
        "read_at": None,
    }
    assert "this time you did not win" in shown["text"]
    assert "Hello" not in shown["text"]
    assert "unsubscribe" not in shown["text"]


def test_what_opens_something_or_is_for_another_address_is_only_mailed(alice, mona):
    for kind in MAILED_ONLY:
        notify(alice, kind, about="x")
    assert not Notification.objects.inbox_of(alice).exists()


def test_a_page_is_written_in_the_readers_language_and_costs_one_query_whatever_its_length(alice, api):
    alice.preferences.language = "de"
    alice.preferences.save()
    _told(alice, 25)
    client = api(alice)
    counts = []
    for size in (2, 20):
        with CaptureQueriesContext(connection) as asked:
            page = client.get(f"{INBOX}?page_size={size}").json()
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert page["results"][0]["title"] == "Die Ziehung von A fine watch"
    rest = client.get(page["next"]).json()
    assert (len(page["results"]), len(rest["results"]), rest["next"]) == (20, 5, None)
    assert len({each["id"] for each in page["results"] + rest["results"]}) == 25


def test_reading_one_or_all_counts_down_once_and_leaves_what_came_meanwhile(alice, bob, api):
    third, second, first = (str(each.pk) for each in _told(alice, 3))
    _told(bob)
    client = api(alice)
    assert client.get(f"{INBOX}/unread").json() == {"unread": 3}
    for _ in range(2):
        assert client.post(f"{INBOX}/{first}/read").json() == {"unread": 2}
    assert [each["id"] for each in client.get(f"{INBOX}?unread=true").json()["results"]] == [third, second]
    assert client.post(f"{INBOX}/read", {"up_to": second}).json() == {"unread": 1}
    at = Notification.objects.get(pk=first).read_at
    assert client.post(f"{INBOX}/read").json() == {"unread": 0}
    assert Notification.objects.get(pk=first).read_at == at
    assert Notification.objects.inbox_of(bob).unread().count() == 1


def test_nobody_reads_or_marks_another_persons(alice, bob, api):
    (told,) = _told(alice)
    client = api(bob)
    assert client.get(INBOX).json()["results"] == []
    assert client.post(f"{INBOX}/{told.pk}/read").status_code == 404
    assert client.post(f"{INBOX}/{uuid4()}/read").status_code == 404
    assert Notification.objects.inbox_of(alice).unread().count() == 1


@pytest.mark.parametrize(
    ("verb", "path", "body", "field"),
    [
        ("get", "?unread=perhaps", None, "unread"),
        ("get", "?cursor=x", None, "cursor"),
        ("get", "?page_size=0", None, "page_size"),
        ("post", "/read", {"up_to": "x"}, "up_to"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(verb, path, body, field, alice, api):
    answer = getattr(api(alice), verb)(f"{INBOX}{path}", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize("off", sorted(OURS))
def test_each_channel_is_switched_off_alone(off, alice):
    services.update_preferences(alice, notifications={"draws": {off: False}})
    _told(alice)
    assert set(Notification.objects.values_list("channel", flat=True)) == OURS - {off}


def test_retention_and_erasure_empty_it_and_the_archive_has_it(alice, bob, api):
    for user in (alice, bob):
        _told(user)
    assert {row["channel"] for row in _messages(alice)} == OURS
    Notification.objects.filter(user=alice).update(created_at=timezone.now() - timedelta(days=400))
    services.apply_rule("message_contents")
    assert api(alice).get(INBOX).json()["results"] == []
    assert api(alice).get(f"{INBOX}/unread").json() == {"unread": 0}
    pseudonymise(bob)
    assert not Notification.objects.inbox_of(bob).exists()
    assert Notification.objects.get(user=bob).context == {}


def test_what_is_in_the_inbox_is_not_sent_again_and_staff_read_it(alice, sam, client):
    (told,) = _told(alice)
    with pytest.raises(MessageUnderWay):
        services.send_again(told.pk, reason="r", actor=sam)
    client.force_login(sam)
    assert "this time you did not win" in client.get(f"/admin/accounts/notification/{told.pk}/change/").content.decode()
