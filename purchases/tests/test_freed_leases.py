"""A claim on a call to Stripe that a failing database left behind ends when the database is back, not with its time."""

from contextlib import contextmanager
from time import monotonic, sleep

import pytest
from django.db import connection

from purchases.models import Payment
from purchases.services import leases

pytestmark = pytest.mark.django_db(transaction=True)
# Less than a claim lasts, far more than this takes.
SECONDS = 30


@contextmanager
def full_disk():
    """No payment can be changed meanwhile, in PostgreSQL's own words for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER no_room BEFORE UPDATE ON purchases_payment FOR EACH ROW EXECUTE FUNCTION no_room()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION no_room CASCADE")


def test_once_there_is_room_again_the_buyer_is_served_within_moments(api, alice, on_sale, new_key):
    client, key, body = api(alice), new_key(), {"raffle": str(on_sale().pk), "quantity": 2}
    with full_disk():
        refused = client.post("/api/v1/purchases/create", body, headers=key)
        assert (refused.status_code, refused["Retry-After"]) == (503, "30")
        waiting = client.post("/api/v1/purchases/create", body, headers=key)
        assert (waiting.status_code, waiting.json()["code"]) in {(409, "request_in_flight"), (503, "unavailable")}
    end = monotonic() + SECONDS
    while (answer := client.post("/api/v1/purchases/create", body, headers=key)).status_code != 201:
        assert answer.json()["code"] == "request_in_flight"
        assert monotonic() < end
        sleep(0.4)
    assert answer.json()["client_secret"]
    payment = Payment.objects.get()
    assert (payment.status, payment.calling_since) == ("open", None)
    assert not leases._owed
