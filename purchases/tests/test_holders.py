"""Holders: who makes the nonce, that a raffle takes each holder only once, and what a person gets of it."""

from hashlib import sha256

import pytest
from django.db import IntegrityError, transaction

from accounts.privacy import exports
from accounts.privacy.erasure import ERASERS
from purchases import errors, services
from purchases.models import Purchase
from purchases.tests.stage import at_once, counts, hold, key, seated
from purchases.tests.test_postal import enter

URL = "/api/v1/purchases/create"
DEVICE = sha256(b"a nonce that stays on the device")


def create(client, raffle, headers, **more):
    return client.post(URL, {"raffle": str(raffle.pk), "quantity": 1} | more, headers=headers)


def test_a_device_that_sends_a_holder_keeps_its_nonce(api, alice, on_sale, new_key):
    made = create(api(alice), on_sale(), new_key(), holder=DEVICE.hexdigest())
    assert made.status_code == 201
    purchase = Purchase.objects.get()
    assert (bytes(purchase.holder), purchase.nonce) == (DEVICE.digest(), None)


def test_for_a_client_without_one_the_server_makes_a_nonce_that_a_repetition_does_not_change(
    api, alice, on_sale, new_key
):
    raffle, headers = on_sale(), new_key()
    create(api(alice), raffle, headers)
    before = Purchase.objects.values_list("holder", "nonce").get()
    assert create(api(alice), raffle, headers).status_code == 201
    assert Purchase.objects.values_list("holder", "nonce").get() == before
    assert sha256(before[1]).digest() == bytes(before[0])
    again = services.hold_tickets(buyer=alice, raffle_id=raffle.pk, quantity=1, key=key())
    assert bytes(again.purchase.nonce) != bytes(before[1])


def test_another_holder_under_the_same_key_is_another_request(api, alice, on_sale, new_key):
    raffle, headers = on_sale(), new_key()
    create(api(alice), raffle, headers, holder=DEVICE.hexdigest())
    answer = create(api(alice), raffle, headers, holder="0" * 64)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "holder",
    [
        "",
        "0" * 63,
        "0" * 65,
        "A" * 64,
        "0x" + "0" * 62,
        "0" * 63 + "\n",
        " " + "0" * 63,
        "\u0660" * 64,
        int("1" * 64),
        None,
    ],
)
def test_a_malformed_holder_names_its_field_and_holds_nothing(api, alice, on_sale, new_key, holder):
    raffle = on_sale()
    answer = create(api(alice), raffle, new_key(), holder=holder)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == ["holder"]
    assert counts(raffle) == (0, 0)


def test_a_holder_that_the_raffle_has_is_refused_and_holds_nothing(api, alice, bob, on_sale, new_key):
    raffle, other, headers = on_sale(), on_sale(), new_key()
    mine = create(api(alice), raffle, headers, holder=DEVICE.hexdigest()).json()
    for client in (api(alice), api(bob)):
        answer = create(client, raffle, new_key(), holder=DEVICE.hexdigest())
        assert (answer.status_code, answer.json()["code"]) == (409, "holder_used")
    assert create(api(alice), raffle, headers, holder=DEVICE.hexdigest()).json() == mine
    assert counts(raffle) == (1, 0)
    assert create(api(bob), other, new_key(), holder=DEVICE.hexdigest()).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_one_holder_at_once_one_gets_tickets(people, on_sale):
    raffle = on_sale()
    ask = {"raffle_id": raffle.pk, "quantity": 1, "holder": DEVICE.digest()}
    asks = [lambda buyer=buyer: services.hold_tickets(buyer=buyer, key=key(), **ask) for buyer in people(6)]
    held = at_once(*asks)
    assert sum(isinstance(each, errors.HolderUsed) for each in held) == 5, held
    assert counts(raffle) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_with_a_holder_is_one_purchase(alice, on_sale):
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 1, "key": key(), "holder": DEVICE.digest()}
    held = at_once(*[lambda: services.hold_tickets(**ask)] * 8)
    assert len({each.purchase.pk for each in held}) == 1, held


def test_a_free_entry_has_a_nonce_of_the_server(bob, sam, on_sale):
    enter(sam, on_sale(), bob)
    holder, nonce = Purchase.objects.values_list("holder", "nonce").get()
    assert sha256(nonce).digest() == bytes(holder)


def test_the_database_makes_a_holder_where_none_is_written_and_takes_no_false_nonce(alice, on_sale):
    held = hold(alice, on_sale())
    kept = {"buyer": alice, "raffle": held.raffle, "quantity": 1, "amount": 1, "currency": "gbp"}
    kept |= {"request_digest": b"", "expires_at": held.expires_at}
    made = [Purchase.objects.create(idempotency_key=word, **kept) for word in "ab"]
    holders = {bytes(Purchase.objects.values_list("holder", flat=True).get(pk=each.pk)) for each in made}
    assert {len(holder) for holder in holders} == {32}
    assert len(holders) == 2
    for wrong in ({"holder": b"short"}, {"nonce": b"n" * 32}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Purchase.objects.filter(pk=held.pk).update(**wrong)


def test_a_person_gets_holder_and_nonce_in_their_export_and_an_erasure_clears_the_nonce(alice, on_sale):
    bought = seated(alice, on_sale())
    holder, nonce = bytes(bought.holder), bytes(bought.nonce)
    (row,) = exports.AREAS["purchases/purchases.json"].rows(alice)
    assert (row["holder"], row["nonce"]) == (holder.hex(), nonce.hex())
    for erase in ERASERS:
        erase(alice)
    bought.refresh_from_db()
    assert (bytes(bought.holder), bought.nonce) == (holder, None)
    (row,) = exports.AREAS["purchases/purchases.json"].rows(alice)
    assert row["nonce"] is None
