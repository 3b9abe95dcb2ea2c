"""Favourites of a person, and reminders: when a sale opens, and some hours before it ends; each is told once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification, User
from accounts.services import exclude_from_buying, pause_buying, update_preferences
from luxewin.tests.asking import assert_problem, client_of
from raffles import services, tasks
from raffles.models import Favourite, Raffle
from raffles.reminders import CLOSING, OPENING, keep_favourite, send_reminders
from raffles.tests.times import set_times

FAVOURITES = "/api/v1/users/favourites"
DAY = timedelta(days=1)


@pytest.fixture
def upcoming(on_sale) -> Callable[[], Raffle]:
    now = timezone.now()
    return lambda **changes: on_sale(opens_at=now + DAY, closes_at=now + 3 * DAY, **changes)


def _opened(raffle: Raffle) -> None:
    set_times(raffle, opens_at="now() - interval '1 second'")


def _closing(raffle: Raffle, hours: str) -> None:
    end = f"now() + interval '{hours}'"
    set_times(raffle, opens_at="now() - interval '1 day'", closes_at=end, free_route_until=end)


def _mails(kind: str) -> list[str]:
    return sorted(Notification.objects.mails().filter(kind=kind).values_list("user__email", flat=True))


def _with_phase(raffle: Raffle) -> Raffle:
    return Raffle.objects.with_phase().get(pk=raffle.pk)


def test_favourites_are_kept_listed_and_dropped_by_id_or_slug(alice, on_sale):
    client, (first, second) = client_of(alice), (on_sale(title="first"), on_sale(title="second"))
    kept = client.post(FAVOURITES, {"raffle": first.slug}).json()
    assert (kept["raffle"]["id"], kept["remind_opening"], kept["remind_closing"]) == (str(first.pk), False, False)
    client.post(FAVOURITES, {"raffle": str(second.pk), "remind_closing": True})
    # What is left out stays.
    assert client.post(FAVOURITES, {"raffle": second.slug}).json()["remind_closing"] is True
    rows = client.get(FAVOURITES).json()["results"]
    assert [row["raffle"]["title"] for row in rows] == ["second", "first"]
    listed = client_of().get("/api/v1/raffles/list").json()["results"]
    assert {row["raffle"]["id"]: row["raffle"] for row in rows} == {row["id"]: row for row in listed}
    assert client.delete(f"{FAVOURITES}/{first.slug}").status_code == 204
    assert client.delete(f"{FAVOURITES}/{second.pk}").status_code == 204
    assert_problem(client.delete(f"{FAVOURITES}/{second.pk}"), 404, "not_found")
    assert client.get(FAVOURITES).json()["results"] == []


def test_what_nobody_may_see_is_no_favourite(alice, draft):
    client = client_of(alice)
    for name in (str(draft().pk), draft().slug, "nowhere"):
        assert_problem(client.post(FAVOURITES, {"raffle": name}), 404, "not_found")
        assert_problem(client.delete(f"{FAVOURITES}/{name}"), 404, "not_found")


def test_a_list_of_favourites_costs_the_same_for_any_number(alice, on_sale):
    client, costs = client_of(alice), []
    for _ in range(2):
        for _ in range(2):
            keep_favourite(alice, _with_phase(on_sale()))
        with CaptureQueriesContext(connection) as captured:
            client.get(FAVOURITES)
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_who_asked_is_told_once_when_the_sale_opens(alice, bob, charlie, upcoming, run_tasks):
    raffle, other = upcoming(), upcoming()
    for user in (alice, bob):
        client_of(user).post(FAVOURITES, {"raffle": raffle.slug, "remind_opening": True})
    client_of(alice).post(FAVOURITES, {"raffle": other.slug, "remind_opening": True})
    client_of(charlie).post(FAVOURITES, {"raffle": raffle.slug})
    assert tasks.remind_of_openings() == 0
    _opened(raffle)
    assert tasks.remind_of_openings() == 2
    # Claimed: no second task for the same.
    assert tasks.remind_of_openings() == 0
    run_tasks()
    send_reminders(OPENING, Favourite.objects.values_list("pk", flat=True))
    assert _mails("raffle_opened") == sorted([alice.email, bob.email])
    assert Favourite.objects.filter(remind_opening=True).get().raffle == other
    assert tasks.remind_of_closings() == 0


def test_who_asked_is_told_once_some_hours_before_the_sale_ends(alice, on_sale, run_tasks):
    raffle = on_sale(closes_at=timezone.now() + 3 * DAY)
    assert client_of(alice).post(FAVOURITES, {"raffle": raffle.slug, "remind_closing": True}).status_code == 200
    _closing(raffle, "6 hours 1 minute")
    assert tasks.remind_of_closings() == 0
    _closing(raffle, "5 hours 59 minutes")
    assert tasks.remind_of_closings() == 1
    run_tasks()
    assert _mails("raffle_closing") == [alice.email]
    assert not Favourite.objects.filter(remind_closing=True).exists()


def test_of_what_is_no_longer_on_sale_nobody_is_told(alice, upcoming):
    over, cancelled = upcoming(), upcoming()
    for raffle in (over, cancelled):
        keep_favourite(alice, _with_phase(raffle), remind_opening=True, remind_closing=True)
    services.cancel_raffle(cancelled.pk, reason="A flood.")
    _opened(cancelled)
    _closing(over, "-1 second")
    assert tasks.remind_of_openings() == tasks.remind_of_closings() == 0
    # Not even if the sale ended between the sweep and its task.
    send_reminders(CLOSING, Favourite.objects.values_list("pk", flat=True))
    assert not Notification.objects.exists()


def _switched_off(user: User) -> None:
    update_preferences(user, notifications={"reminders": {"email": False}})


@pytest.mark.parametrize(
    "change",
    [
        lambda user: exclude_from_buying(user, months=6, password=None, actor=user),
        lambda user: pause_buying(user, hours=24, actor=user),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        _switched_off,
    ],
    ids=["excluded", "paused", "closed", "switched off"],
)
def test_who_keeps_from_buying_or_switched_it_off_is_not_reminded(change, alice, bob, upcoming, run_tasks):
    raffle = upcoming()
    for user in (alice, bob):
        keep_favourite(user, _with_phase(raffle), remind_opening=True)
    change(alice)
    _opened(raffle)
    tasks.remind_of_openings()
    run_tasks()
    assert _mails("raffle_opened") == [bob.email]


def test_who_excluded_themselves_keeps_favourites_and_asks_for_no_reminder(alice, charlie, upcoming):
    raffle = upcoming()
    exclude_from_buying(alice, months=6, password=None, actor=alice)
    wanted = {"raffle": raffle.slug, "remind_opening": True}
    assert_problem(client_of(alice).post(FAVOURITES, wanted), 403, "self_excluded")
    # Nor is anything mailed to an address that may be somebody else's.
    assert_problem(client_of(charlie).post(FAVOURITES, wanted), 403, "email_not_verified")
    assert not Favourite.objects.exists()
    assert client_of(alice).post(FAVOURITES, {"raffle": raffle.slug, "remind_opening": False}).status_code == 200


def test_a_reminder_whose_time_has_come_is_refused(alice, on_sale):
    client = client_of(alice)
    raffle, soon = on_sale(closes_at=timezone.now() + DAY), on_sale(closes_at=timezone.now() + timedelta(hours=5))
    cancelled = on_sale(closes_at=timezone.now() + DAY)
    services.cancel_raffle(cancelled.pk, reason="A flood.")
    for wanted in (
        {"raffle": raffle.slug, "remind_opening": True},
        {"raffle": soon.slug, "remind_closing": True},
        {"raffle": cancelled.slug, "remind_closing": True},
    ):
        assert_problem(client.post(FAVOURITES, wanted), 409, "too_late_to_remind")
    assert not Favourite.objects.exists()
