"""When a raffle last changed: whoever changed it, and by whatever hand; counters and claims of work are no change."""

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from luxewin.tests.asking import client_of
from raffles import services
from raffles.models import Raffle, TicketCounter


def _shown(raffle: Raffle) -> datetime:
    shown = client_of().get(f"/api/v1/raffles/{raffle.slug}").json()["updated_at"]
    listed = client_of().get("/api/v1/raffles/list").json()["results"]
    assert [each["updated_at"] for each in listed if each["id"] == str(raffle.pk)] == [shown]
    return datetime.fromisoformat(shown)


def test_every_change_moves_it_and_nothing_else(on_sale):
    raffle = on_sale()
    changes = [
        lambda: services.update_raffle(raffle.pk, description="With its box."),
        lambda: services.add_to_conditions(raffle.pk, text="The box is blue."),
        lambda: Raffle.objects.filter(pk=raffle.pk).update(category="car"),
        lambda: services.cancel_raffle(raffle.pk, reason="A flood."),
    ]
    before = _shown(raffle)
    for change in changes:
        change()
        assert _shown(raffle) > before
        before = _shown(raffle)
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=1)
    Raffle.objects.filter(pk=raffle.pk).update(claimed_until=timezone.now() + timedelta(minutes=1))
    Raffle.objects.filter(pk=raffle.pk).update(category="car")
    assert _shown(raffle) == before
    with connection.cursor() as cursor:
        cursor.execute("UPDATE raffles_raffle SET image_url = 'https://example.com/a.jpg' WHERE id = %s", [raffle.pk])
    assert _shown(raffle) > before


def test_other_prizes_of_a_draft_are_a_change(draft):
    raffle = draft()
    before = Raffle.objects.get(pk=raffle.pk).updated_at
    services.update_raffle(raffle.pk, prizes=[{"name": "Another watch"}])
    assert Raffle.objects.get(pk=raffle.pk).updated_at > before
