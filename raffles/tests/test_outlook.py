"""What a shop says of a raffle beside its facts."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from luxewin.tests.asking import client_of
from raffles.models import Raffle, TicketCounter
from raffles.outlook import waiting_for


def _shown(raffle: Raffle) -> dict:
    shown = client_of().get(f"/api/v1/raffles/{raffle.slug}").json()
    (listed,) = client_of().get("/api/v1/raffles/list").json()["results"]
    # A list says the same.
    assert {name: shown[name] for name in listed} == listed
    return shown


NOW = timezone.now


@pytest.mark.parametrize(
    ("change", "waits", "base"),
    [
        ({}, "end_of_sale", "closes_at"),
        ({"closed_at": NOW()}, "payments", "closed_at"),
        ({"closed_at": NOW(), "frozen_at": NOW()}, "random_number", "frozen_at"),
        ({"closed_at": NOW(), "frozen_at": NOW(), "drawn_at": NOW()}, None, None),
        ({"status": "cancelled", "cancelled_at": NOW()}, None, None),
    ],
)
def test_it_says_what_the_draw_waits_for_and_when_it_can_be(change, waits, base, on_sale):
    raffle = on_sale()
    Raffle.objects.filter(pk=raffle.pk).update(**change)
    raffle.refresh_from_db()
    shown = _shown(raffle)
    assert shown["waiting_for"] == waits
    expected = base and getattr(raffle, base) + timedelta(seconds=raffle.delay_seconds)
    assert shown["draw_expected_at"] == (expected and expected.isoformat().replace("+00:00", "Z"))


def test_what_is_not_announced_waits_for_that_and_then_for_its_opening():
    for announced_at, waits in ((None, "announcement"), (timezone.now(), "opening")):
        assert waiting_for(SimpleNamespace(phase="upcoming", announced_at=announced_at)) == waits


@pytest.mark.parametrize(
    ("sold", "held", "ends_in", "percent", "badges"),
    [
        (0, 0, 48, 0, ["new"]),
        (89, 0, 48, 89, ["new"]),
        (90, 0, 48, 90, ["new", "nearly_gone"]),
        (99, 1, 2, 99, ["new", "closing_soon", "sold_out"]),
        (100, 0, 48, 100, ["new", "sold_out"]),
    ],
)
def test_badges_and_percent_follow_the_counter_and_the_clock(sold, held, ends_in, percent, badges, on_sale):
    raffle = on_sale(capacity=100, closes_at=timezone.now() + timedelta(hours=ends_in))
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=sold, held=held)
    shown = _shown(raffle)
    assert (shown["tickets"]["percent_sold"], shown["badges"]) == (percent, badges)


def test_what_pages_say_in_their_head_is_short_and_leads_to_the_shop(on_sale, settings):
    settings.FRONTEND_URL = "https://shop.example"
    raffle = on_sale(description="A fine\n watch. " * 50)
    share = _shown(raffle)["share"]
    assert share["url"] == f"https://shop.example/raffles/{raffle.slug}"
    assert (share["title"], share["image_url"]) == (raffle.title, raffle.image_url)
    assert share["description"].startswith("A fine watch. A fine")
    assert len(share["description"]) <= 160
