"""Cards: what tells one from another is held while the account lives, and nowhere after it is erased."""

import io
import json
from datetime import timedelta
from zipfile import ZipFile

import pytest
from django.test import Client
from django.utils import timezone
from djstripe.models import Charge

from accounts.models import Deletion, ExcludedAddress, User
from accounts.privacy.archives import write_archive
from accounts.services import carry_out_deletion, exclude_from_buying
from luxewin.tests.searching import tables_with
from purchases import gateway, services
from purchases.gateway import redaction
from purchases.models import Purchase
from purchases.receipts import card_of
from purchases.tests.stage import DECLINED, GOOD, at_once, buy, confirm, method

pytestmark = pytest.mark.django_db
OTHER = "5555555555554444"
# With the marks that JSON has between name and value, quoted once more or not; an underscore matches any of them.
TRACES = (
    *(f"exp_year{'_' * marks}2034" for marks in range(2, 6)),
    *(f"exp_month{'_' * marks}12" for marks in range(2, 6)),
    *(f"country{'_' * marks}FR" for marks in range(3, 8)),
)
SAID_DELETED = "A person whose account was deleted"


def _pay(buyer: User, raffle, number: str, hear) -> Purchase:
    """Declined once, then paid, and all of it heard of, as events, intents, methods and charges."""
    purchase = buy(buyer, raffle)
    for each in (DECLINED, number):
        confirm(purchase.payment.client_secret, method(each))
        hear()
    purchase.refresh_from_db()
    assert purchase.status == "paid"
    return purchase


def _fingerprint_of(purchase: Purchase) -> str:
    charge = Charge.objects.get(payment_intent=purchase.payment.intent_id, stripe_data__paid=True)
    return str(charge.stripe_data["payment_method_details"]["card"]["fingerprint"])


def _page(staff: User, purchase: Purchase) -> str:
    client = Client()
    client.force_login(staff)
    return client.get(f"/admin/purchases/purchase/{purchase.pk}/change/").content.decode()


def _erase(user: User, purchase: Purchase, hear) -> None:
    services.request_refund(purchase.pk, reason="r")
    hear()
    deletion = Deletion.objects.create(user=user, due_at=timezone.now() - timedelta(seconds=1))
    carry_out_deletion(deletion.pk)
    user.refresh_from_db()
    assert user.is_deleted


def _tables_with_traces(fingerprints: set[str]) -> set[str]:
    # The record of our own account has the operator's country.
    return tables_with(*fingerprints, *TRACES) - {"djstripe_account"}


def _cards(user: User) -> list[dict[str, object]]:
    file = io.BytesIO()
    write_archive(user, file)
    with ZipFile(file) as archive:
        found: list[dict[str, object]] = json.loads(archive.read("purchases/cards.json"))
    return found


def test_staff_see_an_excluded_persons_card_where_another_account_pays_with_it(alice, bob, fiona, on_sale, hear):
    raffle = on_sale()
    _pay(bob, raffle, GOOD, hear)
    same, another = _pay(alice, raffle, GOOD, hear), _pay(alice, raffle, OTHER, hear)
    assert bob.email not in _page(fiona, same)
    exclude_from_buying(bob, months=6, password=None, actor=bob)
    assert bob.email in _page(fiona, same)
    # One attempt at the other, too, was declined with the same card as Bob's.
    assert _fingerprint_of(same) != _fingerprint_of(another)
    assert SAID_DELETED not in _page(fiona, same)


def test_the_archive_has_them(alice, on_sale, hear):
    purchase = _pay(alice, on_sale(), GOOD, hear)
    [paid] = [card for card in _cards(alice) if card["last4"] == "4242"]
    assert paid.items() >= {"kind": "card", "exp_month": 12, "exp_year": 2034, "country": "FR"}.items()
    assert paid["fingerprint"] == _fingerprint_of(purchase)
    assert paid["brand"]
    assert card_of(purchase) == f"{paid['brand'].capitalize()} •••• 4242"


def test_they_are_held_in_the_charge_alone_and_nowhere_after_the_erasure(alice, on_sale, hear):
    purchase = _pay(alice, on_sale(), GOOD, hear)
    fingerprints = {_fingerprint_of(purchase)}
    assert _tables_with_traces(fingerprints) == {"djstripe_charge"}
    _erase(alice, purchase, hear)
    assert _tables_with_traces(fingerprints) == set()
    # Nor does a later record bring anything back: Stripe keeps them.
    gateway.mirror_intent(purchase.payment.intent_id)
    hear()
    assert _tables_with_traces(fingerprints) == set()
    assert {card["last4"] for card in _cards(alice)} == {"0002", "4242"}
    assert not ExcludedAddress.objects.exists()


def test_of_an_excluded_person_who_is_erased_staff_see_that_there_was_one(alice, bob, charlie, fiona, on_sale, hear):
    raffle = on_sale()
    mine, theirs = _pay(alice, raffle, GOOD, hear), _pay(bob, raffle, GOOD, hear)
    fingerprint = _fingerprint_of(theirs)
    exclude_from_buying(bob, months=6, password=None, actor=bob)
    _erase(bob, theirs, hear)
    assert SAID_DELETED in _page(fiona, mine)
    assert fingerprint.encode() not in b"".join(bytes(each.digest) for each in ExcludedAddress.objects.all())
    ends = set(ExcludedAddress.objects.values_list("until", flat=True))
    assert len(ends) == 1
    ExcludedAddress.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert SAID_DELETED not in _page(fiona, mine)


@pytest.mark.django_db(transaction=True)
def test_a_record_written_while_its_payer_is_erased_keeps_nothing(alice, on_sale, hear, monkeypatch):
    """The writer has seen a living payer; the erasure does not see the writer's charge."""
    purchase = _pay(alice, on_sale(), GOOD, hear)
    fingerprints = {_fingerprint_of(purchase)}
    services.request_refund(purchase.pk, reason="r")
    hear()
    deletion = Deletion.objects.create(user=alice, due_at=timezone.now() - timedelta(seconds=1))
    looked = redaction._has_living_payer

    def erased_meanwhile(intent_id):
        found = looked(intent_id)
        assert at_once(lambda: carry_out_deletion(deletion.pk)) == [None]
        return found

    monkeypatch.setattr(redaction, "_has_living_payer", erased_meanwhile)
    gateway.mirror_intent(purchase.payment.intent_id)
    assert _tables_with_traces(fingerprints) == set()
