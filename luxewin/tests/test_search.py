"""The back office's search box: by whole ids and beginnings; no piece of an id, nothing beyond one's rights."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.test import Client

from accounts.models import User
from luxewin.finding import FINDERS
from purchases.models import Dispute, Refund, UnstoredEvent
from purchases.tests.stage import seated
from verification.models import Draw

SEARCH = "/admin/search/"


@pytest.fixture
def there(on_sale, alice, bob) -> SimpleNamespace:
    """One of everything that can be found, beside others."""
    raffle, other = on_sale(title="Hermès Birkin 25"), on_sale(title="Hermès scarf")
    first, second = seated(alice, raffle, quantity=3), seated(bob, raffle, quantity=2)
    seated(bob, other)
    payment = first.payment
    payment.intent_id = "pi_Abc123"
    payment.save()
    refund = Refund.objects.create(payment=payment, amount=1, reason="x", stripe_id="re_9", status="failed")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    dispute = Dispute.objects.create(stripe_id="dp_7", payment=payment, status="lost", amount=1, opened_at=at)
    event = UnstoredEvent.objects.create(event_id="evt_1", type="x", content="{}", made_at=at, error="x")
    names = {"raffle": raffle, "other": other, "first": first, "second": second, "payment": payment, "alice": alice}
    return SimpleNamespace(**names, refund=refund, dispute=dispute, event=event, draw=Draw.objects.get(pk=raffle.pk))


def find(user: User, text: str) -> str | dict[str, int]:
    """Where it leads; or what was looked for, and how many of each were found."""
    client = Client()
    client.force_login(user)
    answer = client.get(SEARCH, {"q": text})
    if answer.status_code == 302:
        assert client.get(answer["Location"]).status_code == 200
        return answer["Location"]
    assert answer.status_code == 200
    return {each.name: len(each.found) for each in answer.context["looked"]}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "model", "thing"),
    [
        ("alice@example.com", "accounts/user", "alice"),
        ("  Alice@Example.COM ", "accounts/user", "alice"),
        ("{alice.pk}", "accounts/user", "alice"),
        ("{raffle.title}", "raffles/raffle", "raffle"),
        ("hermès b", "raffles/raffle", "raffle"),
        ("{raffle.slug}", "raffles/raffle", "raffle"),
        ("{first.pk}", "purchases/purchase", "first"),
        ("{first.entry_id}", "purchases/purchase", "first"),
        ("{raffle.slug} 1", "purchases/purchase", "first"),
        ("Hermès Birkin 25 #3", "purchases/purchase", "first"),
        ("Hermès Birkin 25 4", "purchases/purchase", "second"),
        ("Hermès Birkin 25 5", "purchases/purchase", "second"),
        ("pi_Abc123", "purchases/payment", "payment"),
        ("re_9", "purchases/refund", "refund"),
        ("dp_7", "purchases/dispute", "dispute"),
        ("evt_1", "purchases/unstoredevent", "event"),
        ("{draw.manifest_hash}", "verification/draw", "draw"),
        ("0x{draw.manifest_hash}", "verification/draw", "draw"),
        ("draw {draw.sequence}", "verification/draw", "draw"),
    ],
)
def test_what_is_named_whole_is_opened(text, model, thing, there, audrey):
    where = find(audrey, text.format(**vars(there)))
    assert where == f"/admin/{model}/{getattr(there, thing).pk}/change/", where


@pytest.mark.django_db
def test_several_are_listed_and_what_was_looked_for_is_said(there, audrey):
    assert find(audrey, "herm")["Raffle by the beginning of its title or web address"] == 2
    assert find(audrey, "Hermès Birkin 25 6")["Purchase by raffle and ticket"] == 0
    assert find(audrey, "") == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["pi_Abc12", "pi_abc123", "lice@example.com", "alice@example", "33", "re_", "%", "_", "*"]
)
def test_a_piece_finds_nothing(text, there, audrey):
    found = find(audrey, text)
    assert not isinstance(found, str), found
    assert sum(found.values()) == 0, found


@pytest.mark.django_db
def test_a_piece_of_an_id_finds_nothing(there, audrey):
    for text in (str(there.first.pk)[:-1], str(there.first.pk)[:8], there.draw.manifest_hash[:-1]):
        found = find(audrey, text)
        assert not isinstance(found, str)
        assert sum(found.values()) == 0


@pytest.mark.django_db
def test_nobody_finds_what_they_may_not_view(there, person):
    clerk = person("clerk", role="support")
    clerk.groups.clear()
    for text in ("alice@example.com", str(there.first.pk), "pi_Abc123", there.raffle.slug, there.draw.manifest_hash):
        assert find(clerk, text) == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["\0", "\ud7ff" * 9_000, "' OR 1=1 --", "9" * 400, "a 999999999", "ßß İ ₂", "0x" + "f" * 64, "<b>"]
)
def test_any_text_gets_a_page(text, there, audrey):
    find(audrey, text)


@pytest.mark.django_db
def test_nothing_is_searched_without_an_index(there, audrey, django_assert_max_num_queries):
    client = Client()
    client.force_login(audrey)
    client.get(SEARCH, {"q": "x"})
    with django_assert_max_num_queries(len(FINDERS) + 6):
        client.get(SEARCH, {"q": "0" * 64})


@pytest.mark.django_db
def test_the_box_is_on_every_page_of_who_is_signed_in_and_on_no_other(sam):
    client = Client()
    assert "search-box" not in client.get("/admin/login/").content.decode()
    client.force_login(sam)
    for path in ("/admin/", "/admin/purchases/purchase/", "/admin/health/"):
        page = client.get(path).content.decode()
        assert re.search(r'<form class="search-box" role="search" action="/admin/search/">', page)
