"""From the hold to the numbers: paying at the stand-in, and settling from any side, any number of times."""

import pytest

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from purchases import services
from purchases.models import Purchase
from purchases.tests.stage import DECLINED, at_once, bought, buy, counts, pay


def test_a_buyer_holds_pays_verifies_and_has_numbers(api, alice, on_sale, new_key, run_tasks):
    raffle, client = on_sale(ticket_price=700), api(alice)
    answer = client.post("/api/v1/purchases/create", {"raffle": str(raffle.pk), "quantity": 3}, headers=new_key())
    assert answer.status_code == 201, answer.json()
    held = answer.json()
    assert (held["status"], held["amount"], held["currency"], held["tickets"]) == ("pending", 2100, "gbp", None)
    assert counts(raffle) == (3, 0)
    assert pay(held["client_secret"]).json()["status"] == "succeeded"
    paid = client.post("/api/v1/purchases/verify", {"purchase": held["id"]}).json()
    assert (paid["status"], paid["tickets"]) == ("paid", {"first": 1, "last": 3, "count": 3})
    assert paid["client_secret"] is None
    assert counts(raffle) == (0, 3)
    run_tasks()
    assert Notification.objects.filter(user=alice, kind="purchase_paid").count() == 1


@pytest.mark.django_db(transaction=True)
def test_settling_from_eight_sides_at_once_gives_numbers_once(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle, 4)
    pay(purchase.payment.client_secret).raise_for_status()
    settled = at_once(*[lambda: services.settle_purchase(purchase.pk)] * 8)
    assert [each.tickets for each in settled] == [{"first": 1, "last": 4, "count": 4}] * 8
    assert counts(raffle) == (0, 4)
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 1
    assert Notification.objects.filter(kind="purchase_paid").count() == 1
