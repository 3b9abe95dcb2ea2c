"""Which changes other systems are told of: each says what the OpenAPI document promises, in its own transaction."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from luxewin.webhooks import services
from luxewin.webhooks.events import TYPES
from luxewin.webhooks.models import Event
from purchases.tests.stage import bought, seated
from raffles import services as raffle_services
from verification.models import Draw
from verification.services import claim_award
from verification.tests.drawing import advance_to, closed


@pytest.fixture
def listening(mona):
    """An endpoint that wants everything."""
    services.create_endpoint(url="https://hooks.example/", description="", event_types=list(TYPES), actor=mona)


def told(event_type):
    """What was told; each with every field that is documented, and no other."""
    found = list(Event.objects.filter(type=event_type).order_by("pk"))
    for event in found:
        checked = TYPES[event_type](data=event.data)
        checked.is_valid(raise_exception=True)
        assert set(event.data) == set(checked.fields)
        assert event.deliveries.count() == 1
    return [event.data for event in found]


def test_a_raffle_from_its_publication_to_the_prize(listening, on_sale, alice, bob, mona):
    raffle = on_sale(prizes=[{"name": "A watch"}])
    mine = seated(alice, raffle, 3)
    closed(raffle)
    advance_to(raffle, Draw.State.DRAWN)
    pick = raffle.draw.picks.get(position=1)
    claim_award(pick.pk, actor=mona)
    facts = {"raffle": str(raffle.pk), "slug": raffle.slug}
    for event_type in ("raffle.published", "raffle.closed", "raffle.drawn"):
        assert told(event_type) == [facts], event_type
    (paid,) = told("purchase.paid")
    names = {"purchase": str(mine.pk), "raffle": str(raffle.pk), "buyer": str(alice.pk)}
    tickets = {"quantity": 3, "first_ticket": 1, "last_ticket": 3}
    assert paid == names | tickets | {"amount": 1500, "currency": "gbp"}
    (claimed,) = told("winner.claimed")
    assert (claimed["ticket"], claimed["purchase"], claimed["prize"]) == (pick.ticket, str(mine.pk), "A watch")


def test_a_raffle_that_is_cancelled_and_the_money_that_goes_back(listening, on_sale, alice, run_tasks):
    raffle = on_sale()
    purchase = bought(alice, raffle, 2)
    raffle_services.cancel_raffle(raffle.pk, reason="The watch was stolen.")
    run_tasks()
    (cancelled,) = told("raffle.cancelled")
    assert cancelled["reason"] == "The watch was stolen."
    (refunded,) = told("purchase.refunded")
    assert (refunded["purchase"], refunded["amount"]) == (str(purchase.pk), 1000)


def test_the_document_has_every_event():
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert set(document["webhooks"]) == set(TYPES)
    paid = document["webhooks"]["purchase.paid"]["post"]
    name = paid["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(document["components"]["schemas"][name]["properties"]) == {"type", "timestamp", "data"}
